"""Both sides over time for the performance page: equal slots of requests, errors and latencies.

Slots that are over do not change any more and are kept in memory, so that a page reads the newest
minutes only, however long the range.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from judge.histogram import Histogram, dense, edges, from_wire, merge, quantile, total
from traffic.models import TrafficBlock

# A block may be reported again for a minute after its end.
SETTLED_S = 90
CACHE_SLOTS = 5000
Z_95 = 1.96


@dataclass(slots=True)
class Cell:
    """One arm and route in one slot; `seconds` by block start, so that proxies count once."""

    requests: int = 0
    errors: int = 0
    status: dict[str, int] = field(default_factory=dict)
    spans: dict[int, int] = field(default_factory=dict)
    latency: Histogram = field(default_factory=dict)

    def add(self, other: "Cell") -> None:
        """Merge by addition."""
        self.requests += other.requests
        self.errors += other.errors
        for code, count in other.status.items():
            self.status[code] = self.status.get(code, 0) + count
        self.spans |= other.spans
        self.latency = merge([self.latency, other.latency])

    @property
    def per_second(self) -> float | None:
        """Requests per second; None when nothing was reported."""
        return self.requests / sum(self.spans.values()) if self.spans else None

    @property
    def error_share(self) -> float | None:
        """Errors per request, 0 to 1."""
        return self.errors / self.requests if self.requests else None

    def quantile(self, q: float) -> float | None:
        """The quantile in µs; None without requests."""
        return quantile(self.latency, q) if self.latency else None

    def interval(self, q: float) -> tuple[float, float] | None:
        """The pointwise 95 % interval of a quantile in µs, from order statistics.

        For drawing: ranks n q ± 1.96 √(n q (1 - q)). The gate's own test decides, not this.
        """
        n = total(self.latency)
        reach = Z_95 * math.sqrt(n * q * (1 - q))
        if not n or n * q - reach < 1 or n * q + reach > n:
            return None
        counts = dense(self.latency).cumsum()
        table = edges()
        low = int(counts.searchsorted(math.floor(n * q - reach)))
        high = int(counts.searchsorted(math.ceil(n * q + reach)))
        top = len(table) - 1
        return float(table[min(max(low - 1, 0), top)]), float(table[min(high, top)])


Slot = Mapping[tuple[str, str], Cell]


@dataclass(frozen=True, slots=True)
class Range:
    """Equal slots of a window: `begin` and `width` in unix seconds, by (route, arm) in each."""

    begin: int
    width: int
    slots: tuple[Slot, ...]

    @property
    def end(self) -> int:
        """Where the last slot ends."""
        return self.begin + self.width * len(self.slots)

    def arm(self, name: str) -> tuple[Cell, ...]:
        """One arm per slot, its routes added up."""
        return tuple(_sum(c for (_, arm), c in slot.items() if arm == name) for slot in self.slots)

    def whole(self, name: str, route: str = "") -> Cell:
        """One arm over the whole window, of one route or of all."""
        return _sum(
            cell
            for slot in self.slots
            for (of, arm), cell in slot.items()
            if arm == name and (not route or of == route)
        )

    @property
    def routes(self) -> tuple[str, ...]:
        """Routes that had requests, busiest first."""
        seen: dict[str, int] = {}
        for slot in self.slots:
            for (route, _), cell in slot.items():
                seen[route] = seen.get(route, 0) + cell.requests
        return tuple(sorted(seen, key=lambda route: (-seen[route], route)))


def _sum(cells: Iterable[Cell]) -> Cell:
    found = Cell()
    for cell in cells:
        found.add(cell)
    return found


_settled: "OrderedDict[tuple[str, int, int], Slot]" = OrderedDict()


def read_range(*, split: str, since: datetime, now: datetime, slots: int) -> Range:
    """Return the window in at most `slots` equal slots that end with the present one."""
    end, first = int(now.timestamp()), int(since.timestamp())
    width = max(2, -(-(end - first) // slots))
    width = width if width < 60 else -(-width // 60) * 60  # noqa: PLR2004  # whole minutes
    begin = first // width * width
    starts = range(begin, end, width)
    missing = [start for start in starts if (split, width, start) not in _settled]
    if missing:
        _read(split, missing[0], missing[-1] + width, width)
    found = [_settled.get((split, width, start), {}) for start in starts]
    _forget(split, width, end - SETTLED_S)
    return Range(begin, width, tuple(found))


def _read(split: str, begin: int, end: int, width: int) -> None:
    cells: dict[int, dict[tuple[str, str], Cell]] = {s: {} for s in range(begin, end, width)}
    rows = TrafficBlock.objects.filter(split=split, start__gte=begin, start__lt=end).values_list(
        "route", "arm", "start", "seconds", "requests", "errors", "status", "latency"
    )
    for route, arm, start, seconds, requests, errors, status, latency in rows:
        slot = cells[begin + (start - begin) // width * width]
        counts = latency.get("all")
        cell = Cell(requests, errors, status, {start: seconds}, from_wire(counts) if counts else {})
        slot.setdefault((route, arm), Cell()).add(cell)
    for start, slot in cells.items():
        _settled[split, width, start] = slot
    while len(_settled) > CACHE_SLOTS:
        _settled.popitem(last=False)


def _forget(split: str, width: int, settled: int) -> None:
    """Drop what may still change."""
    for key in [k for k in _settled if k[0] == split and k[1] == width and k[2] + width > settled]:
        del _settled[key]
