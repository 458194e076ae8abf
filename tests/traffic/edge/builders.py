"""Hand-made captures and records with sensible defaults, and a joiner that remembers."""

from collections import Counter
from typing import Any

from tests.traffic.edge.rig import RULE, SPLIT
from traffic.edge.book import Book
from traffic.edge.joiner import Booking, Joiner, Limits
from traffic.edge.pairs import Pair, Tally
from traffic.edge.records import AccessRecord
from traffic.edge.taps import Capture
from traffic.edge.topology import Topology

LEGACY_AT, CANDIDATE_AT = "127.0.0.1:8001", "127.0.0.1:8002"
START_US = 1_763_884_800_000_000
START = START_US // 1_000_000
ARMS = {
    "legacy": "legacy",
    "candidate": "candidate",
    "candidate-safe": "candidate",
    "candidate-shadow": "candidate_shadow",
    "legacy-shadow": "legacy_shadow",
}


def topology(**changes: Any) -> Topology:
    values: dict[str, Any] = {
        "arms": {f"{SPLIT}/{name}": (SPLIT, arm) for name, arm in ARMS.items()},
        "routes": {
            f"{SPLIT}/{side}-{kind}": SPLIT
            for side in ("legacy", "candidate")
            for kind in ("sampled", "plain")
        },
        "candidates": {SPLIT: frozenset({CANDIDATE_AT})},
        "rules": [RULE],
        "epochs": {SPLIT: "step-1"},
        "block_seconds": 10,
        "salt": b"lineage",
    }
    return Topology(**(values | changes))


def capture(cluster: str, sample: str = "m1", **changes: Any) -> Capture:
    """A complete capture of `cluster` (without the split)."""
    copy = cluster.endswith("-shadow")
    values: dict[str, Any] = {
        "upstream": CANDIDATE_AT if cluster.startswith("candidate") else LEGACY_AT,
        "started_us": START_US,
        "ended_us": START_US + 1500,
        "method": "POST",
        "path": "/infer?x=1",
        "request_headers": (("content-type", "text/plain"),),
        "request_body": b"question" if copy else b"",
        "status": 200,
        "response_headers": (("content-type", "text/plain"),),
        "response_body": cluster.encode(),
        "complete": True,
    }
    return Capture(sample=sample, cluster=f"{SPLIT}/{cluster}", **(values | changes))


def broken_off(cluster: str, sample: str = "m1", **changes: Any) -> Capture:
    """A capture whose response never ended."""
    values = {"status": 0, "response_body": b"", "response_headers": (), "complete": False}
    return capture(cluster, sample, **(values | changes))


def request(side: str, sample: str = "m1", **changes: Any) -> AccessRecord:
    """The record of a user's request that was meant for `side` and answered by it."""
    values: dict[str, Any] = {
        "started_us": START_US,
        "duration_us": 2000,
        "cluster": f"{SPLIT}/{side}",
        "route": f"{SPLIT}/{side}-{'sampled' if sample else 'plain'}",
        "status": 200,
        "attempts": 1,
        "sample": sample,
        "key": "user-1",
        "method": "POST",
        "path": "/infer?x=1",
    }
    return AccessRecord(log="edge", **(values | changes))


def attempt(cluster: str, sample: str = "m1", **changes: Any) -> AccessRecord:
    """The record of one try; copies carry no route name."""
    meant = "" if cluster.endswith("-shadow") else f"{SPLIT}/{cluster}-sampled"
    values: dict[str, Any] = {
        "started_us": START_US,
        "duration_us": 1800,
        "cluster": f"{SPLIT}/{cluster}",
        "route": meant,
        "status": 200,
        "sample": sample,
        "key": "user-1",
        "method": "POST",
        "path": "/infer?x=1",
    }
    return AccessRecord(log="attempt", **(values | changes))


class Bench:
    """A joiner whose clock stands at `now`, with the pairs and bookings it has made."""

    def __init__(self, *, room: int = 10**6, limits: Limits | None = None) -> None:
        self.now = 0.0
        self.pairs: list[Pair] = []
        self.bookings: list[Booking] = []
        self._room = room
        self.joiner = Joiner(topology(), emit=self._emit, book=self.bookings.append, limits=limits)

    def _emit(self, pair: Pair) -> bool:
        if len(self.pairs) >= self._room:
            return False
        self.pairs.append(pair)
        return True

    def see(self, *events: Capture | AccessRecord) -> "Bench":
        for event in events:
            if isinstance(event, Capture):
                self.joiner.capture(event, now=self.now)
            else:
                self.joiner.record(event, now=self.now)
        return self

    def wait(self, seconds: float) -> "Bench":
        self.now += seconds
        self.joiner.expire(now=self.now)
        return self

    @property
    def kinds(self) -> list[str]:
        return [pair.kind for pair in self.pairs]

    @property
    def tallies(self) -> dict[Tally, int]:
        return dict(Counter(booking.tally for booking in self.bookings))


def book_of(*records: AccessRecord, now: float = START + 1, **changes: Any) -> Book:
    """A book configured long before the records, with them counted."""
    book = Book()
    book.configure(topology(**changes), now=START - 100)
    for record in records:
        book.record(record, now=now)
    return book
