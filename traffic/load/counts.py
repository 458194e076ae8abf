"""Blocks of a load test as values: users, legacy, and the copies, side by side. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from judge.arms import ArmBlocks
from judge.histogram import (
    Histogram,
    from_wire,
    hist_bucket,
    merge,
    quantile,
    to_wire,
    total,
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of one kind: errors among them, copies that were never sent, latencies."""

    requests: int = 0
    errors: int = 0
    shed: int = 0
    latency: Mapping[int, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        latency = to_wire(self.latency)
        return {"requests": self.requests, "errors": self.errors, "latency": latency}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Counts":
        """Read back what `to_dict` wrote."""
        return cls(data["requests"], data["errors"], latency=from_wire(data["latency"]))

    def slower(self, us: float) -> int:
        """Return how many took longer than the bucket that `us` lies in."""
        limit = hist_bucket(us)
        return sum(count for bucket, count in self.latency.items() if bucket > limit)

    @property
    def timed(self) -> int:
        """Return how many latencies are known."""
        return total(self.latency)

    def p99_us(self) -> int | None:
        """Return the 99th percentile for display."""
        return quantile(self.latency, 0.99)


def added(parts: Iterable[Counts]) -> Counts:
    """Return the sum."""
    found = list(parts)
    latency: Histogram = merge(part.latency for part in found)
    return Counts(
        requests=sum(part.requests for part in found),
        errors=sum(part.errors for part in found),
        shed=sum(part.shed for part in found),
        latency=latency,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of time, all proxies added up; `start` in unix seconds.

    `users` are users' own requests, `legacy` those of them that legacy answered on routes that are
    copied: what the copies are held against. `eligible` counts the users' requests that are copied,
    `other` what the candidate got besides the copies of the test.
    """

    start: int
    seconds: int
    users: Counts = Counts()
    legacy: Counts = Counts()
    load: Counts = Counts()
    eligible: int = 0
    other: int = 0
    lateness: Mapping[int, int] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """When it was over."""
        return self.start + self.seconds


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive blocks and their sums."""

    blocks: tuple[Block, ...]

    @property
    def seconds(self) -> int:
        """The time that was reported."""
        return sum(block.seconds for block in self.blocks)

    def sum(self, part: Callable[[Block], Counts]) -> Counts:
        """Add up one kind of request."""
        return added(part(block) for block in self.blocks)

    def rate(self, count: Callable[[Block], int]) -> float:
        """Return a count per second; 0 without blocks."""
        return sum(map(count, self.blocks)) / self.seconds if self.blocks else 0.0

    @property
    def candidate_rps(self) -> float:
        """All that the candidate got per second."""
        return self.rate(lambda block: block.load.requests + block.other)

    def lateness(self) -> Histogram:
        """How late the generator was, in µs."""
        return merge(block.lateness for block in self.blocks)

    def arms(
        self, bad: Callable[[Counts], int], *, against: Counts | None, timed: bool
    ) -> ArmBlocks:
        """Return copies and legacy per block; all in one against a reference of another time."""
        size: Callable[[Counts], int] = (lambda c: c.timed) if timed else (lambda c: c.requests)
        pairs = [(block.load, block.legacy) for block in self.blocks]
        if against is not None:
            pairs = [(self.sum(lambda b: b.load), against)]
        rows = [(size(c), bad(c), size(legacy), bad(legacy)) for c, legacy in pairs]
        n_c, k_c, n_l, k_l = np.array(rows or [(0, 0, 0, 0)], dtype=np.int64).T
        return ArmBlocks(n_c=n_c, k_c=k_c, n_l=n_l, k_l=k_l)


def window(blocks: Sequence[Block], *, since: float, until: float) -> Window:
    """Return the blocks that lie whole between two moments."""
    return Window(tuple(b for b in blocks if b.start >= since and b.end <= until))
