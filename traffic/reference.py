"""What a step freezes of legacy when it begins: thresholds, rates, and how bad requests cluster.

A step is measured by what was before it, so that it cannot move its own measure. Per route:
`thresholds` are legacy's p50, p95 and p99 in µs over the step before; `requests`, `errors` and
`slow` its counts in that step, slow above the new thresholds; `deff` the design effects of its
history by kind, absent where that is too thin to tell.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from judge.design_effect import MIN_EVENTS, deff
from judge.histogram import Histogram, hist_bucket, pack, quantile, total, unpack
from traffic.hours import BLOCK_LIFETIME, COLUMNS, HOUR_S, MARKS, covered_until, table
from traffic.models import Split, TrafficBlock, TrafficHour

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
# Fewer requests say too little about a 99th percentile to freeze it for a step.
MIN_REQUESTS = 200
MIN_HISTORY_S = 24 * 3600
KINDS = ("errors", *(f"p{100 * tau:g}" for tau in MARKS))
OVERALL = ""

Json = dict[str, Any]


def reference(split: Split, *, until: datetime) -> dict[str, Json]:
    """Return what the step that begins at `until` freezes, by route ("" is all together).

    Routes that legacy answered too seldom in the step that ends are left out: they keep what was
    frozen before. So does every route when legacy served nobody.
    """
    if split.asked_at is None:
        return {}
    effects = design_effects(split.name, until=until)
    found = {}
    for route, (counts, histogram) in _legacy(split.name, split.asked_at, until).items():
        if counts["requests"] < MIN_REQUESTS or total(histogram) < MIN_REQUESTS:
            continue
        thresholds = {name: int(quantile(histogram, q) or 0) for name, q in QUANTILES.items()}
        slow = {name: _above(histogram, limit) for name, limit in thresholds.items()}
        found[route] = {
            **counts,
            "timed": total(histogram),
            "thresholds": thresholds,
            "slow": slow,
            "deff": effects.get(route, {}),
        }
    if found and OVERALL in effects:
        found[OVERALL] = {"deff": effects[OVERALL]}
    return found


def _above(histogram: Histogram, limit_us: int) -> int:
    bucket = hist_bucket(limit_us)
    return sum(count for b, count in histogram.items() if b > bucket)


def _legacy(
    split: str, since: datetime, until: datetime
) -> dict[str, tuple[dict[str, int], Histogram]]:
    """Return legacy's counts and latencies of a window by route."""
    begin, end = int(since.timestamp()), int(until.timestamp())
    first_whole, covered = -(-begin // HOUR_S) * HOUR_S, covered_until(split)
    counts: dict[str, np.ndarray] = {}
    parts: dict[str, list[bytes]] = {}

    def add(route: str, requests: int, errors: int, packed: bytes) -> None:
        counts[route] = counts.get(route, 0) + np.array([requests, errors])
        parts.setdefault(route, []).append(packed)

    hours = TrafficHour.objects.filter(split=split, arm="legacy", start__gte=first_whole)
    for route, blocks, packed in hours.values_list("route", "blocks", "all"):
        sums = table(bytes(blocks)).sum(axis=0)
        add(route, int(sums[1]), int(sums[2]), bytes(packed))
    spans = ((begin, min(first_whole, covered)), (max(begin, covered), end))
    for start, stop in spans:
        for route, requests, errors, latency in _blocks(split, start, stop):
            histogram = {int(b): n for b, n in latency.get("all", {}).items()}
            add(route, requests, errors, pack(histogram))
    return {
        route: ({"requests": int(found[0]), "errors": int(found[1])}, unpack(parts[route]))
        for route, found in counts.items()
    }


def _blocks(split: str, start: int, stop: int) -> Iterable[tuple[str, int, int, Mapping[str, Any]]]:
    rows = TrafficBlock.objects.filter(
        split=split, arm="legacy", start__gte=start, start__lt=max(start, stop)
    )
    return rows.values_list("route", "requests", "errors", "latency")


def design_effects(split: str, *, until: datetime) -> dict[str, dict[str, float]]:
    """Return the design effects of legacy's bad requests by route ("" is all) and kind.

    From settled hours before `until`, when they span a day at least; a kind with fewer than 50
    events is absent. Errors are as counted, slow requests above legacy's quantile of the hour
    before.
    """
    end = int(until.timestamp())
    hours = TrafficHour.objects.filter(
        split=split, arm="legacy", start__gte=int((until - BLOCK_LIFETIME).timestamp())
    ).exclude(above=b"")
    parts: dict[str, list[np.ndarray]] = {}
    values = hours.filter(until__lte=end).order_by("start")
    for route, blocks, above in values.values_list("route", "blocks", "above"):
        counts = table(bytes(blocks))
        slow = table(bytes(above), len(MARKS))
        if slow.shape[0] == counts.shape[0]:
            parts.setdefault(route, []).append(np.hstack([counts[:, :3], slow]))
    histories = {route: np.concatenate(found) for route, found in parts.items()}
    if histories:
        histories[OVERALL] = _together(histories.values())
    return {
        route: _effects(history)
        for route, history in histories.items()
        if history[-1, 0] - history[0, 0] >= MIN_HISTORY_S - HOUR_S / 2
    }


def _together(histories: Iterable[np.ndarray]) -> np.ndarray:
    rows = np.concatenate(list(histories))
    starts, places = np.unique(rows[:, 0], return_inverse=True)
    sums = np.zeros((starts.size, rows.shape[1]), dtype=np.int64)
    np.add.at(sums, places, rows)
    sums[:, 0] = starts
    return sums


def _effects(history: np.ndarray) -> dict[str, float]:
    n_b = history[:, COLUMNS.index("requests")]
    kinds = dict(zip(KINDS, history[:, 2:].T, strict=True))
    return {
        kind: round(deff(n_b, k_b), 4)
        for kind, k_b in kinds.items()
        if int(k_b.sum()) >= MIN_EVENTS
    }


def thresholds_of(frozen: Mapping[str, Json]) -> dict[str, dict[str, int]]:
    """Return the thresholds by route, as a snapshot tells them to the proxies."""
    return {route: found["thresholds"] for route, found in frozen.items() if "thresholds" in found}
