"""Counters of one block of time, each with the shape it has in the report. Pure.

Only integers that grow, so an accumulator that is told again replaces its older self.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar

from judge.histogram import TABLE, add, to_wire
from traffic.edge.attempts import Attempt
from traffic.edge.keys import Sight, is_even
from traffic.edge.pairs import Tally
from traffic.edge.topology import CANDIDATE, LEGACY, SlowLimits

Json = dict[str, Any]

MAX_EXAMPLES = 10
MAX_BAD_KEYS = 16
"""Distinct users told per block and kind of bad answer; a step unites its blocks' keys."""
STATUS_CLASSES = ("2xx", "3xx", "4xx", "5xx", "none")


@dataclass(frozen=True, slots=True, order=True)
class BlockKey:
    """Where a counter belongs. `start` is unix seconds; arm and route are empty where not split."""

    start: int
    seconds: int
    split: str
    route: str = ""
    arm: str = ""

    def to_wire(self) -> Json:
        """Return the key's own fields of a report entry."""
        fields = {"split": self.split, "route": self.route, "arm": self.arm}
        present = {name: value for name, value in fields.items() if value}
        return present | {"start": self.start, "seconds": self.seconds}


@dataclass(slots=True)
class ArmCounts:
    """Attempts of one arm on one route: requests, errors, latencies in µs."""

    kind: ClassVar[str] = "blocks"
    requests: int = 0
    status: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    keys: dict[str, set[int]] = field(default_factory=dict)
    slow: Counter[str] = field(default_factory=Counter)
    warming: int = 0
    shed: int = 0
    latency: dict[int, int] = field(default_factory=dict)
    even: dict[int, int] = field(default_factory=dict)
    odd: dict[int, int] = field(default_factory=dict)

    def add(self, attempt: Attempt, *, key: int, slow: SlowLimits, warming: bool) -> None:
        """Count one attempt. `key` is the user's hashed key, 0 when it is of no interest."""
        if attempt.shed:
            self.shed += 1
            return
        self.requests += 1
        answered = attempt.record.status and attempt.latency_us != float("inf")
        self.status[f"{attempt.record.status // 100}xx" if answered else "none"] += 1
        if attempt.error:
            self.errors += 1
            self._note("errors", key)
        if warming:
            self.warming += 1
            return
        for name, limit in slow.items():
            if attempt.latency_us > limit:
                self.slow[name] += 1
                self._note(name, key)
        add(self.latency, attempt.latency_us)
        if sample := attempt.record.sample:
            add(self.even if is_even(sample) else self.odd, attempt.latency_us)

    def _note(self, kind: str, key: int) -> None:
        known = self.keys.setdefault(kind, set())
        if key and len(known) < MAX_BAD_KEYS:
            known.add(key)

    def to_wire(self) -> Json:
        """Return the counts as they stand in a report."""
        return {
            "requests": self.requests,
            "status": {name: self.status[name] for name in STATUS_CLASSES},
            "errors": self.errors,
            "keys": {
                kind: [f"{key:016x}" for key in sorted(known)]
                for kind, known in self.keys.items()
                if known
            },
            "slow": dict(self.slow),
            "warming": self.warming,
            "shed": self.shed,
            "latency": {
                "table": TABLE,
                "all": to_wire(self.latency),
                "even": to_wire(self.even),
                "odd": to_wire(self.odd),
            },
        }


@dataclass(slots=True)
class RoutingCounts:
    """Routing decisions of one split. `new_keys` are those of the newest epoch in this block."""

    kind: ClassVar[str] = "routing"
    arms: Counter[str] = field(default_factory=Counter)
    failed_over: int = 0
    diverted: int = 0
    epoch: str = ""
    new_keys: dict[str, list[int]] = field(default_factory=dict)
    flip_count: int = 0
    flips: list[Json] = field(default_factory=list)
    key_requests: int = 0
    key_squares: int = 0

    def see(self, sight: Sight, arm: str, *, epoch: str) -> None:
        """Note a key that is new to the step or turned up on the other arm."""
        if epoch != self.epoch:
            # Dropping the old step's last keys is harmless: whether they are told has nothing to
            # do with the arm they fell on.
            self.epoch, self.new_keys = epoch, {}
            self.flip_count, self.flips = 0, []
            self.key_requests = self.key_squares = 0
        self.key_requests += 1
        # What one more request adds to the key's squared number of requests.
        self.key_squares += 2 * sight.requests - 1
        if sight.new:
            self.new_keys.setdefault(arm, []).append(sight.key)
        elif sight.first_arm != arm:
            self.flip_count += 1
            if len(self.flips) < MAX_EXAMPLES:
                self.flips.append(
                    {"key": f"{sight.key:016x}", "first": sight.first_arm, "now": arm}
                )

    def to_wire(self) -> Json:
        """Return the counts for a report. `intended` were meant for the candidate."""
        return {
            "intended": self.arms[CANDIDATE],
            "arms": {arm: self.arms[arm] for arm in (CANDIDATE, LEGACY)},
            "failed_over": self.failed_over,
            "diverted": self.diverted,
            "epoch": self.epoch,
            "new_keys": {
                arm: [f"{key:016x}" for key in self.new_keys.get(arm, ())]
                for arm in (CANDIDATE, LEGACY)
            },
            "key_requests": self.key_requests,
            "key_squares": self.key_squares,
            "flip_count": self.flip_count,
            "flips": list(self.flips),
        }


@dataclass(slots=True)
class TapCounts:
    """What became of the sampled requests of one route. `waiting` is not decided yet."""

    kind: ClassVar[str] = "taps"
    tallies: Counter[Tally] = field(default_factory=Counter)

    @property
    def waiting(self) -> int:
        """Sampled, and without an outcome so far."""
        return 2 * self.tallies[Tally.SAMPLED] - self.tallies.total()

    def to_wire(self) -> Json:
        """Return the sums for a report: sampled = all the others."""
        return {tally.value: self.tallies[tally] for tally in Tally} | {"waiting": self.waiting}


Counts = ArmCounts | RoutingCounts | TapCounts
