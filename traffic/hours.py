"""Latency histograms over long windows: settled hours as one row, the rest from blocks.

A window of 48 hours is then 48 rows per route and arm and not 17,280, whatever the traffic.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Max, Min, Q

from judge.histogram import Histogram, merge
from traffic.models import LatencyHour, TrafficBlock

HOUR_S = 3600
# Edges report a block again for a minute after its end; a spooled one may come a little later.
SETTLED_S = 600
BLOCK_LIFETIME = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class LatencyPair:
    """One arm's latencies by the parity of the sample's id, and how many were warm-up."""

    even: Histogram = field(default_factory=dict)
    odd: Histogram = field(default_factory=dict)
    warming: int = 0


def latencies(*, split: str, since: datetime) -> dict[tuple[str, str], LatencyPair]:
    """Return the latencies since a moment, by (route, arm)."""
    first_whole = -(-int(since.timestamp()) // HOUR_S) * HOUR_S
    hours = list(LatencyHour.objects.filter(split=split, start__gte=first_whole))
    covered_until = max((hour.start for hour in hours), default=first_whole - HOUR_S) + HOUR_S
    blocks = TrafficBlock.objects.filter(split=split, start__gte=int(since.timestamp())).filter(
        Q(start__lt=first_whole) | Q(start__gte=covered_until)
    )
    found: dict[tuple[str, str], LatencyPair] = {}
    for hour in hours:
        _add(found, (hour.route, hour.arm), hour.even, hour.odd, hour.warming)
    for block in blocks.only("route", "arm", "latency", "warming"):
        even, odd = block.latency.get("even", {}), block.latency.get("odd", {})
        _add(found, (block.route, block.arm), even, odd, block.warming)
    return found


def overall(found: Mapping[tuple[str, str], LatencyPair], arm: str) -> LatencyPair:
    """Add up an arm's routes."""
    pairs = [pair for (_, of), pair in found.items() if of == arm]
    return LatencyPair(
        even=merge(pair.even for pair in pairs),
        odd=merge(pair.odd for pair in pairs),
        warming=sum(pair.warming for pair in pairs),
    )


def settle(*, now: datetime) -> int:
    """Add up each hour that is over and settled; delete blocks that nobody reads any more.

    Hours are settled in order, so that those which are there have no gap. Returns how many.
    """
    last = int(now.timestamp() - SETTLED_S) // HOUR_S * HOUR_S
    count = 0
    for split, start in _unsettled(last):
        _settle_hour(split, start)
        count += 1
    old = int((now - BLOCK_LIFETIME).timestamp())
    TrafficBlock.objects.filter(start__lt=old).delete()
    return count


def _unsettled(last: int) -> Iterable[tuple[str, int]]:
    known = dict(LatencyHour.objects.values_list("split").annotate(newest=Max("start")))
    spans = TrafficBlock.objects.values_list("split").annotate(first=Min("start"))
    for split, first in spans:
        begin = known[split] + HOUR_S if split in known else first // HOUR_S * HOUR_S
        yield from ((split, start) for start in range(begin, last, HOUR_S))


def _settle_hour(split: str, start: int) -> None:
    rows = TrafficBlock.objects.filter(split=split, start__gte=start, start__lt=start + HOUR_S)
    found: dict[tuple[str, str], LatencyPair] = {}
    for block in rows.only("route", "arm", "latency", "warming"):
        even, odd = block.latency.get("even", {}), block.latency.get("odd", {})
        _add(found, (block.route, block.arm), even, odd, block.warming)
    # An hour without traffic is settled too, or the next one would never be.
    found = found or {("", ""): LatencyPair()}
    LatencyHour.objects.bulk_create(
        [
            LatencyHour(
                split=split,
                route=route,
                arm=arm,
                start=start,
                even=pair.even,
                odd=pair.odd,
                warming=pair.warming,
            )
            for (route, arm), pair in found.items()
        ],
        ignore_conflicts=True,
    )


def _add(
    found: dict[tuple[str, str], LatencyPair],
    key: tuple[str, str],
    even: Mapping[str, int],
    odd: Mapping[str, int],
    warming: int,
) -> None:
    known = found.get(key, LatencyPair())
    found[key] = LatencyPair(
        even=merge([known.even, {int(b): n for b, n in even.items()}]),
        odd=merge([known.odd, {int(b): n for b, n in odd.items()}]),
        warming=known.warming + warming,
    )
