"""Redis: gone, hung, emptied, full, restarted; and pairs and reports that come twice."""

import threading
import time
from typing import Any

import redis

from tests.drill import measures
from tests.drill.counting import Counts, quiet
from tests.drill.replay import repeat_report
from tests.drill.trial import Fault, Trial
from tests.drill.world import World

AWAY_SECONDS = 5.0
LOAD_CLIENTS = 8
REPLAYED = 100
STREAM = "banyan:pairs"
RESUME_SECONDS = 30.0


def client(world: World) -> "redis.Redis":
    """Return a client of the stack's Redis."""
    return redis.Redis.from_url(world.stack.facts["redis"], socket_timeout=5)


def gone(world: World, trial: Trial) -> None:
    """Connections are refused; decisions need no Redis."""
    world.stand_at(25)
    with world.down("redis"):
        time.sleep(AWAY_SECONDS)
        for verb in ("hold", "resume"):
            made = world.call(verb)
            trial.expect("I13", made.outcome == "ok", f"{verb} without Redis: {made.status}")
        measures.roll_back(world, trial)
    _resumes(world, trial)


def hung(world: World, trial: Trial) -> None:
    """Connections are taken and nothing is answered, while web has much to do."""
    world.stand_at(25)
    with world.frozen("redis"):
        ends = time.monotonic() + AWAY_SECONDS
        crowd = [
            threading.Thread(target=_ask_until, args=[world, ends]) for _ in range(LOAD_CLIENTS)
        ]
        for thread in crowd:
            thread.start()
        time.sleep(AWAY_SECONDS / 2)
        measures.roll_back(world, trial, promised=False)
        for thread in crowd:
            thread.join()
    _resumes(world, trial)


def _ask_until(world: World, ends: float) -> None:
    while time.monotonic() < ends:
        world.prober.ask("/api/v1/migrations/{slug}/")


def emptied(world: World, trial: Trial) -> None:
    """FLUSHALL, then a kill with whatever was not saved: tasks were only hints."""
    world.stand_at(5)
    client(world).flushall()
    time.sleep(1)
    world.kill("redis")
    made = world.call("rollback", to=0)
    trial.expect("I10", made.changed, f"roll back: {made.status}")
    _resumes(world, trial)


def full(world: World, trial: Trial) -> None:
    """No memory left: every write is refused, also those of the broker."""
    world.stand_at(5)
    link = client(world)
    link.config_set("maxmemory-policy", "noeviction")
    link.config_set("maxmemory", "1mb")
    try:
        time.sleep(AWAY_SECONDS)
        made = world.call("rollback", to=0)
        trial.expect("I10", made.changed, f"roll back: {made.status}")
    finally:
        link.config_set("maxmemory", "0")
    _resumes(world, trial)


def restarted(world: World, trial: Trial) -> None:
    """Killed twice under connected workers: they take up work again by themselves."""
    world.stand_at(5)
    for _ in range(2):
        world.kill("redis")
        time.sleep(world.rng.uniform(1.5, 3))
    _resumes(world, trial)


def _resumes(world: World, trial: Trial) -> None:
    began = time.time()
    world.wait("work is done again", lambda: _fresh(world, began), seconds=60)
    took = time.time() - began
    trial.figures["resumed_s"] = round(took, 1)
    trial.expect("I9", took <= RESUME_SECONDS, f"evaluation resumed after {took:.0f} s")


def _fresh(world: World, since: float) -> bool:
    found = world.readiness()
    ages = (found.get("age_s"), found.get("pairs_read_age_s"))
    return all(age is not None and time.time() - age > since for age in ages)


def duplicates(world: World, trial: Trial) -> None:
    """The last pairs are sent again and the last report is repeated: nothing is counted twice."""
    world.stand_at(5)
    link = client(world)
    with world.frozen("worker"):
        world.wait("pairs wait", lambda: _length(link) >= REPLAYED, seconds=20)
        newest: Any = link.xrevrange(STREAM, count=REPLAYED)
    with quiet(world):
        before = Counts.of(world)
        for _, fields in newest:
            link.xadd(STREAM, fields)
        last: Any = link.xinfo_stream(STREAM)
        target = last["last-generated-id"].decode()
        world.wait("they are read", lambda: _cursor(world) == target, seconds=20)
        made = Counts.of(world).minus(before)
        trial.expect("I9", made.compared + made.noise == 0, f"replayed pairs were counted: {made}")
        trial.expect("I9", made.duplicates == len(newest), f"duplicates not told apart: {made}")
        changed = repeat_report(world)
        trial.expect("I9", not changed, f"a repeated report changed {changed[:3]}")
    trial.figures["replayed"] = len(newest)


def _length(link: "redis.Redis") -> int:
    found: Any = link.xlen(STREAM)
    return int(found)


def _cursor(world: World) -> str:
    return str(world.database.value("SELECT last_id FROM shadow_streamcursor"))


FAULTS: dict[str, Fault] = {
    "broker_gone": gone,
    "broker_hung_under_load": hung,
    "broker_emptied": emptied,
    "broker_full": full,
    "broker_restarted": restarted,
    "broker_duplicates": duplicates,
}
