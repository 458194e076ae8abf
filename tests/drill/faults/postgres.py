"""PostgreSQL: locks nobody lets go, a backend or the server killed, hung, or without room.

These rows have a stack of their own, on a server that `tests.postgres` starts; some are those of
SQLite once more.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from functools import partial

from tests.drill import measures
from tests.drill.faults import everything, web
from tests.drill.server import PostgresDatabase, Server, connect
from tests.drill.trial import Fault, Trial
from tests.drill.world import DrillError, World
from tests.walkthrough.stack import ROOT

VERBS = ("hold", "resume") * 3
DEAD_SECONDS = 4.0
HUNG_SECONDS = 8.0
REFUSED_SECONDS = 5.0
FILE_BYTES = 8192

ASLEEP = """
import os, signal
from django.db import transaction
from rollout.models import ServiceMigration
with transaction.atomic():
    list(ServiceMigration.objects.select_for_update())
    print("asleep", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def forgotten_lock(world: World, trial: Trial) -> None:
    """A shell holds the migration's row: who would decide is told so in time."""
    world.stand_at(25)
    with world.away("database"), closing(connect(_url(world))) as lock:
        lock.execute("SELECT 1 FROM rollout_servicemigration FOR UPDATE")
        for verb in ("hold", "rollback"):
            made = world.call(verb)
            text = f"{verb}: {made.status} after {made.seconds:.1f} s"
            trial.expect("I13", made.status == 503 and made.seconds <= REFUSED_SECONDS, text)
            trial.figures[f"{verb}_refused_s"] = round(made.seconds, 1)
        lock.rollback()
    made = world.call("rollback", to=0)
    trial.expect("I10", made.changed, f"after the lock: {made.status}")


def asleep_in_transaction(world: World, trial: Trial) -> None:
    """One of ours is stopped while it holds the migration's row: a roll back gets by in time."""
    world.stand_at(25)
    sleeper = subprocess.Popen(
        [sys.executable, "-c", f"import django\ndjango.setup()\n{ASLEEP}"],
        cwd=ROOT,
        env=world.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        if sleeper.stdout is None or not sleeper.stdout.readline():
            raise DrillError("nobody fell asleep")
        made = world.call("rollback", to=0)
        trial.figures["rollback_s"] = round(made.seconds, 1)
        text = f"roll back past a sleeper: {made.status} after {made.seconds:.1f} s"
        trial.expect("I2", made.changed and made.seconds <= REFUSED_SECONDS, text)
    finally:
        sleeper.kill()
        sleeper.wait()


def backend_killed(world: World, trial: Trial) -> None:
    """kill -9 of one backend: the server drops them all and recovers; nothing is half-done."""
    world.stand_at(5)
    server = Server(_url(world))
    with world.away("database"):
        with world.deciding(VERBS):
            time.sleep(world.rng.uniform(0.05, 0.3))
            _kill_one(world, server)
        world.wait("the database is back", lambda: _answers(world), seconds=30)


def _kill_one(world: World, server: Server) -> None:
    """Connections are short: look again until one was still there when it was hit."""
    while True:
        with suppress(ProcessLookupError, IndexError):
            os.kill(world.rng.choice(server.backends()), signal.SIGKILL)
            return


def killed(world: World, trial: Trial) -> None:
    """kill -9 of the whole server: 503 meanwhile, users keep their split, nothing is lost."""
    world.stand_at(25)
    server = Server(_url(world))
    with world.away("database"):
        with world.deciding(VERBS):
            time.sleep(world.rng.uniform(0.05, 0.3))
            server.send(signal.SIGKILL)
        try:
            _refuses(world, trial)
            time.sleep(DEAD_SECONDS)
        finally:
            _start_again(world, server)


def no_room(world: World, trial: Trial) -> None:
    """Its files cannot grow: it gives up, as on a full disk; nothing acknowledged is lost."""
    world.stand_at(25)
    server = Server(_url(world))
    with world.away("database"):
        with world.deciding(VERBS):
            time.sleep(world.rng.uniform(0.05, 0.3))
            server.limit_files(FILE_BYTES)
        try:
            made = world.call("hold")
            trial.expect("I11", made.status == 503, f"without room: {made.status}")
        finally:
            server.send(signal.SIGKILL)
            _start_again(world, server)


def hung(world: World, trial: Trial) -> None:
    """All its processes are stopped: every request ends in time, break-glass needs none of them."""
    world.stand_at(25)
    server = Server(_url(world))
    with world.away("database"):
        server.send(signal.SIGSTOP)
        try:
            began = time.monotonic()
            made = world.call("rollback")
            text = f"{made.status} after {made.seconds:.1f} s"
            trial.expect("I13", made.status == 503 and made.seconds <= REFUSED_SECONDS, text)
            trial.figures["refused_s"] = round(made.seconds, 1)
            measures.break_glass(world, trial)
            time.sleep(max(0.0, HUNG_SECONDS - (time.monotonic() - began)))
        finally:
            server.send(signal.SIGCONT)
        world.wait("the database is back", lambda: _answers(world), seconds=30)
    measures.release(world)


def _refuses(world: World, trial: Trial) -> None:
    made = world.call("hold")
    trial.expect("I13", made.status == 503, f"without a database: {made.status}")


def _start_again(world: World, server: Server) -> None:
    world.wait("the server is gone", lambda: not server.alive(), seconds=10)
    world.at_end.append(server.start())
    world.wait("the database is back", lambda: _answers(world), seconds=40)


def _url(world: World) -> str:
    if not isinstance(world.database, PostgresDatabase):
        raise DrillError("this stack does not run on PostgreSQL")
    return world.database.url


def _answers(world: World) -> bool:
    return world.readiness().get("age_s") is not None


FAULTS: dict[str, Fault] = {
    "postgres_forgotten_lock": forgotten_lock,
    "postgres_asleep_in_transaction": asleep_in_transaction,
    "postgres_backend_killed": backend_killed,
    "postgres_killed": killed,
    "postgres_no_room": no_room,
    "postgres_hung": hung,
    "postgres_same_version": web.same_version,
    "postgres_web_killed_in_decisions": partial(web.killed_in_decisions, lives=3),
    "postgres_roll_back_alone": partial(everything.roll_back_alone, climbs=1),
}
