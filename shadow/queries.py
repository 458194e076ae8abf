"""Readings of the evidence: blocks as arrays, causes with their share, the latest probes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.db.models import Sum

from shadow.models import MismatchGroup, MismatchSample, PairBlock, ProbeResult, ServicePair

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


def pair_evidence(*, pair: ServicePair, since: datetime | None) -> PairEvidence:
    """Return the blocks since `since` that both present builds answered."""
    rows = PairBlock.objects.filter(pair=pair, builds=pair.builds)
    if since is not None:
        rows = rows.filter(start__gte=int(since.timestamp()))
    found = list(
        rows.values_list(
            "kind", "route", "start", "compared", "mismatched", "excluded", "uncomparable"
        )
    )
    live = [row for row in found if row[0] in LIVE_KINDS]
    uncomparable: dict[str, int] = {}
    for row in live:
        for cause, count in row[6].items():
            uncomparable[cause] = uncomparable.get(cause, 0) + count
    return PairEvidence(
        overall=_series(live),
        routes={
            route: _series([row for row in live if row[1] == route])
            for route in sorted({row[1] for row in live})
        },
        noise=_series([row for row in found if row[0] == "noise"]),
        since=since,
        first_start=min((row[2] for row in live), default=None),
        last_end=max((row[2] + pair.block_seconds for row in live), default=None),
        excluded=sum(row[5] for row in live),
        uncomparable=uncomparable,
    )


def _series(rows: list[tuple[str, str, int, int, int, int, dict[str, int]]]) -> BlockSeries:
    """Merge rows of the same block by addition: workers, kinds and routes first, then judge."""
    sums: dict[int, list[int]] = {}
    for _, _, start, compared, mismatched, _, _ in rows:
        block = sums.setdefault(start, [0, 0])
        block[0] += compared
        block[1] += mismatched
    starts = sorted(sums)
    return BlockSeries(
        starts=np.array(starts, dtype=np.int64),
        compared=np.array([sums[s][0] for s in starts], dtype=np.int64),
        mismatched=np.array([sums[s][1] for s in starts], dtype=np.int64),
    )


def causes(*, pair: ServicePair, kinds: tuple[str, ...] = LIVE_KINDS) -> list[MismatchGroup]:
    """Return the causes of the present builds, most frequent first."""
    return list(
        MismatchGroup.objects.filter(pair=pair, builds=pair.builds, pair_kind__in=kinds).order_by(
            "-count", "route", "path"
        )
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
