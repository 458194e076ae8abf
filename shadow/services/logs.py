"""Keep log lines that were posted, redacted, until they expire."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from shadow.checks.logs.redaction import redacted_line
from shadow.models import LogBatch, ServicePair

LINES_LIFETIME = timedelta(hours=24)
MAX_LINES = 5000
# Of each side; what is older goes when more is posted.
MAX_BATCHES = 50


def record_lines(
    *, pair: ServicePair, side: str, lines: Sequence[str], source: str, now: datetime
) -> LogBatch:
    """Keep a batch of lines of one side's present build; values of secret fields are replaced."""
    names = pair.checks.get("log_format", {}).get("redact", ())
    text = "\n".join(redacted_line(line, names) for line in lines)
    with transaction.atomic():
        batch = LogBatch.objects.create(
            pair=pair,
            side=side,
            source=source,
            build=pair.legacy_build if side == "legacy" else pair.candidate_build,
            at=now,
            lines=len(lines),
            text=text,
            expires_at=now + LINES_LIFETIME,
        )
        kept = LogBatch.objects.filter(pair=pair, side=side).values("pk")[:MAX_BATCHES]
        LogBatch.objects.filter(pair=pair, side=side).exclude(
            pk__in=[row["pk"] for row in kept]
        ).delete()
    return batch
