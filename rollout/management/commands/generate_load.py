"""`manage.py generate_load --run N`: send a load run's requests straight to the candidate."""

import tempfile
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from rollout.services import requests_of
from traffic.load import driver
from traffic.load.plan import LoadPlan
from traffic.models import LoadRun


class Command(BaseCommand):
    """Started by the worker for a run of mode "generator"; ends with the run."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--run", type=int, required=True)
        parser.add_argument("--claim", default="", help="the name under which the run was claimed")

    def handle(self, *args: Any, **options: Any) -> None:
        run = LoadRun.objects.select_related("split").filter(pk=options["run"]).first()
        if run is None or run.mode != LoadRun.Mode.GENERATOR:
            raise CommandError("There is no such run of the generator.")
        now, name = timezone.now(), options["claim"] or uuid.uuid4().hex
        if not driver.claim(run.pk, name=name, now=now):
            return
        requests, url = requests_of(run)
        if not requests:
            raise CommandError("There is no request to send: record or write a corpus first.")
        plan = LoadPlan.from_dict(run.plan)
        with tempfile.TemporaryDirectory(prefix="banyan-load-") as directory:
            file = Path(directory) / "requests.jsonl"
            file.write_text("\n".join(request.to_line() for request in requests))
            shards = driver.start(
                url=url,
                requests=file,
                seconds=(run.deadline_at - now).total_seconds(),
                shards=driver.shards_for(plan.target_rps(plan.last)),
            )
            try:
                driver.drive(run.pk, shards, name=name, now=timezone.now)
            finally:
                driver.stop(shards)
