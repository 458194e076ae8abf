"""`manage.py recompute_evidence`: compute every verdict behind a decision again, and compare."""

import hashlib
import sys
import zlib
from typing import Any

from django.core.management.base import BaseCommand

from judge.recompute import recompute
from rollout.gates import evidence_sha256
from rollout.models import DecisionVerdict
from rollout.services.inputs import read_inputs


class Command(BaseCommand):
    """Exit 0 when every stored verdict follows from its inputs, 1 with the first that does not."""

    help = "Recompute all stored verdicts from their stored inputs."

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare one by one, oldest first."""
        rows = DecisionVerdict.objects.select_related("given", "decision__migration")
        count = 0
        for row in rows.order_by("pk").iterator():
            problem = _problem(row)
            if problem:
                where = f"{row.decision.migration.slug} version {row.decision.from_version}"
                self.stdout.write(f"{where}, {row.gate} {row.route}: {problem}")
                sys.exit(1)
            count += 1
        self.stdout.write(f"recomputed {count} verdicts, all as recorded")


def _problem(row: DecisionVerdict) -> str:
    if hashlib.sha256(zlib.decompress(bytes(row.given.body))).hexdigest() != row.given_id:
        return "the stored inputs were altered"
    again = recompute(read_inputs(row.given)).to_dict()
    if evidence_sha256(again) != row.evidence_sha256:
        return f"recorded {row.evidence['verdict']}, recomputed {again['verdict']}"
    return ""
