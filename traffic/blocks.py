"""Traffic blocks read as evidence: counts in time order and histograms, per arm and route."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from judge.histogram import Histogram, merge, quantile
from traffic.models import Split, TrafficBlock

SLOW_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
# Fewer requests say too little about a 99th percentile to freeze it for a step.
MIN_REQUESTS_TO_FREEZE = 200


@dataclass(frozen=True, slots=True)
class ArmBlocks:
    """One arm's blocks: arrays of shape (B,), int64, in time order, and its latency histograms.

    `slow` holds, per threshold name, the attempts above it, `warming` those whose latency was left
    out of both that and the histograms. `even` and `odd` are the latencies of
    sampled requests by the parity of their id: two arms that share no request.
    """

    starts: np.ndarray
    requests: np.ndarray
    errors: np.ndarray
    error_keys: np.ndarray
    slow: Mapping[str, np.ndarray]
    warming: np.ndarray
    all: Histogram = field(default_factory=dict)
    even: Histogram = field(default_factory=dict)
    odd: Histogram = field(default_factory=dict)


EMPTY = ArmBlocks(
    starts=np.zeros(0, dtype=np.int64),
    requests=np.zeros(0, dtype=np.int64),
    errors=np.zeros(0, dtype=np.int64),
    error_keys=np.zeros(0, dtype=np.int64),
    slow={name: np.zeros(0, dtype=np.int64) for name in SLOW_QUANTILES},
    warming=np.zeros(0, dtype=np.int64),
)


@dataclass(frozen=True, slots=True)
class SplitBlocks:
    """All arms of one split over a window: overall and per route."""

    overall: Mapping[str, ArmBlocks]
    routes: Mapping[str, Mapping[str, ArmBlocks]]

    def arm(self, name: str, route: str = "") -> ArmBlocks:
        """One arm, of one route or overall; empty when nothing was seen."""
        found = self.routes.get(route, {}) if route else self.overall
        return found.get(name, EMPTY)


def read_blocks(*, split: str, since: datetime, until: datetime | None = None) -> SplitBlocks:
    """Return the blocks that began in the window, proxies added up."""
    rows = TrafficBlock.objects.filter(split=split, start__gte=int(since.timestamp()))
    if until is not None:
        rows = rows.filter(start__lt=int(until.timestamp()))
    found = list(rows)
    arms = sorted({row.arm for row in found})
    routes = sorted({row.route for row in found})
    return SplitBlocks(
        overall={arm: _arm([row for row in found if row.arm == arm]) for arm in arms},
        routes={
            route: {
                arm: _arm([row for row in found if row.arm == arm and row.route == route])
                for arm in arms
            }
            for route in routes
        },
    )


def _arm(rows: Sequence[TrafficBlock]) -> ArmBlocks:
    starts = np.array(sorted({row.start for row in rows}), dtype=np.int64)
    places = np.searchsorted(starts, np.array([row.start for row in rows], dtype=np.int64))

    def summed(values: Sequence[int]) -> np.ndarray:
        total = np.zeros(len(starts), dtype=np.int64)
        np.add.at(total, places, np.array(values, dtype=np.int64))
        return total

    return ArmBlocks(
        starts=starts,
        requests=summed([row.requests for row in rows]),
        errors=summed([row.errors for row in rows]),
        error_keys=summed([row.error_keys for row in rows]),
        slow={name: summed([row.slow.get(name, 0) for row in rows]) for name in SLOW_QUANTILES},
        all=_merged(rows, "all"),
        even=_merged(rows, "even"),
        odd=_merged(rows, "odd"),
        warming=summed([row.warming for row in rows]),
    )


def _merged(rows: Sequence[TrafficBlock], part: str) -> Histogram:
    return merge(
        {int(bucket): count for bucket, count in row.latency.get(part, {}).items()} for row in rows
    )


def slow_thresholds(split: Split, *, until: datetime) -> dict[str, dict[str, int]]:
    """Return per route legacy's p50, p95 and p99 in µs over the epoch that ends at `until`.

    Routes that legacy answered too seldom are left out: they keep what was frozen before.
    """
    if split.asked_at is None:
        return {}
    blocks = read_blocks(split=split.name, since=split.asked_at, until=until)
    found = {}
    for route in blocks.routes:
        legacy = blocks.arm("legacy", route)
        if int(legacy.requests.sum()) >= MIN_REQUESTS_TO_FREEZE:
            found[route] = {
                name: int(quantile(legacy.all, tau) or 0) for name, tau in SLOW_QUANTILES.items()
            }
    return found


@dataclass(frozen=True, slots=True)
class Aligned:
    """Both sides on the same blocks, in time order: requests and bad ones of each, shapes (B,)."""

    n_c: np.ndarray
    k_c: np.ndarray
    n_l: np.ndarray
    k_l: np.ndarray


def align(
    candidate: ArmBlocks,
    legacy: ArmBlocks,
    *,
    bad: str = "errors",
    since: datetime | None = None,
) -> Aligned:
    """Put both arms on the union of their blocks; `bad` is "errors" or a slow threshold's name.

    Errors count from the first request, slowness without the candidate's warm-up. Blocks that
    began before `since` are left out.
    """
    starts = np.union1d(candidate.starts, legacy.starts)
    kept = starts >= (since.timestamp() if since else 0)

    def placed(arm: ArmBlocks, values: np.ndarray) -> np.ndarray:
        whole = np.zeros(len(starts), dtype=np.int64)
        whole[np.searchsorted(starts, arm.starts)] = values
        counted: np.ndarray = whole[kept]
        return counted

    def counts(arm: ArmBlocks) -> tuple[np.ndarray, np.ndarray]:
        if bad == "errors":
            return placed(arm, arm.requests), placed(arm, arm.errors)
        return placed(arm, arm.requests - arm.warming), placed(arm, arm.slow[bad])

    (n_c, k_c), (n_l, k_l) = counts(candidate), counts(legacy)
    return Aligned(n_c=n_c, k_c=k_c, n_l=n_l, k_l=k_l)
