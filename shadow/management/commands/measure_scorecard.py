"""`manage.py measure_scorecard`: measure both services from their commands, for the scorecard."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from shadow.models import Measurement, ServicePair
from shadow.scorecard import rows
from shadow.scorecard_runner import Ask, Figure, MeasuringError, measure
from shadow.services.measuring import record_measurement


class Command(BaseCommand):
    """Each service runs alone, on one core, started and ended here."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pair", required=True, help="name of the pair, as the migration's")
        for side in ("legacy", "candidate"):
            parser.add_argument(f"--{side}-command", required=True, help="{port} is filled in")
            parser.add_argument(
                f"--{side}-files",
                action="append",
                type=Path,
                required=True,
                help="what is shipped: binary, or environment and source; may be repeated",
            )
        parser.add_argument("--method", default="POST")
        parser.add_argument("--path", required=True, help="the small model's address")
        parser.add_argument("--body", default="", help="JSON text of the request")
        parser.add_argument("--starts", type=int, default=5, help="cold starts, for the median")
        parser.add_argument("--seconds", type=float, default=5.0, help="under load")

    def handle(self, *args: Any, **options: Any) -> None:
        pair = ServicePair.objects.filter(name=options["pair"]).first()
        if pair is None:
            raise CommandError(f"There is no pair {options['pair']!r}.")
        ask = Ask(options["method"], options["path"], options["body"].encode())
        found: dict[str, list[Figure]] = {}
        for side in ("legacy", "candidate"):
            try:
                found[side] = measure(
                    options[f"{side}_command"],
                    ask,
                    weigh=options[f"{side}_files"],
                    starts=options["starts"],
                    seconds=options["seconds"],
                )
            except MeasuringError as error:
                raise CommandError(f"{side}: {error}") from error
        for side, figures in found.items():
            _keep(pair, side, figures, ask)
        for row in rows(Measurement.objects.filter(pair=pair)):
            if row.legacy and row.candidate and row.factor:
                self.stdout.write(
                    f"{row.metric.title:24} {row.legacy.value:12.3f} {row.candidate.value:12.3f} "
                    f"{row.metric.unit:4} {row.factor:8.1f} ×  {row.legacy.how}"
                )


def _keep(pair: ServicePair, side: str, figures: list[Figure], ask: Ask) -> None:
    at = timezone.now()
    for figure in figures:
        record_measurement(
            pair=pair,
            side=side,
            metric=figure.metric,
            value=figure.value,
            how=figure.how,
            by="measure_scorecard",
            at=at,
            details={**figure.details, "ask": f"{ask.method} {ask.path}"},
        )
