"""All blocks that may still change: which are due to be told, told, or final. Pure.

A block is told `CLOSE_AFTER_S` after its end, and again, with all its counts, whenever a late
record or a decided pair changed it: an entry with the same (proxy, boot, split, route, arm, start)
replaces the older one. After `KEEP_S` it is final. What comes even later is booked on the newest
block, so that nothing told is ever replaced by less.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from traffic.edge.attempts import Attempt, attempt_of
from traffic.edge.blocks import ArmCounts, BlockKey, Counts, RoutingCounts, TapCounts
from traffic.edge.joiner import Booking
from traffic.edge.keys import KeySet, key_hash
from traffic.edge.records import AccessRecord
from traffic.edge.topology import CANDIDATE, CANDIDATE_ARMS, LEGACY, SlowLimits, Topology

Json = dict[str, Any]
C = TypeVar("C", ArmCounts, RoutingCounts, TapCounts)

CLOSE_AFTER_S = 1.0
"""Envoy flushes access records every 0.5 s."""
KEEP_S = 60.0
MAX_UNACKNOWLEDGED = 8
"""Reports whose acknowledgement still counts; an older one's blocks are simply told again."""


@dataclass(slots=True)
class _Slot:
    counts: Counts
    changes: int = 0
    acknowledged: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One report entry. `kind` is blocks, routing or taps."""

    kind: str
    key: BlockKey
    wire: Json


@dataclass(slots=True)
class Book:
    """Counts access records and bookings into blocks. `now` is unix seconds."""

    topology: Topology = field(default_factory=Topology)
    moved: int = 0
    foreign: int = 0
    _slots: dict[tuple[str, BlockKey], _Slot] = field(default_factory=dict)
    _keys: dict[str, KeySet] = field(default_factory=dict)
    _told: dict[int, list[tuple[_Slot, int]]] = field(default_factory=dict)

    def configure(self, topology: Topology, *, now: float) -> None:
        """Use a new snapshot's names. A new epoch of a split forgets the split's keys."""
        self.topology = topology
        for split, epoch in topology.epochs.items():
            known = self._keys.get(split)
            if known is None or known.epoch != epoch:
                self._keys[split] = KeySet(epoch, int(now * 1e6))
        for split in self._keys.keys() - topology.epochs.keys():
            del self._keys[split]

    def record(self, record: AccessRecord, *, now: float) -> None:
        """Count an access record as attempt, as routing decision, or as both."""
        self._count_attempt(record, now)
        if record.log == "edge":
            self._count_decision(record, now)

    def book(self, booking: Booking, *, now: float) -> None:
        """Count what became of a mark."""
        key = self._key(booking.started_us, now, booking.split, booking.route)
        self._counts(TapCounts, key).tallies[booking.tally] += 1

    def due(self, seq: int, *, now: float) -> list[Entry]:
        """Return closed blocks not acknowledged as they are, oldest first, told under `seq`."""
        told, entries = [], []
        for (kind, key), slot in sorted(self._slots.items()):
            if key.start + key.seconds + CLOSE_AFTER_S > now or slot.changes == slot.acknowledged:
                continue
            told.append((slot, slot.changes))
            entries.append(Entry(kind, key, key.to_wire() | slot.counts.to_wire()))
        self._told[seq] = told
        while len(self._told) > MAX_UNACKNOWLEDGED:
            del self._told[min(self._told)]
        return entries

    def acknowledge(self, seq: int) -> None:
        """Note that what was told under `seq` has arrived; older reports are moot."""
        for slot, changes in self._told.get(seq, ()):
            slot.acknowledged = max(slot.acknowledged, changes)
        self._told = {later: told for later, told in self._told.items() if later > seq}

    def retire(self, *, now: float, everything: bool = False) -> Iterator[Entry]:
        """Drop final blocks and yield those that were never acknowledged."""
        for (kind, key), slot in sorted(self._slots.items()):
            if everything or key.start + key.seconds + KEEP_S <= now:
                del self._slots[kind, key]
                if slot.changes != slot.acknowledged:
                    yield Entry(kind, key, key.to_wire() | slot.counts.to_wire())

    def __len__(self) -> int:
        """Blocks that may still change."""
        return len(self._slots)

    def _count_attempt(self, record: AccessRecord, now: float) -> None:
        attempt = attempt_of(record, self.topology)
        if attempt is None:
            return
        topology = self.topology
        route = topology.route(attempt.split, record.method, record.path)
        key = self._key(record.started_us, now, attempt.split, route, attempt.arm)
        slow = topology.slow_limits(attempt.split, route)
        self._counts(ArmCounts, key).add(
            attempt,
            key=self._bad_key(attempt, slow),
            slow=slow,
            warming=attempt.arm in CANDIDATE_ARMS and record.started_us < topology.warm_us,
        )

    def _bad_key(self, attempt: Attempt, slow: SlowLimits) -> int:
        """Return the key of a user whom the candidate served badly; 0 when it is of no interest."""
        bad = attempt.error or any(attempt.latency_us > limit for limit in slow.values())
        if not (bad and attempt.arm == CANDIDATE and attempt.record.key):
            return 0
        return key_hash(attempt.record.key, self.topology.salt)

    def _count_decision(self, record: AccessRecord, now: float) -> None:
        decision = self.topology.decision(record.route)
        if decision is None:
            self.foreign += 1
            return
        split, arm = decision
        counts = self._counts(RoutingCounts, self._key(record.started_us, now, split))
        counts.arms[arm] += 1
        if arm == CANDIDATE and self.topology.arm(record.cluster) == (split, LEGACY):
            if record.attempts > 1:
                counts.failed_over += 1
            else:
                counts.diverted += 1
        keys = self._keys.get(split)
        if keys is not None and record.key:
            hashed = key_hash(record.key, self.topology.salt)
            if sight := keys.see(hashed, arm, started_us=record.started_us):
                counts.see(sight, arm, epoch=keys.epoch)

    def _key(
        self, started_us: int, now: float, split: str, route: str = "", arm: str = ""
    ) -> BlockKey:
        seconds = self.topology.block_seconds
        start = started_us // 1_000_000 // seconds * seconds
        if start + seconds + KEEP_S <= now:
            self.moved += 1
            start = int(now) // seconds * seconds
        return BlockKey(start, seconds, split, route, arm)

    def _counts(self, kind: type[C], key: BlockKey) -> C:
        slot = self._slots.get((kind.kind, key))
        if slot is None:
            slot = self._slots[kind.kind, key] = _Slot(kind())
        slot.changes += 1
        assert isinstance(slot.counts, kind)  # noqa: S101 - slots are keyed by their kind
        return slot.counts
