"""Breaches planted in copies of what was seen: a checker that overlooks one proves nothing."""

import copy
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.drill.crowd import Probe
from tests.drill.database import Database
from tests.drill.eye import Look
from tests.drill.history import Operation
from tests.drill.invariants import CHECKERS
from tests.drill.world import World
from tests.walkthrough.users import Seen, Window

Plant = Callable[[World], None]
PROMOTED = (
    "SELECT l.gateevaluation_id FROM rollout_decision_evaluations l "
    "JOIN rollout_decision d ON d.id = l.decision_id WHERE d.action = 'promote' LIMIT 1"
)
# Guards would refuse all this: they are dropped in the copy first.
ALTERED: dict[str, str] = {
    "I1": "UPDATE traffic_snapshot SET exposure = '{\"x\": 9900}' WHERE generation = 2",
    "I3": f"UPDATE rollout_gateevaluation SET verdict = 'FAIL' WHERE id = ({PROMOTED})",
    "I4": "UPDATE rollout_servicemigration SET version = version + 1",
    "I5": "UPDATE rollout_servicemigration SET weight = 99 - weight",
    "I7": "DELETE FROM traffic_acknowledgement",
    "I11": "DELETE FROM rollout_decision WHERE reason LIKE 'drill %'",
}


def overlooked(world: World) -> list[str]:
    """Return the invariants whose checker did not see what was planted for it."""
    found = []
    for invariant in CHECKERS:
        hurt = copy.copy(world)
        hurt.absences = []
        began = time.time()
        _plant(hurt, invariant)
        if not CHECKERS[invariant](hurt, began - 1):
            found.append(invariant)
    return found


def _plant(world: World, invariant: str) -> None:
    if invariant in ALTERED:
        _alter(world, ALTERED[invariant])
    else:
        SEEN[invariant](world)


def _alter(world: World, sql: str, *values: Any) -> None:
    path = _copied(world)
    with closing(sqlite3.connect(path)) as link, link:
        triggers = link.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            link.execute(f'DROP TRIGGER "{name}"')
        link.execute("PRAGMA ignore_check_constraints = ON")
        link.execute(sql, values)
    world.database = Database(path)


def _copied(world: World) -> Path:
    path = world.state_dir / "planted.sqlite3"
    with (
        closing(sqlite3.connect(world.database_path)) as link,
        closing(sqlite3.connect(path)) as to,
    ):
        link.backup(to)
    return path


def _refused_roll_back(world: World) -> None:
    world.history = copy.copy(world.history)
    now = time.time()
    made = Operation("planted", "rollback", now, now + 0.1, "fail", 409, is_json=True)
    world.history.operations = [made]


def _unanswered_user(world: World) -> None:
    world.users = copy.copy(world.users)
    bad = Window([Seen(time.time(), 1, "", 503, right=False)])
    world.users.since = lambda *_: bad  # type: ignore[method-assign]


def _old_version(world: World) -> None:
    """Let an entry decide on a version that was left."""
    move = next(entry for entry in world.database.entries() if entry.is_move)
    body = {**move.body, "from": {**move.body["from"], "version": 999}}
    sql = "UPDATE audit_ledgerentry SET body = ? WHERE seq = ?"
    _alter(world, sql, json.dumps(body).encode(), move.seq)


def _decided_twice(world: World) -> None:
    _alter(world, "UPDATE rollout_decision SET reason = 'drill planted'")


def _back_in_time(world: World) -> None:
    now, eye = time.time(), copy.copy(world.eye)
    eye.looks = [
        Look(now, 9, applied=True, hold="", served="9-a"),
        Look(now, 8, applied=True, hold="", served="8-a"),
    ]
    world.eye = eye


def _server_error(world: World) -> None:
    probe = Probe(time.time(), "/planted")
    probe.status, probe.is_json = 500, True
    world.prober = copy.copy(world.prober)
    world.prober.probes = [probe]


SEEN: dict[str, Plant] = {
    "I2": _refused_roll_back,
    "I6": _unanswered_user,
    "I8": _old_version,
    "I9": _decided_twice,
    "I10": _refused_roll_back,
    "I12": _back_in_time,
    "I13": _server_error,
}
