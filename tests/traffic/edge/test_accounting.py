"""Whatever happens in whatever order, every sampled request is accounted for exactly once."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.traffic.edge.builders import (
    LEGACY_AT,
    START,
    Bench,
    attempt,
    broken_off,
    capture,
    request,
    topology,
)
from traffic.edge.book import Book
from traffic.edge.joiner import Limits
from traffic.edge.pairs import Tally
from traffic.edge.records import AccessRecord
from traffic.edge.taps import Capture

Event = Capture | AccessRecord
OVERFLOW = frozenset({"upstream_overflow"})
FALLBACK = {"route": "embeddings/candidate-sampled"}


def life(kind: str, mark: str) -> list[Event]:
    """All events of one mark, by what happened to it."""
    forward: list[Event] = [request("legacy", mark), capture("legacy", mark)]
    reverse: list[Event] = [capture("legacy-shadow", mark)]
    return {
        "forward": [*forward, capture("candidate-shadow", mark), attempt("candidate-shadow", mark)],
        "triple": [*forward, capture("candidate-shadow", mark), capture("legacy-shadow", mark)],
        "no copy": forward,
        "no capture": [request("legacy", mark)],
        "shed": [*forward, attempt("candidate-shadow", mark, status=0, flags=OVERFLOW)],
        "reset": [
            *forward,
            attempt("candidate-shadow", mark, status=0),
            broken_off("candidate-shadow", mark),
        ],
        "cut": [*forward, capture("candidate-shadow", mark, complete=False, truncated=True)],
        "reverse": [*reverse, capture("candidate-safe", mark), request("candidate", mark)],
        "failed over": [
            *reverse,
            capture("candidate-safe", mark, status=500, response_body=b""),
            capture("candidate-safe", mark, upstream=LEGACY_AT),
            request("legacy", mark, attempts=2, **FALLBACK),
        ],
        "diverted": [
            *reverse,
            capture("candidate-safe", mark, upstream=LEGACY_AT),
            request("legacy", mark, **FALLBACK),
        ],
        "unlogged": [capture("legacy", mark), capture("candidate-shadow", mark)],
    }[kind]


KINDS = [
    *("forward", "triple", "no copy", "no capture", "shed", "reset", "cut"),
    *("reverse", "failed over", "diverted", "unlogged"),
]
EXPECTED = {
    "forward": Tally.PAIRS,
    "triple": Tally.PAIRS,
    "no copy": Tally.UNPAIRED,
    "no capture": Tally.SHED,
    "shed": Tally.SHED,
    "reset": Tally.PAIRS,
    "cut": Tally.TRUNCATED,
    "reverse": Tally.PAIRS,
    "failed over": Tally.FAILED_OVER,
    "diverted": Tally.DIVERTED,
    "unlogged": Tally.PAIRS,
}


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[str], list[Event | float]]:
    """Marks by what happens to them, and their events shuffled, repeated and with pauses."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=12))
    events: list[Event | float] = [
        event for number, kind in enumerate(kinds) for event in life(kind, f"m{number}")
    ]
    repeated = draw(st.lists(st.sampled_from(events), max_size=5))
    pauses: list[Event | float] = list(draw(st.lists(st.sampled_from([0.3, 2.0]), max_size=4)))
    return kinds, draw(st.permutations([*events, *repeated, *pauses]))


def play(bench: Bench, history: list[Event | float]) -> None:
    for event in history:
        if isinstance(event, float):
            bench.wait(event)
        else:
            bench.see(event)


@given(histories())
def test_every_mark_gets_the_outcome_that_it_had_in_any_order(
    case: tuple[list[str], list[Event | float]],
) -> None:
    kinds, history = case
    bench = Bench()
    play(bench, history)
    bench.wait(30)
    expected = Counter(EXPECTED[kind] for kind in kinds)
    assert bench.tallies == expected | Counter({Tally.SAMPLED: len(kinds)})
    assert len({(pair.id, pair.kind) for pair in bench.pairs}) == len(bench.pairs)
    assert (bench.joiner.waiting, bench.joiner.bytes) == (0, 0)


@given(histories(), st.integers(0, 6), st.integers(1, 6), st.integers(1, 200))
def test_sums_balance_when_room_is_short_and_wherever_one_stops(
    case: tuple[list[str], list[Event | float]], room: int, waiting: int, size: int
) -> None:
    _, history = case
    bench = Bench(room=room, limits=Limits(max_waiting=waiting, max_bytes=size))
    book = Book()
    book.configure(topology(), now=START - 100)
    play(bench, history)
    bench.joiner.flush()
    for booking in bench.bookings:
        book.book(booking, now=START + 1)
    for entry in book.due(1, now=START + 60):
        wire = entry.wire
        outcomes = sum(wire[tally] for tally in Tally if tally is not Tally.SAMPLED)
        assert wire["sampled"] == outcomes
        assert wire["waiting"] == 0
    assert (bench.joiner.waiting, bench.joiner.bytes) == (0, 0)
