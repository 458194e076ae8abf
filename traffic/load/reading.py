"""Reads the blocks of a load test from what the edges and the generator reported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from judge.histogram import Histogram, merge
from traffic.load.counts import Block, Counts, added
from traffic.models import LoadBlock, LoadRun, RoutingBlock, Split, TrafficBlock

USER_ARMS = ("legacy", "candidate")
CANDIDATE_ARMS = ("candidate", "candidate_shadow")
LOAD_ARM = "candidate_load"
PEAK_WINDOW = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that production asked for: requests per second, when, and over how long seen."""

    rps: float = 0.0
    at: datetime | None = None
    seen_s: int = 0


def measured_peak(split: Split, *, window_s: int, now: datetime) -> Peak:
    """Return the busiest whole window of the last 48 hours; nothing seen is a peak of 0."""
    since = int((now - PEAK_WINDOW).timestamp())
    rows = RoutingBlock.objects.filter(split=split.name, start__gte=since)
    sums: dict[int, int] = {}
    seen: dict[int, int] = {}
    counted: set[int] = set()
    for start, seconds, arms in rows.values_list("start", "seconds", "arms").iterator():
        slot = start // window_s
        sums[slot] = sums.get(slot, 0) + sum(arms.values())
        if start not in counted:
            counted.add(start)
            seen[slot] = seen.get(slot, 0) + seconds
    # A window that was not reported whole says too little, and the present one is not over.
    whole = {slot: sums[slot] / window_s for slot in sums if seen[slot] >= window_s}
    if not whole:
        return Peak(seen_s=sum(seen.values()))
    busiest = max(whole, key=lambda slot: whole[slot])
    at = datetime.fromtimestamp(busiest * window_s, UTC)
    return Peak(whole[busiest], at, sum(seen.values()))


@dataclass(slots=True)
class _Sums:
    seconds: int
    users: list[Counts] = field(default_factory=list)
    legacy: list[Counts] = field(default_factory=list)
    load: list[Counts] = field(default_factory=list)
    lateness: list[Mapping[int, int]] = field(default_factory=list)
    eligible: int = 0
    other: int = 0

    def block(self, start: int) -> Block:
        """Return the sums as a value."""
        return Block(
            start=start,
            seconds=self.seconds,
            users=added(self.users),
            legacy=added(self.legacy),
            load=added(self.load),
            eligible=self.eligible,
            other=self.other,
            lateness=merge(self.lateness),
        )


def read_blocks(run: LoadRun, *, since: datetime) -> list[Block]:
    """Return the blocks that began in the window, in time order, all proxies added up."""
    split, copied = run.split, _copied(run.split)
    found: dict[int, _Sums] = {}
    rows = TrafficBlock.objects.filter(split=split.name, start__gte=int(since.timestamp()))
    for row in rows.iterator():
        sums = found.setdefault(row.start, _Sums(row.seconds))
        _add(sums, row, copied=row.route in copied)
    if run.mode == LoadRun.Mode.GENERATOR:
        _add_generated(found, run, since)
    return [found[start].block(start) for start in sorted(found)]


def reference(split: Split, *, until: datetime) -> Counts:
    """Return what legacy answered on routes that may be copied, over the last 48 hours."""
    rows = TrafficBlock.objects.filter(
        split=split.name,
        arm="legacy",
        route__in=_copied(split),
        start__gte=int((until - PEAK_WINDOW).timestamp()),
        start__lt=int(until.timestamp()),
    )
    return added(counts_of(row) for row in rows.iterator())


def _copied(split: Split) -> frozenset[str]:
    return frozenset(route["route"] for route in split.routes if route["safe_to_duplicate"])


def _add(sums: _Sums, row: TrafficBlock, *, copied: bool) -> None:
    if row.arm in USER_ARMS:
        counts = counts_of(row)
        sums.users.append(counts)
        if copied:
            sums.eligible += row.requests
            if row.arm == "legacy":
                sums.legacy.append(counts)
    if row.arm in CANDIDATE_ARMS:
        sums.other += row.requests
    if row.arm == LOAD_ARM:
        sums.load.append(counts_of(row))


def _add_generated(found: dict[int, _Sums], run: LoadRun, since: datetime) -> None:
    """Put the generator's counts on the grid of the edges' blocks."""
    grid = run.split.block_seconds
    for row in LoadBlock.objects.filter(run=run, start__gte=int(since.timestamp())):
        start = row.start // grid * grid
        sums = found.setdefault(start, _Sums(grid))
        sums.load.append(counts_of(row))
        sums.lateness.append(histogram_of(row.lateness))


def counts_of(row: TrafficBlock | LoadBlock) -> Counts:
    """Return a row as counts."""
    return Counts(row.requests, row.errors, row.shed, histogram_of(row.latency))


def histogram_of(latency: Mapping[str, Any]) -> Histogram:
    """Return the stored latencies of all requests."""
    return {int(bucket): count for bucket, count in latency.get("all", {}).items()}
