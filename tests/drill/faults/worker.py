"""Workers: killed, only a pool process killed, asleep while the world moves on, poisoned."""

import base64
import json
import os
import pickle
import signal
import sqlite3
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

from controlplane.stack.proc import session_members
from tests.drill.faults.broker import STREAM, client
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


def poison(world: World, trial: Trial) -> None:
    """Messages and pairs that no honest sender sends: refused, and the honest ones are served."""
    world.stand_at(5)
    link = client(world)
    version = world.database.migration()["version"]
    for fields in POISON_PAIRS:
        link.xadd(STREAM, fields)
    trap = world.state_dir / "poisoned"
    for message in _poison_messages(trap):
        link.lpush("celery", message)
    sent_at = time.time()
    world.wait("work is done again", lambda: _work_after(world, sent_at + 2), seconds=60)
    trial.figures["resumed_s"] = round(time.time() - sent_at, 1)
    trial.expect("I9", time.time() - sent_at <= RESUME_SECONDS, "evaluation took too long")
    trial.expect("I9", not trap.exists(), "a pickle was opened")
    there = world.database.migration()["version"]
    trial.expect("I1", there == version, f"a message moved version {version} to {there}")
    waiting = world.wait("the queue is worked off", lambda: not link.llen("celery"), seconds=30)
    trial.figures["queue_empty_s"] = round(waiting, 1)


PICKLE = "application/x-python-serialize"
POISON_PAIRS: tuple[dict[Any, Any], ...] = (
    {b"x": b"y"},
    {b"id": b"\xff" * 40, b"kind": b"forward", b"route": b"\x00"},
    {b"id": b"p1", b"legacy": b"{" * 5000, b"candidate": b"[" * 5000},
)


class _Trap:
    """Makes a file when somebody unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def _poison_messages(trap: Path) -> list[bytes]:
    arguments = [[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    good = json.dumps(arguments).encode()
    return [
        _message("shadow.tasks.no_such_task", good),
        _message("rollout.tasks.evaluate_gates", json.dumps([["x"] * 9, {"y": 1}, {}]).encode()),
        _message("rollout.tasks.evaluate_gates", b"{{{"),
        _message("rollout.tasks.evaluate_gates", pickle.dumps(_Trap(trap)), PICKLE),
        b"no message at all",
        b"{}",
    ]


def _message(task: str, body: bytes, kind: str = "application/json") -> bytes:
    """Return what the Redis transport puts into its list for one task."""
    number = uuid.uuid4().hex
    properties = {
        "correlation_id": number,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "celery"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": uuid.uuid4().hex,
    }
    headers = {"lang": "py", "task": task, "id": number, "root_id": number}
    document = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": kind,
        "headers": headers,
        "properties": properties,
    }
    return json.dumps(document).encode()


FAULTS: dict[str, Fault] = {
    "worker_killed": killed,
    "worker_child_killed": child_killed,
    "worker_wakes_late": wakes_late,
    "worker_poison": poison,
}
