"""Exact counts in a quiet moment: what the edge joined, and what was compared of it."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass

from tests.drill.world import World

QUIET_SECONDS = 4.0
DRAIN_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over all blocks. `compared` and `noise` hold excluded and uncomparable pairs too.

    What the edge calls joined leaves out noise: legacy's own second answers.
    """

    joined: int
    compared: int
    noise: int
    duplicates: int
    mismatches: int

    @classmethod
    def of(cls, world: World) -> "Counts":
        """Read them from the database's file."""
        rows = world.database.rows(
            "SELECT kind, compared, excluded, uncomparable, duplicates, mismatched "
            "FROM shadow_pairblock"
        )
        read = [
            (row[0] == "noise", row[1] + row[2] + sum(json.loads(row[3]).values())) for row in rows
        ]
        return cls(
            joined=world.database.value("SELECT COALESCE(SUM(pairs), 0) FROM traffic_tapblock"),
            compared=sum(count for is_noise, count in read if not is_noise),
            noise=sum(count for is_noise, count in read if is_noise),
            duplicates=sum(row[4] for row in rows),
            mismatches=sum(row[5] for row in rows),
        )

    def minus(self, before: "Counts") -> "Counts":
        """Return what came since."""
        return Counts(*(a - b for a, b in zip(astuple(self), astuple(before), strict=True)))


@contextmanager
def quiet(world: World) -> Iterator[None]:
    """Stop all traffic, and begin once nothing is counted any more."""
    generator = world.members("traffic")
    world.users.pause()
    for pid in generator:
        os.kill(pid, signal.SIGSTOP)
    try:
        _drain(world)
        yield
    finally:
        for pid in generator:
            os.kill(pid, signal.SIGCONT)
        world.users.start()


def _drain(world: World) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    last, since = Counts.of(world), time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < QUIET_SECONDS:
        time.sleep(0.2)
        now = Counts.of(world)
        if now != last:
            last, since = now, time.monotonic()
