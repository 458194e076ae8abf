"""What proxies saw of a step's split: distinct keys by side, requests, flips, and their hours.

Keys of several proxies are united. A key that stands on both sides was seen first where its older
block says; that it turned up on the other side too is a flip, whoever reported it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Max

from traffic.models import RoutingBlock, RoutingHour, TrafficHour

HOUR_S = 3600
MAX_FLIPS = 20
# Exposure is looked at minute by minute, over a little more than the five that are asked about.
RECENT_S = 660
MINUTE_S = 60
SUMS = ("failed_over", "diverted", "flip_count", "key_requests", "key_squares")


@dataclass(frozen=True, slots=True)
class Observed:
    """Distinct keys by the side they were sent to, requests, fallbacks and flips since a moment.

    Keys on both sides count where they were first seen. `flips_for_s` is from the first to the last
    block with flips, ends included. `minutes` are the candidate's and all requests of the latest
    minutes, newest first.
    """

    candidate_keys: int = 0
    legacy_keys: int = 0
    candidate_requests: int = 0
    legacy_requests: int = 0
    failed_over: int = 0
    diverted: int = 0
    flips: tuple[str, ...] = ()
    flip_count: int = 0
    flips_for_s: float = 0.0
    key_requests: int = 0
    key_squares: int = 0
    minutes: tuple[tuple[int, int], ...] = ()
    last_block_end: int | None = None

    @property
    def keys(self) -> int:
        """All distinct keys."""
        return self.candidate_keys + self.legacy_keys

    @property
    def key_share(self) -> float | None:
        """Candidate's share of distinct keys, 0 to 1; None without keys."""
        return self.candidate_keys / self.keys if self.keys else None

    @property
    def request_share(self) -> float | None:
        """Candidate's share of requests by routing decision; None without requests."""
        total = self.candidate_requests + self.legacy_requests
        return self.candidate_requests / total if total else None


@dataclass(frozen=True, slots=True)
class _Part:
    """Counts of one block or one hour."""

    start: int
    end: int
    sums: Counter[str]
    flips: Sequence[str]
    # The span of blocks with flips; (0, 0) without any.
    flipped: tuple[int, int]
    candidate: bytes
    legacy: bytes


def observed(*, split: str, epoch: str) -> Observed:
    """Count distinct keys per side of one step, from its hours and the blocks since."""
    covered = TrafficHour.objects.filter(split=split).aggregate(m=Max("until"))["m"] or 0
    hours = RoutingHour.objects.filter(split=split, epoch=epoch).order_by("start")
    parts = [*map(_of_hour, hours), *_block_parts(split, epoch, covered, None)]
    if not parts:
        return Observed()
    sums: Counter[str] = sum((part.sums for part in parts), Counter())
    last_end = max(part.end for part in parts)
    keys = _keys(parts)
    flipped = [part.flipped for part in parts if part.flipped[1]]
    if keys.both:
        # Proxies that disagree about a key do so until the step ends.
        flipped.append((keys.since, last_end))
    return Observed(
        candidate_keys=keys.candidate,
        legacy_keys=keys.legacy,
        candidate_requests=sums["candidate"],
        legacy_requests=sums["legacy"],
        failed_over=sums["failed_over"],
        diverted=sums["diverted"],
        flips=tuple(flip for part in parts for flip in part.flips)[:MAX_FLIPS],
        flip_count=sums["flip_count"] + keys.both,
        flips_for_s=max(e for _, e in flipped) - min(s for s, _ in flipped) if flipped else 0.0,
        key_requests=sums["key_requests"],
        key_squares=sums["key_squares"],
        minutes=_minutes(split, epoch, last_end),
        last_block_end=last_end,
    )


@dataclass(frozen=True, slots=True)
class _Keys:
    candidate: int
    legacy: int
    both: int = 0
    since: int = 0


def _keys(parts: Sequence[_Part]) -> _Keys:
    candidate = _union(part.candidate for part in parts)
    legacy = _union(part.legacy for part in parts)
    both = np.intersect1d(candidate, legacy, assume_unique=True)
    if not both.size:
        return _Keys(candidate.size, legacy.size)
    first = {side: _first_seen(parts, side, both) for side in ("candidate", "legacy")}
    earlier = sum(first["candidate"][key] <= first["legacy"][key] for key in both.tolist())
    later = [max(first["candidate"][key], first["legacy"][key]) for key in both.tolist()]
    return _Keys(
        candidate=candidate.size - (both.size - earlier),
        legacy=legacy.size - earlier,
        both=int(both.size),
        since=min(later),
    )


def _first_seen(parts: Sequence[_Part], side: str, keys: np.ndarray) -> dict[int, int]:
    found: dict[int, int] = {}
    for part in sorted(parts, key=lambda part: part.start):
        seen = np.intersect1d(_union([getattr(part, side)]), keys, assume_unique=True)
        for key in seen.tolist():
            found.setdefault(key, part.start)
    return found


def _union(blobs: Iterable[bytes]) -> np.ndarray:
    return np.unique(np.frombuffer(b"".join(blobs), dtype=">u8"))


def _minutes(split: str, epoch: str, last_end: int) -> tuple[tuple[int, int], ...]:
    rows = RoutingBlock.objects.filter(split=split, epoch=epoch, start__gte=last_end - RECENT_S)
    sums: dict[int, list[int]] = {}
    for start, arms in rows.values_list("start", "arms"):
        minute = sums.setdefault((last_end - 1 - start) // MINUTE_S, [0, 0])
        minute[0] += arms.get("candidate", 0)
        minute[1] += arms.get("candidate", 0) + arms.get("legacy", 0)
    ages = range(max(sums, default=-1) + 1)
    return tuple((sums[age][0], sums[age][1]) if age in sums else (0, 0) for age in ages)


def _block_parts(split: str, epoch: str | None, begin: int, end: int | None) -> list[_Part]:
    rows = RoutingBlock.objects.filter(split=split, start__gte=begin)
    if epoch is not None:
        rows = rows.filter(epoch=epoch)
    if end is not None:
        rows = rows.filter(start__lt=end)
    return [_of_block(row) for row in rows.order_by("start")]


def _of_block(row: RoutingBlock) -> _Part:
    end = row.start + row.seconds
    sums = Counter({name: getattr(row, name) for name in SUMS})
    sums.update({arm: row.arms.get(arm, 0) for arm in ("candidate", "legacy")})
    return _Part(
        start=row.start,
        end=end,
        sums=sums,
        flips=row.flips,
        flipped=(row.start, end) if row.flip_count else (0, 0),
        candidate=bytes(row.candidate_keys),
        legacy=bytes(row.legacy_keys),
    )


def _of_hour(row: RoutingHour) -> _Part:
    sums = Counter(row.sums)
    return _Part(
        start=row.start,
        end=sums.pop("last_end", row.until),
        sums=sums,
        flips=row.flips,
        flipped=(sums.pop("first_flip", 0), sums.pop("last_flip", 0)),
        candidate=bytes(row.candidate_keys),
        legacy=bytes(row.legacy_keys),
    )


def grow_hour(*, split: str, start: int, end: int) -> None:
    """Add blocks that began in [start, end), all within one hour, to that hour of their steps."""
    hour = start // HOUR_S * HOUR_S
    blocks = RoutingBlock.objects.filter(split=split, start__gte=start, start__lt=end)
    for epoch in sorted(set(blocks.values_list("epoch", flat=True))):
        parts = _block_parts(split, epoch, start, end)
        row = RoutingHour.objects.filter(split=split, epoch=epoch, start=hour).first()
        if row is not None:
            parts.insert(0, _of_hour(row))
        row = row or RoutingHour(split=split, epoch=epoch, start=hour)
        row.until = end
        row.sums = _sums_of(parts)
        row.flips = [flip for part in parts for flip in part.flips][:MAX_FLIPS]
        row.candidate_keys = _union(part.candidate for part in parts).tobytes()
        row.legacy_keys = _union(part.legacy for part in parts).tobytes()
        row.save()


def _sums_of(parts: Sequence[_Part]) -> dict[str, int]:
    sums: Counter[str] = sum((part.sums for part in parts), Counter())
    sums["last_end"] = max(part.end for part in parts)
    flipped = [part.flipped for part in parts if part.flipped[1]]
    if flipped:
        sums["first_flip"] = min(start for start, _ in flipped)
        sums["last_flip"] = max(end for _, end in flipped)
    return dict(sums)
