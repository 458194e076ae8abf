"""Kill -9 at random points of an operation, again and again: what is committed stays whole.

    storm(prepare, act, check, kills=500, seed=7)

Each round a child is forked from this warm process, does `act(round)` on connections of its own,
and is killed at a random moment. Moments are drawn evenly over a little more than an undisturbed
`act` takes, so most fall into it; a tenth find it done. `check(round)` then runs in the parent.

PostgreSQL may still commit what the child had sent before it died. A check that compares two reads
first waits for that, by taking the lock that `act` holds when it commits.
"""

import contextlib
import os
import random
import signal
import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connections

REHEARSALS = 5
BEYOND = 1.1


@dataclass(frozen=True, slots=True)
class Storm:
    """What happened: `inside` kills fell into the operation, `done` came after it."""

    seed: int
    inside: int
    done: int
    seconds: float

    def __str__(self) -> str:
        """Say it in one line, with the seed to repeat it."""
        return (
            f"storm seed {self.seed}: {self.inside} kills inside, {self.done} after the operation, "
            f"{self.seconds:.1f} s"
        )


def storm(
    prepare: Callable[[int], object],
    act: Callable[[int], object],
    check: Callable[[int], object],
    *,
    kills: int,
    seed: int,
) -> Storm:
    """Run `prepare`, `act` under fire, `check`, `kills` times; all get the number of the round.

    `prepare` and `check` run in this process, which must not be inside a transaction. Raises
    AssertionError when an undisturbed `act` fails: then it has nothing to be killed in.
    """
    dice, began = random.Random(seed), time.monotonic()  # noqa: S311 - a seed, to repeat it
    longest = BEYOND * _rehearse(prepare, act)
    inside = 0
    for number in range(kills):
        prepare(number)
        inside += not _strike(act, number, dice.uniform(0, longest))
        check(number)
    return Storm(seed, inside, kills - inside, time.monotonic() - began)


def _rehearse(prepare: Callable[[int], object], act: Callable[[int], object]) -> float:
    """Return how many seconds an undisturbed `act` takes in a child; numbers are negative here."""
    took = []
    for number in range(1, REHEARSALS + 1):
        prepare(-number)
        child, started, ended = _fork(act, -number)
        _read(started)
        began = time.monotonic()
        done = _read(ended)
        took.append(time.monotonic() - began)
        _end(child, started, ended)
        assert done, "the operation failed without being disturbed"
    return statistics.median(took)


def _strike(act: Callable[[int], object], number: int, after: float) -> bool:
    """Kill a child `after` seconds into its `act`; returns whether it was done by then."""
    child, started, ended = _fork(act, number)
    _read(started)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    done = _read(ended)
    _end(child, started, ended)
    return done


def _fork(act: Callable[[int], object], number: int) -> tuple[int, int, int]:
    """Fork a child that tells when it starts and when it is done, then waits to be killed."""
    connections.close_all()  # a connection, and a lock on SQLite's file, belongs to one process
    (started, starts), (ended, ends) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            connections["default"].ensure_connection()  # not what is tested, and slow
            os.write(starts, b"s")
            act(number)
            os.write(ends, b"e")
            signal.pause()
        except BaseException:  # noqa: BLE001 - nothing may leave the child
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(starts)
    os.close(ends)
    return child, started, ended


def _read(pipe: int) -> bool:
    return os.read(pipe, 1) != b""


def _end(child: int, *pipes: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for pipe in pipes:
        os.close(pipe)
