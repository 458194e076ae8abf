"""Long windows of pairs: whole hours as one row per route and kind, the rest from blocks.

The rows are a cache of blocks: an hour grows as its blocks settle, and is built anew from then on
when a pair comes late.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Max, Min

from shadow.models import PairBlock, PairHour, ServicePair

HOUR_S = 3600
# Pairs are compared seconds after their request. What comes later reopens its hour.
SETTLED_S = 120
LATE_S = 75
COLUMNS = ("start", "compared", "mismatched", "excluded", "lost")

Ints = np.ndarray
Key = tuple[str, str]


def covered_until(pair: ServicePair) -> int:
    """Return until when the hours of a pair's present builds hold all blocks; 0 without hours."""
    rows = PairHour.objects.filter(pair=pair, builds=pair.builds)
    return rows.aggregate(m=Max("until"))["m"] or 0


def table(packed: bytes) -> Ints:
    """Return an hour's blocks as an int64 array of shape (blocks, columns)."""
    return np.frombuffer(packed, dtype=np.int64).reshape(-1, len(COLUMNS))


def added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Add counts by name."""
    return {name: counts.get(name, 0) + more.get(name, 0) for name in {**counts, **more}}


def added_rows(
    counts: Mapping[str, Sequence[int]], more: Mapping[str, Sequence[int]]
) -> dict[str, list[int]]:
    """Add rows of four counts by name."""
    zero = (0, 0, 0, 0)
    return {
        name: [a + b for a, b in zip(counts.get(name, zero), more.get(name, zero), strict=True)]
        for name in {**counts, **more}
    }


def settle(*, now: datetime) -> int:
    """Add settled blocks to their hours. Repeatable; returns how many pieces were added."""
    return sum(_settle_pair(pk, now) for pk in ServicePair.objects.values_list("pk", flat=True))


def _settle_pair(pk: int, now: datetime) -> int:
    with transaction.atomic():
        # Whoever counts a late pair takes this lock too: it is in the hour or reopens it.
        pair = ServicePair.objects.select_for_update().get(pk=pk)
        until = int(now.timestamp() - SETTLED_S - pair.block_seconds) // 60 * 60
        begin = covered_until(pair) or _first_start(pair)
        pieces = list(_pieces(begin, until)) if begin else []
        for start, end in pieces:
            _grow(pair, start, end)
    return len(pieces)


def _first_start(pair: ServicePair) -> int:
    rows = PairBlock.objects.filter(pair=pair, builds=pair.builds)
    return rows.aggregate(m=Min("start"))["m"] or 0


def _pieces(begin: int, until: int) -> Iterable[tuple[int, int]]:
    for hour in range(begin // HOUR_S * HOUR_S, until, HOUR_S):
        start, end = max(begin, hour), min(until, hour + HOUR_S)
        if start < end:
            yield start, end


def is_late(at: float, block_seconds: int, now: datetime) -> bool:
    """Whether the block of a pair of that moment may be in an hour already."""
    return at // block_seconds * block_seconds + block_seconds + LATE_S < now.timestamp()


def reopen(*, pair_id: int, builds: str, start: int) -> None:
    """Let the hours from a late pair's on be built anew; called after its block was written."""
    ServicePair.objects.select_for_update().filter(pk=pair_id).first()
    # Its block may have begun before the hour that the pair itself is in.
    hour = (start - HOUR_S) // HOUR_S * HOUR_S
    PairHour.objects.filter(pair_id=pair_id, builds=builds, start__gte=hour).delete()


def _grow(pair: ServicePair, start: int, end: int) -> None:
    """Append blocks that began in [start, end), all within one hour, to that hour's rows."""
    hour = start // HOUR_S * HOUR_S
    known = {
        (row.route, row.kind): row
        for row in PairHour.objects.filter(pair=pair, builds=pair.builds, start=hour)
    }
    blocks = PairBlock.objects.filter(
        pair=pair, builds=pair.builds, start__gte=start, start__lt=end
    ).order_by("start")
    grown: dict[Key, PairHour] = {}
    # The row without route says how far the hour is, pairs or not.
    for key in (("", ""), *((block.route, block.kind) for block in blocks)):
        grown[key] = known.get(key) or PairHour(
            pair=pair, builds=pair.builds, route=key[0], kind=key[1], start=hour
        )
    for block in blocks:
        _append(grown[block.route, block.kind], block)
    for row in grown.values():
        row.until = end
        row.save()


def _append(row: PairHour, block: PairBlock) -> None:
    lost = sum(block.uncomparable.values())
    counts = [block.start, block.compared, block.mismatched, block.excluded, lost]
    row.blocks = bytes(row.blocks) + np.array(counts, dtype=np.int64).tobytes()
    row.uncomparable = added(row.uncomparable, block.uncomparable)
    row.bad = added_rows(row.bad, block.bad)


# --- Reading them ---------------------------------------------------------------------------------


def block_rows(*, pair: ServicePair, since: datetime | None) -> dict[Key, Ints]:
    """Return the blocks of the present builds since a moment by (route, kind), in time order.

    int64 arrays of shape (blocks, columns); a route's block of one kind stands there once.
    """
    begin = int(since.timestamp()) if since else 0
    covered = covered_until(pair)
    hours = PairHour.objects.filter(pair=pair, builds=pair.builds, start__gt=begin - HOUR_S)
    values = hours.exclude(route="").order_by("start").values_list("route", "kind", "blocks")
    found: dict[Key, list[Ints]] = {}
    for route, kind, packed in values:
        rows = table(bytes(packed))
        found.setdefault((route, kind), []).append(rows[rows[:, 0] >= begin])
    late: dict[Key, list[list[int]]] = {}
    names = ("route", "kind", "start", "compared", "mismatched", "excluded", "uncomparable")
    blocks = PairBlock.objects.filter(
        pair=pair, builds=pair.builds, start__gte=max(begin, covered)
    ).order_by("start")
    for route, kind, *counts, lost in blocks.values_list(*names):
        late.setdefault((route, kind), []).append([*counts, sum(lost.values())])
    for key, rows_of in late.items():
        found.setdefault(key, []).append(np.array(rows_of, dtype=np.int64))
    return {key: np.concatenate(parts) for key, parts in found.items()}


def causes_of_loss(*, pair: ServicePair, since: datetime | None) -> dict[str, int]:
    """Return why live pairs could not be compared, most of the window; in blocks and hours."""
    begin = int(since.timestamp()) if since else 0
    kinds = ("forward", "reverse")
    hours = PairHour.objects.filter(
        pair=pair, builds=pair.builds, start__gte=begin, kind__in=kinds
    ).exclude(uncomparable={})
    found: dict[str, int] = {}
    for counts in hours.values_list("uncomparable", flat=True):
        found = added(found, counts)
    for _, counts in _outside_hours(pair, begin, kinds, "uncomparable"):
        found = added(found, counts)
    return found


def reverse_bad(*, pair: ServicePair, since: datetime) -> dict[str, dict[str, list[int]]]:
    """Return who was bad in reverse pairs since a moment, by route and kind of badness.

    Four counts: candidate only, neither or both, legacy only, both.
    """
    begin = int(since.timestamp())
    found: dict[str, dict[str, list[int]]] = {}
    hours = PairHour.objects.filter(
        pair=pair, builds=pair.builds, start__gte=begin, kind="reverse"
    ).exclude(bad={})
    rows = [*hours.values_list("route", "bad"), *_outside_hours(pair, begin, ("reverse",), "bad")]
    for route, bad in rows:
        found[route] = added_rows(found.get(route, {}), bad)
    return found


def _outside_hours(
    pair: ServicePair, begin: int, kinds: Sequence[str], name: str
) -> list[tuple[str, Any]]:
    """Return a column of the blocks that no whole hour of the window holds, with their route."""
    covered, first_whole = covered_until(pair), -(-begin // HOUR_S) * HOUR_S
    blocks = PairBlock.objects.filter(
        pair=pair, builds=pair.builds, start__gte=begin, kind__in=kinds
    ).exclude(start__gte=first_whole, start__lt=max(first_whole, covered))
    return list(blocks.exclude(**{name: {}}).values_list("route", name))
