"""Long windows of traffic: whole hours as one row per route and arm, the rest from blocks.

A window of 48 hours is then some 48 rows per route and arm and not 17,280, whatever the traffic.
The rows are a cache of blocks: an hour grows as its blocks settle, and is built anew from then on
when a block comes late.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from django.db import transaction
from django.db.models import Max, Min

from judge.histogram import Histogram, hist_bucket, merge, pack, quantile, unpack
from traffic import routing
from traffic.models import RoutingBlock, RoutingHour, Split, TrafficBlock, TrafficHour

HOUR_S = 3600
# Edges tell a block again for a minute after its end. What comes later reopens its hour.
SETTLED_S = 120
LATE_S = 75
BLOCK_LIFETIME = timedelta(hours=72)
COLUMNS = ("start", "requests", "errors", "warming", "p50", "p95", "p99")
# For how legacy's slow requests cluster: above its own quantiles of the hour before.
MARKS = (0.5, 0.9, 0.95, 0.99, 0.999)
# Distinct users kept per hour and kind: a lower bound is all that is asked of them.
MAX_KEYS = 256

Key = tuple[str, str]
Ints = np.ndarray


@dataclass(frozen=True, slots=True)
class LatencyPair:
    """One arm's latencies by the parity of the sample's id, and how many were warm-up."""

    even: Histogram = field(default_factory=dict)
    odd: Histogram = field(default_factory=dict)
    warming: int = 0


def covered_until(split: str) -> int:
    """Return until when a split's hours hold all blocks; 0 without hours."""
    return TrafficHour.objects.filter(split=split).aggregate(m=Max("until"))["m"] or 0


def table(packed: bytes, columns: int = len(COLUMNS)) -> Ints:
    """Return an hour's blocks as an int64 array of shape (blocks, columns)."""
    return np.frombuffer(packed, dtype=np.int64).reshape(-1, columns)


def latencies(*, split: str, since: datetime, arms: Sequence[str]) -> dict[Key, LatencyPair]:
    """Return the latencies of some arms since a moment, by (route, arm)."""
    begin = int(since.timestamp())
    first_whole = -(-begin // HOUR_S) * HOUR_S
    marker = TrafficHour.objects.filter(split=split, route="", arm="").order_by("-start").first()
    covered = marker.until if marker else 0
    token = marker.token if marker else ""
    parts: dict[Key, list[tuple[bytes, bytes, int]]] = {}
    rows = TrafficHour.objects.filter(split=split, start__gte=first_whole, arm__in=arms)
    for route, arm, even, odd, blocks in rows.values_list("route", "arm", "even", "odd", "blocks"):
        warming = int(table(bytes(blocks))[:, COLUMNS.index("warming")].sum())
        parts.setdefault((route, arm), []).append((bytes(even), bytes(odd), warming))
    # The hour that the window begins in is whole in its row: its blocks are read one by one, once.
    early = _early(split, begin, min(first_whole, covered), tuple(arms), token)
    for key, part in (*early, *_of_blocks(split, max(begin, covered), None, arms)):
        parts.setdefault(key, []).append(part)
    return {
        key: LatencyPair(
            even=unpack(even for even, _, _ in found),
            odd=unpack(odd for _, odd, _ in found),
            warming=sum(warming for _, _, warming in found),
        )
        for key, found in parts.items()
    }


Part = tuple[Key, tuple[bytes, bytes, int]]


@lru_cache(maxsize=64)
def _early(split: str, begin: int, end: int, arms: tuple[str, ...], token: str) -> tuple[Part, ...]:
    """Return blocks of a window's first hour; `token` is another when that hour has changed."""
    return tuple(_of_blocks(split, begin, end, arms)) if token and begin < end else ()


def _of_blocks(split: str, begin: int, end: int | None, arms: Sequence[str]) -> Iterable[Part]:
    rows = TrafficBlock.objects.filter(split=split, start__gte=begin, arm__in=arms)
    if end is not None:
        rows = rows.filter(start__lt=end)
    for route, arm, latency, warming in rows.values_list("route", "arm", "latency", "warming"):
        even, odd = (_counts(latency.get(part)) for part in ("even", "odd"))
        yield (route, arm), (pack(even), pack(odd), warming)


def _counts(wire: Mapping[str, int] | None) -> Histogram:
    return {int(bucket): count for bucket, count in (wire or {}).items()}


def overall(found: Mapping[Key, LatencyPair], arm: str) -> LatencyPair:
    """Add up an arm's routes."""
    pairs = [pair for (_, of), pair in found.items() if of == arm]
    return LatencyPair(
        even=merge(pair.even for pair in pairs),
        odd=merge(pair.odd for pair in pairs),
        warming=sum(pair.warming for pair in pairs),
    )


# --- Building them --------------------------------------------------------------------------------


def settle(*, now: datetime) -> int:
    """Add settled blocks to their hours; delete blocks that nobody reads any more.

    Repeatable, and harmless when two do it at once. Returns how many pieces of hours were added.
    """
    count = sum(_settle_split(name, now) for name in Split.objects.values_list("name", flat=True))
    old = int((now - BLOCK_LIFETIME).timestamp())
    TrafficBlock.objects.filter(start__lt=old).delete()
    RoutingBlock.objects.filter(start__lt=old).delete()
    return count


def _settle_split(name: str, now: datetime) -> int:
    with transaction.atomic():
        # Whoever reports a late block takes this lock too: it is in the hour or reopens it.
        split = Split.objects.select_for_update().get(name=name)
        until = int(now.timestamp() - SETTLED_S - split.block_seconds) // 60 * 60
        begin = covered_until(name) or _first_start(name)
        pieces = list(_pieces(begin, until)) if begin else []
        for start, end in pieces:
            _grow(name, start, end)
            routing.grow_hour(split=name, start=start, end=end)
    return len(pieces)


def _first_start(split: str) -> int:
    return TrafficBlock.objects.filter(split=split).aggregate(m=Min("start"))["m"] or 0


def _pieces(begin: int, until: int) -> Iterable[tuple[int, int]]:
    for hour in range(begin // HOUR_S * HOUR_S, until, HOUR_S):
        start, end = max(begin, hour), min(until, hour + HOUR_S)
        if start < end:
            yield start, end


def reopen(*, split: str, start: int, now: datetime) -> None:
    """Let the hours from a late block's on be built anew; called after the block was stored.

    An hour of which blocks have been deleted stays as it is.
    """
    hour = start // HOUR_S * HOUR_S
    if hour <= int((now - BLOCK_LIFETIME).timestamp()):
        return
    Split.objects.select_for_update().filter(name=split).first()
    TrafficHour.objects.filter(split=split, start__gte=hour).delete()
    RoutingHour.objects.filter(split=split, start__gte=hour).delete()


def is_late(block: Mapping[str, int], now: datetime) -> bool:
    """Whether a reported block may be in an hour already."""
    return block["start"] + block["seconds"] + LATE_S < now.timestamp()


@dataclass(slots=True)
class _Piece:
    """Blocks of one route and arm, to be appended to their hour."""

    blocks: dict[int, Ints] = field(default_factory=dict)
    above: dict[int, Ints] = field(default_factory=dict)
    histograms: dict[str, list[Histogram]] = field(default_factory=dict)
    keys: dict[str, set[str]] = field(default_factory=dict)


def _grow(split: str, start: int, end: int) -> None:
    """Append blocks that began in [start, end), all within one hour, to that hour's rows."""
    hour = start // HOUR_S * HOUR_S
    known = {
        (row.route, row.arm): row for row in TrafficHour.objects.filter(split=split, start=hour)
    }
    marks = _marks(split, hour - HOUR_S)
    pieces = _read_pieces(split, start, end, {**marks, **_own_marks(known)})
    # The row without route says how far the hour is, traffic or not.
    pieces[("", "")] = _Piece()
    for key, piece in pieces.items():
        row = known.get(key) or TrafficHour(split=split, route=key[0], arm=key[1], start=hour)
        if row.pk is None:
            row.marks = marks.get(key, [])
            row.token = "" if key[0] else uuid.uuid4().hex
        _append(row, piece)
        row.until = end
        row.save()


def _own_marks(known: Mapping[Key, TrafficHour]) -> dict[Key, list[int]]:
    return {key: row.marks for key, row in known.items()}


def _marks(split: str, hour: int) -> dict[Key, list[int]]:
    """Return legacy's quantiles in µs in an earlier hour, by key."""
    rows = TrafficHour.objects.filter(split=split, start=hour, arm="legacy")
    found = {(row.route, row.arm): unpack([bytes(row.all)]) for row in rows}
    return {
        key: [int(quantile(histogram, tau) or 0) for tau in MARKS]
        for key, histogram in found.items()
        if histogram
    }


def _read_pieces(
    split: str, start: int, end: int, marks: Mapping[Key, list[int]]
) -> dict[Key, _Piece]:
    pieces: dict[Key, _Piece] = {}
    rows = TrafficBlock.objects.filter(split=split, start__gte=start, start__lt=end)
    for block in rows.order_by("start"):
        key = (block.route, block.arm)
        piece = pieces.setdefault(key, _Piece())
        counts = [block.requests, block.errors, block.warming]
        counts += [block.slow.get(name, 0) for name in COLUMNS[4:]]
        zero = np.zeros(len(counts), dtype=np.int64)
        piece.blocks[block.start] = piece.blocks.get(block.start, zero) + counts
        for part in ("all", "even", "odd"):
            piece.histograms.setdefault(part, []).append(_counts(block.latency.get(part)))
        if marks.get(key):
            above = _above(_counts(block.latency.get("all")), marks[key])
            piece.above[block.start] = piece.above.get(block.start, 0) + above
        for kind, packed in block.keys.items():
            piece.keys.setdefault(kind, set()).update(split_keys(packed))
    return pieces


def _above(histogram: Histogram, marks: Sequence[int]) -> Ints:
    limits = [hist_bucket(mark) for mark in marks]
    return np.array([sum(n for b, n in histogram.items() if b > limit) for limit in limits])


def split_keys(packed: str) -> Iterable[str]:
    """Return the 64-bit hashes of one hex text."""
    return (packed[i : i + 16] for i in range(0, len(packed), 16))


def _append(row: TrafficHour, piece: _Piece) -> None:
    row.blocks = bytes(row.blocks) + _rows(piece.blocks, with_start=True)
    row.above = bytes(row.above) + _rows(piece.above, with_start=False)
    for part, found in piece.histograms.items():
        setattr(row, part, pack(merge([unpack([bytes(getattr(row, part))]), *found])))
    keys = {kind: set(split_keys(packed)) for kind, packed in row.keys.items()}
    for kind, more in piece.keys.items():
        keys.setdefault(kind, set()).update(more)
    row.keys = {kind: "".join(sorted(known)[:MAX_KEYS]) for kind, known in keys.items()}


def _rows(blocks: Mapping[int, Ints], *, with_start: bool) -> bytes:
    ordered = sorted(blocks.items())
    rows = [[start, *counts] if with_start else list(counts) for start, counts in ordered]
    return np.array(rows, dtype=np.int64).tobytes()
