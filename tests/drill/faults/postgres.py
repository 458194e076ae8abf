"""PostgreSQL: a lock nobody lets go, a backend killed, the server killed, the server hung.

These rows have a stack of their own, on a server that `tests.postgres` starts.
"""

import os
import signal
import threading
import time
from contextlib import closing

from tests.drill.server import PostgresDatabase, Server, connect
from tests.drill.trial import Fault, Trial
from tests.drill.world import DrillError, World

VERBS = ("hold", "resume") * 3
DEAD_SECONDS = 4.0
HUNG_SECONDS = 8.0
REFUSED_SECONDS = 5.0


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


def backend_killed(world: World, trial: Trial) -> None:
    """kill -9 of one backend: the server drops them all and recovers; nothing is half-done."""
    world.stand_at(5)
    backends = Server(_url(world)).backends()
    deciding = threading.Thread(target=world.history.at_once, args=[world.web, VERBS])
    with world.away("database"):
        deciding.start()
        time.sleep(world.rng.uniform(0.05, 0.3))
        os.kill(world.rng.choice(backends), signal.SIGKILL)
        deciding.join()
        world.wait("the database is back", lambda: _answers(world), seconds=20)


def killed(world: World, trial: Trial) -> None:
    """kill -9 of the whole server: 503 meanwhile, users keep their split, nothing is lost."""
    world.stand_at(25)
    server = Server(_url(world))
    deciding = threading.Thread(target=world.history.at_once, args=[world.web, VERBS])
    with world.away("database"):
        deciding.start()
        time.sleep(world.rng.uniform(0.05, 0.3))
        server.send(signal.SIGKILL)
        deciding.join()
        made = world.call("hold")
        trial.expect("I13", made.status == 503, f"without a database: {made.status}")
        time.sleep(DEAD_SECONDS)
        server.start()
    try:
        world.settle()
    finally:
        world.at_end.append(server.stop)


def hung(world: World, trial: Trial) -> None:
    """All its processes are stopped: every request still ends in time."""
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
            time.sleep(max(0.0, HUNG_SECONDS - (time.monotonic() - began)))
        finally:
            server.send(signal.SIGCONT)


def _url(world: World) -> str:
    if not isinstance(world.database, PostgresDatabase):
        raise DrillError("this stack does not run on PostgreSQL")
    return world.database.url


def _answers(world: World) -> bool:
    return world.readiness().get("age_s") is not None


FAULTS: dict[str, Fault] = {
    "postgres_forgotten_lock": forgotten_lock,
    "postgres_backend_killed": backend_killed,
    "postgres_killed": killed,
    "postgres_hung": hung,
}
