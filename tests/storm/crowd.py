"""Parallel promotes from one version: exactly one decides, the others hear who."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

from django.db import Error, connections

from rollout.exceptions import RefusalError
from rollout.models import Decision, ServiceMigration
from tests.storm.ready import assert_whole, promote, ready_again

TOGETHER_SECONDS = 30


@dataclass(slots=True)
class Tally:
    """What the hands of all rounds got, and the longest that one had to wait."""

    rounds: int = 0
    hands: int = 0
    decisions: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON, with whether the promise was kept."""
        return {
            "rounds": self.rounds,
            "hands": self.hands,
            "decisions": self.decisions,
            "answers": dict(self.answers),
            "slowest_s": round(self.slowest_s, 3),
            "seconds": round(self.seconds, 1),
            "kept": self.kept,
        }

    @property
    def kept(self) -> bool:
        """Whether each round had one decision, and everybody else heard that he came too late."""
        late = self.rounds * (self.hands - 1)
        return self.decisions == self.rounds and self.answers["stale_version"] == late


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make all calls at the same moment, each in a thread of its own; refusals are results."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=TOGETHER_SECONDS)
        try:
            return call()
        except (RefusalError, Error) as exc:
            return exc
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def crowd(made: ServiceMigration, *, rounds: int, hands: int) -> Tally:
    """Let `hands` promote the migration at once, `rounds` times, each from a new version."""
    tally, began = Tally(hands=hands), time.monotonic()
    for _ in range(rounds):
        ready = ready_again(made)
        answers = at_once(*[_timed(ready)] * hands)
        count(tally, ready, [(_named(answer), took) for answer, took in answers])
    tally.seconds = time.monotonic() - began
    return tally


def count(tally: Tally, ready: ServiceMigration, answers: Sequence[tuple[str, float]]) -> None:
    """Add one round; asserts that the one decision is there, whole."""
    tally.rounds += 1
    tally.decisions += ready.decisions.filter(from_version=ready.version).count()
    tally.answers.update(name for name, _ in answers)
    tally.slowest_s = max(tally.slowest_s, *(took for _, took in answers))
    assert assert_whole(ready, since=ready.version).version == ready.version + 1


def _timed(ready: ServiceMigration) -> Callable[[], tuple[Any, float]]:
    def run() -> tuple[Any, float]:
        began = time.monotonic()
        try:
            answer: Any = promote(ready)
        except (RefusalError, Error) as exc:
            answer = exc
        return answer, time.monotonic() - began

    return run


def _named(answer: Any) -> str:
    if isinstance(answer, Decision):
        return "decided"
    return answer.code if isinstance(answer, RefusalError) else type(answer).__name__
