"""The joiner: holds marks until they are decided, within bounds, and accounts for each. Pure.

Every mark is booked once as SAMPLED and once with its outcome, both on the block in which the
user's request began, so per block: sampled = sum of the outcomes + what is still waiting.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from traffic.edge.pairs import Mark, Pair, Tally, decide, decide_noise, meant_for
from traffic.edge.records import AccessRecord
from traffic.edge.taps import Capture
from traffic.edge.topology import LEGACY, LEGACY_SHADOW, Topology


@dataclass(frozen=True, slots=True)
class Booking:
    """One count for the block of the request's start."""

    split: str
    route: str
    started_us: int
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long (seconds) and how much (marks, bytes of bodies) the joiner may hold."""

    wait_s: float = 19.0  # twice Envoy's deferred close of 2 s, and a route timeout of 15 s
    linger_s: float = 5.0  # after the outcome, for the noise copy of the same request
    max_waiting: int = 20_000
    max_bytes: int = 64 << 20
    remember: int = 50_000


@dataclass(slots=True, kw_only=True)
class JoinerStats:
    """Counts since the start: marks without a user's record, marks thrown out, late captures."""

    unlogged: int = 0
    evicted: int = 0
    late: int = 0
    noise: int = 0
    noise_unpaired: int = 0
    noise_shed: int = 0


@dataclass(slots=True)
class _Entry:
    mark: Mark
    until: float
    outcome: Tally | None = None
    noise_open: bool = True
    size: int = 0


class Joiner:
    """Feed it captures and records in any order, and call `expire` now and then.

    `emit` takes a pair and returns whether it could be kept, `book` takes each count, `now` is
    seconds of a monotonic clock. No pair id is emitted twice with the same kind.
    """

    def __init__(
        self,
        topology: Topology,
        *,
        emit: Callable[[Pair], bool],
        book: Callable[[Booking], None],
        limits: Limits | None = None,
    ) -> None:
        self.topology = topology
        self.limits = limits or Limits()
        self.stats = JoinerStats()
        self.bytes = 0
        self._emit = emit
        self._book = book
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lingering: deque[tuple[float, str]] = deque()
        self._done: OrderedDict[str, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Marks that are held."""
        return len(self._entries)

    def capture(self, capture: Capture, *, now: float) -> None:
        """Take one side's capture; one of a foreign cluster is ignored."""
        owner = self.topology.arm(capture.cluster)
        if owner is None or (entry := self._entry(capture.sample, owner[0], capture, now)) is None:
            return
        if entry.outcome is None or entry.noise_open:
            entry.mark.captures.setdefault(owner[1], []).append(capture)
            entry.size += capture.size
            self.bytes += capture.size
        self._settle(entry, now)
        self._shrink()

    def record(self, record: AccessRecord, *, now: float) -> None:
        """Take one access record; one without a mark is none of the joiner's business."""
        edge = record.log == "edge"
        owner = self.topology.decision(record.route) if edge else self.topology.arm(record.cluster)
        if not record.sample or owner is None:
            return
        if (entry := self._entry(record.sample, owner[0], record, now)) is None:
            return
        if not edge:
            entry.mark.attempts[owner[1]] = record
        elif entry.mark.request is None:
            self._log(entry, record)
        self._settle(entry, now)
        self._shrink()

    def expire(self, *, now: float) -> None:
        """Decide whatever has waited long enough."""
        while self._lingering and self._lingering[0][0] <= now:
            entry = self._entries.get(self._lingering.popleft()[1])
            if entry is not None:
                self._close_noise(entry)
                self._forget_if_settled(entry)
        while self._entries:
            entry = next(iter(self._entries.values()))
            if entry.until > now:
                break
            self._finish(entry)

    def flush(self) -> None:
        """Decide everything now: the process is stopping."""
        while self._entries:
            self._finish(next(iter(self._entries.values())))

    def _entry(
        self, sample: str, split: str, source: Capture | AccessRecord, now: float
    ) -> _Entry | None:
        entry = self._entries.get(sample)
        if entry is None:
            if sample in self._done:
                # Attempts of a decided mark are in the next batch of records; that is no loss.
                self.stats.late += isinstance(source, Capture)
                return None
            route = self.topology.route(split, source.method, source.path)
            mark = Mark(id=sample, split=split, route=route, started_us=source.started_us)
            entry = self._entries[sample] = _Entry(mark, now + self.limits.wait_s)
        return entry

    def _log(self, entry: _Entry, request: AccessRecord) -> None:
        """Take the user's own record, which says where this mark is counted."""
        entry.mark.request = request
        entry.mark.started_us = request.started_us
        self._count(entry, Tally.SAMPLED)
        if entry.outcome is not None:
            self._count(entry, entry.outcome)

    def _settle(self, entry: _Entry, now: float) -> None:
        if entry.outcome is None:
            self._try_outcome(entry, final=False)
            if entry.outcome is not None:
                self._lingering.append((now + self.limits.linger_s, entry.mark.id))
        self._try_noise(entry, final=False)
        no_noise = (
            not entry.mark.captures.get(LEGACY) or meant_for(entry.mark, self.topology) != LEGACY
        )
        if entry.outcome is not None and (no_noise or not entry.noise_open):
            self._close_noise(entry)
            self._forget_if_settled(entry)

    def _try_outcome(self, entry: _Entry, *, final: bool) -> None:
        decided = decide(entry.mark, self.topology, final=final)
        if isinstance(decided, Pair):
            self._conclude(entry, decided.outcome if self._emit(decided) else Tally.SHED)
        elif decided is not None:
            self._conclude(entry, decided)

    def _try_noise(self, entry: _Entry, *, final: bool) -> None:
        if not entry.noise_open:
            return
        if (pair := decide_noise(entry.mark, self.topology, final=final)) is not None:
            entry.noise_open = False
            self.stats.noise += 1
            self.stats.noise_shed += not self._emit(pair)

    def _close_noise(self, entry: _Entry) -> None:
        """No noise pair any more: let go of the bodies. The mark may still wait for its record."""
        if entry.noise_open:
            entry.noise_open = False
            wanted = meant_for(entry.mark, self.topology) == LEGACY
            self.stats.noise_unpaired += wanted and entry.mark.saw(LEGACY_SHADOW)
        entry.mark.captures.clear()
        self.bytes -= entry.size
        entry.size = 0

    def _conclude(self, entry: _Entry, outcome: Tally) -> None:
        entry.outcome = outcome
        if entry.mark.request is not None:
            self._count(entry, outcome)

    def _count(self, entry: _Entry, tally: Tally) -> None:
        mark = entry.mark
        self._book(Booking(mark.split, mark.route, mark.started_us, tally))

    def _forget_if_settled(self, entry: _Entry) -> None:
        if entry.outcome is not None and entry.mark.request is not None:
            self._forget(entry)

    def _finish(self, entry: _Entry, *, evicted: bool = False) -> None:
        """Say the last word on a mark, with whatever there is."""
        if not evicted:
            if entry.outcome is None:
                self._try_outcome(entry, final=True)
            self._try_noise(entry, final=True)
        if entry.outcome is None:
            lost = evicted or not entry.mark.captures
            self._conclude(entry, Tally.SHED if lost else Tally.UNPAIRED)
        if entry.mark.request is None and entry.outcome is not None:
            self.stats.unlogged += 1
            self._count(entry, Tally.SAMPLED)
            self._count(entry, entry.outcome)
        self._close_noise(entry)
        self._forget(entry)

    def _forget(self, entry: _Entry) -> None:
        del self._entries[entry.mark.id]
        self._done[entry.mark.id] = None
        if len(self._done) > self.limits.remember:
            self._done.popitem(last=False)

    def _shrink(self) -> None:
        limits = self.limits
        while self._entries and (
            len(self._entries) > limits.max_waiting or self.bytes > limits.max_bytes
        ):
            self.stats.evicted += 1
            self._finish(next(iter(self._entries.values())), evicted=True)
