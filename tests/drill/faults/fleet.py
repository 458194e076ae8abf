"""A fleet of three: one falls silent over a roll back, one says that it obeys and does not."""

import time

from tests.drill import measures
from tests.drill.node import Node, add, remove
from tests.drill.trial import Fault, Trial
from tests.drill.world import DrillError, World
from tests.walkthrough.rest import in_effect

WATCH_SECONDS = 6.0
# A proxy is called silent after 15 s; then it stands by name where the fleet is shown.
NAMED_SECONDS = 20.0
TOGETHER_SECONDS = 30.0


def one_silent(world: World, trial: Trial) -> None:
    """One of three says nothing any more: the others roll back, and who is missing is named."""
    world.stand_at(25)
    nodes = add(world, "drill-a", "drill-b")
    try:
        world.rest.wait("three in effect", _all_three, seconds=TOGETHER_SECONDS)
        nodes[1].mode = "silent"
        silent_at = time.time()
        measures.roll_back(world, trial, to=5)
        asked = world.database.newest_generation()
        world.wait("the second obeys", lambda: nodes[0].generation == asked, seconds=5)
        time.sleep(WATCH_SECONDS)
        found = world.document()
        trial.expect("I7", found["in_effect_at"] is None, "in effect although one is silent")
        trial.expect("I7", not found["can_promote"], "promote is open although one is silent")
        world.rest.wait(
            "the silent one is named",
            lambda document: "drill-b" in document["proxies"]["silent"],
            seconds=NAMED_SECONDS,
        )
        trial.figures["named_s"] = round(time.time() - silent_at, 1)
        nodes[1].mode = "obeys"
        world.rest.wait("in effect again", in_effect, seconds=TOGETHER_SECONDS)
    finally:
        remove(world, nodes)


def one_lies(world: World, trial: Trial) -> None:
    """One of three accepts and serves the old split: the keys show it, promote stays closed."""
    world.stand_at(5)
    nodes = add(world, "drill-a", "drill-b")
    try:
        world.rest.wait("three in effect", _all_three, seconds=TOGETHER_SECONDS)
        deadline = time.monotonic() + TOGETHER_SECONDS
        while not world.promote().changed:
            if time.monotonic() > deadline:
                raise DrillError("not promoted")
        # Not before: a lie about the place before would keep its gates closed.
        nodes[1].mode = "lies"
        asked = world.database.newest_generation()
        world.wait(
            "all accept", lambda: all(node.generation == asked for node in nodes), seconds=10
        )
        _never_in_effect(world, trial, nodes)
        measures.roll_back(world, trial)
    finally:
        remove(world, nodes)


def _never_in_effect(world: World, trial: Trial, nodes: list[Node]) -> None:
    ends = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < ends:
        found = world.document()
        trial.expect("I7", found["in_effect_at"] is None, f"in effect past {nodes[1].name}'s lie")
        trial.expect("I7", not found["can_promote"], "promote is open on a lie")
        time.sleep(0.5)


def _all_three(document: dict[str, object]) -> bool:
    proxies = document["proxies"]
    accepted = proxies["accepted"] if isinstance(proxies, dict) else ()
    return len(accepted) == 3 and document["in_effect_at"] is not None


FAULTS: dict[str, Fault] = {"fleet_one_silent": one_silent, "fleet_one_lies": one_lies}
