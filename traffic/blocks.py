"""Traffic blocks read as evidence: counts in time order, per arm and route."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from traffic.hours import COLUMNS, HOUR_S, covered_until, split_keys, table
from traffic.models import TrafficBlock, TrafficHour

SLOW = COLUMNS[4:]
# The blocks of one route and arm: (start, kind of bad answer, hashes as hex).
Keys = tuple[tuple[int, str, str], ...]


@dataclass(frozen=True, slots=True)
class ArmBlocks:
    """One arm's blocks: arrays of shape (B,), int64, in time order.

    `slow` holds, per threshold name, the attempts above it, `warming` those whose latency was left
    out of that. `keys` are the users who met something bad, by block or hour.
    """

    starts: np.ndarray
    requests: np.ndarray
    errors: np.ndarray
    slow: Mapping[str, np.ndarray]
    warming: np.ndarray
    keys: Keys = field(default=())

    def users(self, bad: str, *, since: datetime | None = None) -> int:
        """Count the distinct users who met an error ("errors") or slowness: a lower bound."""
        begin = since.timestamp() if since else 0
        told = (packed for start, kind, packed in self.keys if kind == bad and start >= begin)
        return len({key for packed in told for key in split_keys(packed)})


def _arm(rows: np.ndarray, keys: Sequence[tuple[int, str, str]]) -> ArmBlocks:
    """Merge rows of `COLUMNS` that may share blocks: proxies and routes first, then judge."""
    starts, places = np.unique(rows[:, 0], return_inverse=True)
    sums = np.zeros((starts.size, rows.shape[1]), dtype=np.int64)
    np.add.at(sums, places, rows)
    named = dict(zip(COLUMNS, sums.T, strict=True))
    return ArmBlocks(
        starts=starts,
        requests=named["requests"],
        errors=named["errors"],
        slow={name: named[name] for name in SLOW},
        warming=named["warming"],
        keys=tuple(keys),
    )


EMPTY = _arm(np.zeros((0, len(COLUMNS)), dtype=np.int64), ())


@dataclass(frozen=True, slots=True)
class SplitBlocks:
    """All arms of one split over a window: overall and per route."""

    overall: Mapping[str, ArmBlocks]
    routes: Mapping[str, Mapping[str, ArmBlocks]]

    def arm(self, name: str, route: str = "") -> ArmBlocks:
        """One arm, of one route or overall; empty when nothing was seen."""
        found = self.routes.get(route, {}) if route else self.overall
        return found.get(name, EMPTY)


def read_blocks(
    *, split: str, since: datetime, arms: Sequence[str] = ("candidate", "legacy")
) -> SplitBlocks:
    """Return some arms' blocks that began since a moment, proxies added up."""
    begin = int(since.timestamp())
    covered = covered_until(split)
    found = _Found()
    _from_hours(found, split, begin, arms)
    _from_blocks(found, split, max(begin, covered), arms)
    if covered > begin:
        _keys_before_whole_hours(found, split, begin, covered)
    return found.blocks(arms)


class _Found:
    """Rows and users by (route, arm), as they are read."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[np.ndarray]] = {}
        self.keys: dict[tuple[str, str], list[tuple[int, str, str]]] = {}

    def note(self, key: tuple[str, str], start: int, keys: Mapping[str, str]) -> None:
        told = self.keys.setdefault(key, [])
        told += [(start, kind, packed) for kind, packed in keys.items()]

    def blocks(self, arms: Sequence[str]) -> SplitBlocks:
        routes: dict[str, dict[str, ArmBlocks]] = {}
        for (route, arm), rows in self.rows.items():
            made = _arm(np.concatenate(rows), self.keys.get((route, arm), ()))
            routes.setdefault(route, {})[arm] = made
        overall = {}
        for arm in arms:
            rows = [row for (_, of), found in self.rows.items() if of == arm for row in found]
            keys = [key for (_, of), found in self.keys.items() if of == arm for key in found]
            if rows:
                overall[arm] = _arm(np.concatenate(rows), keys)
        return SplitBlocks(overall=overall, routes=routes)


def _from_hours(found: _Found, split: str, begin: int, arms: Sequence[str]) -> None:
    hours = TrafficHour.objects.filter(split=split, start__gt=begin - HOUR_S, arm__in=arms)
    values = hours.order_by("start").values_list("route", "arm", "start", "blocks", "keys")
    for route, arm, start, packed, keys in values:
        rows = table(bytes(packed))
        found.rows.setdefault((route, arm), []).append(rows[rows[:, 0] >= begin])
        if start >= begin:
            found.note((route, arm), start, keys)


def _from_blocks(found: _Found, split: str, begin: int, arms: Sequence[str]) -> None:
    blocks = TrafficBlock.objects.filter(split=split, start__gte=begin, arm__in=arms)
    names = ("route", "arm", "slow", "keys", *COLUMNS[:4])
    rows: dict[tuple[str, str], list[list[int]]] = {}
    for route, arm, slow, keys, *counts in blocks.values_list(*names):
        rows.setdefault((route, arm), []).append([*counts, *(slow.get(n, 0) for n in SLOW)])
        if keys:
            found.note((route, arm), counts[0], keys)
    for key, of_key in rows.items():
        found.rows.setdefault(key, []).append(np.array(of_key, dtype=np.int64))


def _keys_before_whole_hours(found: _Found, split: str, begin: int, covered: int) -> None:
    """Take the users of a window's first, partial hour from its blocks: the row has them all."""
    first_whole = -(-begin // HOUR_S) * HOUR_S
    blocks = TrafficBlock.objects.filter(
        split=split, start__gte=begin, start__lt=min(first_whole, covered), arm="candidate"
    ).exclude(keys={})
    for route, arm, start, keys in blocks.values_list("route", "arm", "start", "keys"):
        found.note((route, arm), start, keys)


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
