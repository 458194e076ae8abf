"""SQLite: a lock nobody lets go, kill -9 with the log unmerged, no room, an older copy."""

import contextlib
import resource
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx

from tests.drill.database import Database
from tests.drill.spare import Spare
from tests.drill.trial import Fault, Trial
from tests.drill.world import World

WRITERS = ("web", "worker", "beat", "edge")
VERBS = ("hold", "resume") * 4
REFUSED_SECONDS = 5.0
EMPTY_SECONDS = 5.0


def forgotten_writer(world: World, trial: Trial) -> None:
    """A shell holds the write lock: who would write is told so in time, who reads goes on."""
    world.stand_at(25)
    lock = sqlite3.connect(world.database_path, isolation_level=None)
    with world.away("database"), closing(lock):
        lock.execute("BEGIN IMMEDIATE")
        for verb in ("hold", "rollback"):
            made = world.call(verb)
            text = f"{verb}: {made.status} after {made.seconds:.1f} s"
            trial.expect("I13", made.status == 503 and made.seconds <= REFUSED_SECONDS, text)
            trial.figures[f"{verb}_refused_s"] = round(made.seconds, 1)
        read = world.prober.ask("/api/v1/migrations/{slug}/")
        trial.expect("I13", read.status == 200, f"reading: {read.status} {read.error}")
        lock.execute("ROLLBACK")
    made = world.call("rollback", to=0)
    trial.expect("I10", made.changed, f"after the lock: {made.status}")


def killed_with_log_left(world: World, trial: Trial) -> None:
    """kill -9 of all who write at once, in the midst of it: nothing acknowledged is lost."""
    world.stand_at(5)
    with contextlib.ExitStack() as stack:
        with world.deciding(VERBS):
            time.sleep(world.rng.uniform(0.05, 0.5))
            stack.enter_context(world.down(*WRITERS))
        log = Path(f"{world.database_path}-wal")
        trial.figures["log_kb"] = log.stat().st_size // 1024 if log.exists() else 0
        trial.expect("I5", trial.figures["log_kb"] > 0, "there was no log left to recover")
        _recovers(world, trial, log)


def _recovers(world: World, trial: Trial, log: Path) -> None:
    """Open a copy, as the next start does, and look for all that was acknowledged."""
    copy = world.state_dir / "drill-copy.sqlite3"
    shutil.copy(world.database_path, copy)
    shutil.copy(log, f"{copy}-wal")
    with closing(sqlite3.connect(copy)) as link:
        sound = link.execute("PRAGMA integrity_check").fetchone()[0]
    trial.expect("I5", sound == "ok", f"integrity: {sound}")
    made = {each.reason for each in Database(copy).decisions()}
    lost = [op.tag for op in world.history.operations if op.changed and op.tag not in made]
    trial.expect("I11", not lost, f"lost: {lost[:3]}")


def no_room(world: World, trial: Trial) -> None:
    """Files cannot grow, for one web process: no 2xx without a commit, and all is well after."""
    world.stand_at(5)
    spare = Spare(world).ready()
    unlimited = resource.prlimit(spare.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(spare.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
    version = world.document()["version"]
    with world.away("database"):
        for verb in ("hold", "rollback"):
            made = world.history.call(spare.url, verb)
            trial.expect("I11", made.status == 503, f"{verb} without room: {made.status}")
    there = world.database.migration()["version"]
    trial.expect("I11", there == version, "something was decided without room")
    resource.prlimit(spare.process.pid, resource.RLIMIT_FSIZE, unlimited)
    made = world.history.call(spare.url, "hold")
    trial.expect("I13", made.outcome == "ok", f"with room again: {made.status}")
    spare.kill()


def older_copy(world: World, trial: Trial) -> None:
    """A backup of before the roll back is restored: the proxy refuses what it asks for."""
    world.stand_at(25)
    older, newest = world.state_dir / "older.sqlite3", world.state_dir / "newest.sqlite3"
    with (
        closing(sqlite3.connect(world.database_path)) as link,
        closing(sqlite3.connect(older)) as to,
    ):
        link.backup(to)
    world.must("rollback", to=0)
    asked = world.database.newest_generation()
    world.wait(
        "the roll back is in effect",
        lambda: world.eye.look().served_generation == asked,
        seconds=15,
    )
    with world.away("database"), world.down("worker", "beat"):
        with world.down("web"):
            _put(world.database_path, newest)
            _put(older, world.database_path)
        world.wait("web is back", world.readiness, seconds=40)
        refusals = _refusals(world)
        time.sleep(5)
        trial.figures["offers_per_s"] = round((_refusals(world) - refusals) / 5, 1)
        look = world.eye.look()
        text = f"the proxy went from {asked} to {look.generation}, serves {look.served}"
        trial.expect("I12", (look.generation, look.served_generation) == (asked, asked), text)
        state = world.database.value("SELECT state FROM traffic_proxy")
        trial.expect("I12", state == "stale", f"the fleet shows the proxy as {state}")
        found = world.document()
        made = world.history.call(world.web, "promote", version=found["version"])
        trial.expect("I12", made.status == 409, f"promoted on an old copy: {made.status}")
        with world.down("web"):
            _put(world.database_path, older)
            _put(newest, world.database_path)
        world.wait("web is back", world.readiness, seconds=40)


def empty(world: World, trial: Trial) -> None:
    """Web comes back on a file without tables: it gives out nothing, the proxy stays as it is."""
    world.stand_at(25)
    before, newest = world.eye.look(), world.state_dir / "newest.sqlite3"
    with world.away("database"), world.down("worker", "beat"):
        with world.down("web"):
            _put(world.database_path, newest)
        world.wait("web answers", lambda: _status(world, "/healthz") == 200, seconds=40)
        status = _status(world, "/edge/v1/snapshot?generation=0", world.stack.facts["proxy"])
        trial.expect("I12", status >= 400, f"a snapshot was given out of nothing: {status}")
        status = _status(world, "/readyz")
        trial.expect("I13", status == 503, f"ready without tables: {status}")
        time.sleep(EMPTY_SECONDS)
        look = world.eye.look()
        trial.expect("I12", look.served == before.served, f"from {before.served} to {look.served}")
        with world.down("web"):
            _put(newest, world.database_path)
        world.wait("web is back", world.readiness, seconds=40)


def _status(world: World, path: str, proxy: dict[str, str] | None = None) -> int:
    """Return the status of one GET, 0 without an answer."""
    headers = {"Authorization": f"Bearer {proxy['token']}"} if proxy else {}
    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.get(world.web + path, headers=headers, timeout=8, trust_env=False)
        return answer.status_code
    return 0


def _refusals(world: World) -> int:
    return (world.state_dir / "logs" / "edge.log").read_text(errors="replace").count("refused gen")


def _put(source: Path, target: Path) -> None:
    """Move a database that nobody has open, its log merged."""
    with closing(sqlite3.connect(source, timeout=10)) as link:
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm"):
        Path(f"{source}{suffix}").unlink(missing_ok=True)
    source.rename(target)


FAULTS: dict[str, Fault] = {
    "database_forgotten_writer": forgotten_writer,
    "database_killed_with_log_left": killed_with_log_left,
    "database_no_room": no_room,
    "database_older_copy": older_copy,
    "database_empty": empty,
}
