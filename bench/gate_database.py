"""What a gate costs when its blocks are read from the database too."""

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.harness import Result, Series, paired, ratio

if TYPE_CHECKING:
    from shadow.models import ServicePair

Blocks = np.ndarray[Any, np.dtype[np.int64]]

ROUTES = tuple(f"POST /route-{number}" for number in range(5))
HOURS = 48
BLOCK_SECONDS = 10
NOW = datetime(2026, 11, 24, 12, 20, tzinfo=UTC)
SINCE = NOW - timedelta(hours=HOURS)
GOAL_MS = 50.0
MORE = 100
GOAL_OF_MORE = 1.1


def run() -> dict[str, Result]:
    """Time the discrepancy gate of five routes and overall, read from SQLite and judged."""
    with tempfile.TemporaryDirectory(prefix="banyan-bench-") as directory:
        _set_up(Path(directory))
        return _measure()


def _set_up(directory: Path) -> None:
    os.environ["BANYAN_STATE_DIR"] = str(directory)
    os.environ["DATABASE_URL"] = ""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
    # Models exist only from here on, so whatever uses them is imported where it is used.
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _measure() -> dict[str, Result]:
    source = np.random.default_rng(7)
    n_b = source.poisson(40, (len(ROUTES), HOURS * 3600 // BLOCK_SECONDS))
    pairs = {
        "gate": _filled("gate", n_b, source),
        "more": _filled("more", n_b * MORE, source),
    }
    series = paired({name: _side(pair) for name, pair in pairs.items()})
    return {
        "gate_with_reading_48h_5_routes": Result(
            value=round(1000 * series["gate"].median, 2),
            unit="ms CPU",
            goal=GOAL_MS,
            direction="max",
            runs=len(series["gate"].seconds),
            how=f"{n_b.size:,} blocks, {int(n_b.sum()):,} pairs in SQLite; settled hours and the "
            f"blocks since, overall and {len(ROUTES)} routes ({series['gate'].spread})",
        ),
        "gate_with_reading_100_times_the_requests": _more(series),
    }


def _more(series: dict[str, Series]) -> Result:
    more = series["more"]
    return Result(
        value=round(ratio(more, series["gate"]), 3),
        unit="x the CPU",
        goal=GOAL_OF_MORE,
        direction="max",
        runs=len(more.seconds),
        how=f"{MORE} times the pairs in the same blocks: {1000 * more.median:.1f} ms "
        f"({more.spread})",
    )


def _filled(name: str, n_b: Blocks, source: np.random.Generator) -> "ServicePair":
    from shadow import hours
    from shadow.models import PairBlock, ServicePair

    pair = ServicePair.objects.create(
        name=name, stream=name, legacy_url="http://a", candidate_url="http://b", block_seconds=10
    )
    begin = int(SINCE.timestamp())
    k_b = source.binomial(n_b, 0.0002)
    for route, n, k in zip(ROUTES, n_b.tolist(), k_b.tolist(), strict=True):
        PairBlock.objects.bulk_create(
            (
                PairBlock(
                    pair=pair,
                    route=route,
                    kind="forward",
                    builds=pair.builds,
                    start=begin + BLOCK_SECONDS * number,
                    seconds=BLOCK_SECONDS,
                    compared=compared,
                    mismatched=mismatched,
                )
                for number, (compared, mismatched) in enumerate(zip(n, k, strict=True))
            ),
            batch_size=2000,
        )
    hours.settle(now=NOW)
    return pair


def _side(pair: "ServicePair") -> Callable[[], int]:
    from bench.gate import judge_all
    from judge.verdict import Verdict
    from shadow.queries import pair_evidence

    def side() -> int:
        found = pair_evidence(pair=pair, since=SINCE)
        routes = [found.routes[route] for route in ROUTES]
        verdicts = judge_all(
            [(each.compared, each.mismatched) for each in (*routes, found.overall)]
        )
        if verdicts != [Verdict.PASS] * len(verdicts):
            raise ValueError("the gate does not pass what it should pass")
        return 1

    return side
