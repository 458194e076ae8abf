"""All of ours at once: roll back with the rest stopped, break-glass, kills in a random mix."""

import time

from tests.drill import measures
from tests.drill.trial import Fault, Trial
from tests.drill.world import World

CLIMBS = 2
KILLS = 4
# Down from the top, step by step: each is a roll back of its own, and none waits for evidence.
DOWN = (50, 25, 5, 0)
VERBS = ("hold", "resume") * 2
OURS = ("web", "worker", "beat", "redis", "edge")
OTHERS = ("worker", "beat", "redis", "candidate", "traffic")


def roll_back_alone(world: World, trial: Trial, *, climbs: int = CLIMBS) -> None:
    """Worker, beat, Redis and the candidate hang; web, database and edge are all it takes."""
    for _ in range(climbs):
        world.stand_at(100)
        with world.frozen(*OTHERS):
            for weight in DOWN:
                measures.roll_back(world, trial, to=weight)
        world.settle()


def roll_back_with_legacy_hung(world: World, trial: Trial) -> None:
    """Legacy hangs as well: nobody is left to answer users; the roll back obeys."""
    world.stand_at(100)
    world.users.pause()
    try:
        with world.frozen(*OTHERS, "legacy"):
            for weight in DOWN:
                measures.roll_back(world, trial, to=weight)
    finally:
        world.users.start()


def break_glass(world: World, trial: Trial) -> None:
    """Web, workers, Redis and the database are gone; the command on the proxy's host is enough."""
    world.stand_at(25)
    hidden = world.database_path.with_suffix(".away")
    with world.away("database"):
        with world.down("web", "worker", "beat", "redis"):
            world.database_path.rename(hidden)
            measures.break_glass(world, trial)
            world.kill("envoy")
            world.wait("Envoy is back", lambda: world.eye.look().served, seconds=20)
            time.sleep(0.5)
            world.returned("envoy")
            trial.expect("I6", world.eye.look().safe_routes, "a restart of Envoy forgot the hold")
            hidden.rename(world.database_path)
        world.wait("web is back", world.readiness, seconds=40)
    world.wait("the hold is known", lambda: _held(world), seconds=30)
    found = world.document()
    refused = world.call("promote", version=found["version"])
    trial.expect("I1", refused.outcome == "fail", "promoted while the proxy is held on its host")
    measures.in_ledger(world, trial)
    measures.release(world)


def _held(world: World) -> bool:
    return bool(world.database.value("SELECT hold IS NOT NULL FROM traffic_proxy"))


def random_kills(world: World, trial: Trial) -> None:
    """SIGKILL a random mix of ours while clients decide; users see nothing of it."""
    world.stand_at(5)
    for _ in range(KILLS):
        victims = world.rng.sample(OURS, world.rng.randint(2, len(OURS)))
        before = world.eye.look().served
        with world.deciding(VERBS):
            time.sleep(world.rng.uniform(0, 0.3))
            world.kill(*victims)
        after = world.eye.look().served
        trial.expect("I6", before == after, f"Envoy went from {before} to {after}")
        world.settle()
    trial.figures["kills"] = KILLS


FAULTS: dict[str, Fault] = {
    "roll_back_alone": roll_back_alone,
    "roll_back_with_legacy_hung": roll_back_with_legacy_hung,
    "break_glass": break_glass,
    "random_kills": random_kills,
}
