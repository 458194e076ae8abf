"""Workers: killed, only a pool process killed, and asleep while the world moves on."""

import os
import signal
import sqlite3
import time
from contextlib import closing

from controlplane.stack.proc import session_members
from tests.drill.trial import Fault, Trial
from tests.drill.world import World

RESUME_SECONDS = 30.0
WATCH_SECONDS = 6.0


def killed(world: World, trial: Trial) -> None:
    """kill -9 of the whole worker: what was due is due in SQL, and is done after the restart."""
    world.stand_at(5)
    killed_at = time.time()
    world.kill("worker")
    world.wait("work is done again", lambda: _work_after(world, killed_at), seconds=60)
    trial.figures["resumed_s"] = round(time.time() - killed_at, 1)
    trial.expect("I9", time.time() - killed_at <= RESUME_SECONDS, "evaluation took too long")


def child_killed(world: World, trial: Trial) -> None:
    """kill -9 of pool processes alone: the worker replaces them and goes on."""
    world.stand_at(5)
    main = world.stack.pid("worker")
    killed_at = time.time()
    for pid in session_members(main):
        if pid != main:
            os.kill(pid, signal.SIGKILL)
    world.wait("work is done again", lambda: _work_after(world, killed_at + 2), seconds=60)
    trial.figures["resumed_s"] = round(time.time() - killed_at, 1)
    trial.expect("I9", time.time() - killed_at <= RESUME_SECONDS, "evaluation took too long")


def _work_after(world: World, moment: float) -> bool:
    age = world.readiness().get("age_s")
    return age is not None and time.time() - age > moment + 1


def wakes_late(world: World, trial: Trial) -> None:
    """A worker that read an old version sleeps over a roll back; what it then writes is refused.

    It is caught on the way to its first write: a lock on the database makes it wait there.
    """
    world.stand_at(5)
    world.promote()
    with closing(sqlite3.connect(world.database_path, isolation_level=None, timeout=5)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        time.sleep(3.2)
        pids = world.members("worker")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        lock.execute("ROLLBACK")
    world.must("rollback", to=0)
    version = world.database.migration()["version"]
    newest = world.database.value("SELECT MAX(id) FROM rollout_gateevaluation")
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    time.sleep(WATCH_SECONDS)
    stale = world.database.rows(
        "SELECT gate, verdict, version FROM rollout_gateevaluation "
        f"WHERE id > {newest} AND version < {version}"
    )
    trial.expect("I8", not stale, f"evaluations of an old version were written: {stale[:3]}")
    after = world.database.migration()
    trial.expect("I8", after["version"] == version, f"the sleeper decided: {after}")


FAULTS: dict[str, Fault] = {
    "worker_killed": killed,
    "worker_child_killed": child_killed,
    "worker_wakes_late": wakes_late,
}
