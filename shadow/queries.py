"""Readings of the evidence: blocks as arrays, causes with their share, the latest probes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.db.models import Max, Sum

from shadow import hours
from shadow.models import (
    CheckRun,
    MismatchGroup,
    MismatchSample,
    PairBlock,
    ProbeResult,
    ServicePair,
)

Counts = np.ndarray

# Pairs of users' own requests, in either direction: these alone are judged as the shadow's
# discrepancy. Noise (legacy against itself) and replay are counted apart.
LIVE_KINDS = ("forward", "reverse")


@dataclass(frozen=True, slots=True)
class BlockSeries:
    """Compared and mismatched pairs per block, in time order; shapes (B,), int64."""

    starts: Counts
    compared: Counts
    mismatched: Counts


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """All blocks of one pair and its present builds: overall, per route, and the noise floor."""

    overall: BlockSeries
    routes: Mapping[str, BlockSeries]
    noise: BlockSeries
    since: datetime | None
    first_start: int | None
    last_end: int | None
    excluded: int = 0
    uncomparable: Mapping[str, int] = field(default_factory=dict)
    # Requests of the corpus, sent to both sides: counted apart.
    replay: Mapping[str, BlockSeries] = field(default_factory=dict)


def pair_evidence(*, pair: ServicePair, since: datetime | None) -> PairEvidence:
    """Return the blocks since `since` that both present builds answered."""
    found = hours.block_rows(pair=pair, since=since)
    live = {key: rows for key, rows in found.items() if key[1] in LIVE_KINDS}
    overall = _merged(live.values())
    routes = sorted({route for route, _ in live})
    return PairEvidence(
        overall=_series(overall),
        routes={route: _of_route(live, route) for route in routes},
        noise=_series(_merged(rows for (_, kind), rows in found.items() if kind == "noise")),
        replay={route: _series(rows) for (route, kind), rows in found.items() if kind == "replay"},
        since=since,
        first_start=int(overall[0, 0]) if overall.size else None,
        last_end=int(overall[-1, 0]) + pair.block_seconds if overall.size else None,
        excluded=int(overall[:, 3].sum()),
        uncomparable=hours.causes_of_loss(pair=pair, since=since) if overall[:, 4].any() else {},
    )


def _of_route(live: Mapping[tuple[str, str], Counts], route: str) -> BlockSeries:
    return _series(_merged(rows for (of, _), rows in live.items() if of == route))


def _merged(parts: Iterable[Counts]) -> Counts:
    """Add up blocks of the same time: kinds and routes first, then judge."""
    rows = np.concatenate([np.zeros((0, len(hours.COLUMNS)), dtype=np.int64), *parts])
    starts, places = np.unique(rows[:, 0], return_inverse=True)
    sums = np.zeros((starts.size, rows.shape[1]), dtype=np.int64)
    np.add.at(sums, places, rows)
    sums[:, 0] = starts
    return sums


def _series(rows: Counts) -> BlockSeries:
    return BlockSeries(starts=rows[:, 0], compared=rows[:, 1], mismatched=rows[:, 2])


@dataclass(frozen=True, slots=True)
class LatestRun:
    """The newest run of a check, done or not, and the newest that is done; None without one."""

    newest: CheckRun | None = None
    done: CheckRun | None = None


def latest_runs(*, pair: ServicePair) -> dict[str, LatestRun]:
    """Return each checklist item's newest run and its newest finished one, of any builds."""
    runs: dict[str, LatestRun] = {}
    newest = CheckRun.objects.filter(pair=pair).values("item").annotate(last=Max("pk"))
    done = newest.filter(state=CheckRun.State.DONE)
    wanted = [row["last"] for row in (*newest, *done)]
    for run in CheckRun.objects.filter(pk__in=wanted).order_by("pk"):
        known = runs.get(run.item, LatestRun())
        finished = run if run.state == CheckRun.State.DONE else known.done
        runs[run.item] = LatestRun(newest=run, done=finished)
    return runs


def causes(*, pair: ServicePair, kinds: tuple[str, ...] = LIVE_KINDS) -> list[MismatchGroup]:
    """Return the causes of the present builds and rules, most frequent first."""
    return list(
        MismatchGroup.objects.filter(
            pair=pair, builds=pair.builds, rules=pair.rules_revision, pair_kind__in=kinds
        ).order_by("-count", "route", "path")
    )


def samples(*, group_id: int, pair: ServicePair) -> list[MismatchSample]:
    """Return a cause's kept examples, oldest first."""
    return list(
        MismatchSample.objects.filter(group_id=group_id, group__pair=pair).order_by("at", "pk")
    )


def latest_probes(*, pair: ServicePair) -> list[ProbeResult]:
    """Return the newest probe of each side and endpoint."""
    newest: dict[tuple[str, str], ProbeResult] = {}
    for probe in ProbeResult.objects.filter(pair=pair).order_by("-at")[:40]:
        newest.setdefault((probe.side, probe.endpoint), probe)
    return [newest[key] for key in sorted(newest)]


def duplicates(*, pair: ServicePair) -> int:
    """Return how many pairs arrived a second time and were not counted again."""
    total = PairBlock.objects.filter(pair=pair).aggregate(total=Sum("duplicates"))["total"]
    return total or 0


def probed_pairs() -> list[ServicePair]:
    """Return the pairs whose services are to be probed."""
    return list(ServicePair.objects.filter(probing=True))
