"""The edge: killed, asleep over a roll back, and lied to by a false control plane."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.drill import measures
from tests.drill.fake import FakeControl, in_place_of, sealed
from tests.drill.trial import Fault, Trial
from tests.drill.world import DrillError, World

OFFER_SECONDS = 10.0
WATCH_SECONDS = 1.5
REACH_SECONDS = 5.0


def killed(world: World, trial: Trial) -> None:
    """kill -9: users keep their split; the next edge stands where the last one stood."""
    world.stand_at(25)
    before = world.eye.look()
    with world.down("edge"):
        time.sleep(4)
        trial.expect("I6", world.eye.look().served == before.served, "Envoy moved by itself")
    world.settle()
    after = world.eye.look()
    trial.expect("I12", after.generation == before.generation, f"{before} became {after}")


def asleep(world: World, trial: Trial) -> None:
    """SIGSTOP over a roll back: shown as not in effect, break-glass needs no edge."""
    world.stand_at(25)
    with world.frozen("edge"):
        made = world.call("rollback", to=5)
        trial.expect("I10", made.changed and made.seconds <= 1, f"{made.status} {made.seconds}")
        time.sleep(4)
        found = world.document()
        trial.expect("I7", found["in_effect_at"] is None, "in effect without the proxy")
        measures.break_glass(world, trial)
    measures.release(world)


def _serves(world: World, generation: int) -> bool:
    return world.eye.look().served_generation == generation


def false_control(world: World, trial: Trial) -> None:
    """Older, altered, empty, foreign and broken snapshots are offered to the real edge."""
    world.stand_at(25)
    older = world.database.snapshot(world.database.newest_generation())
    world.must("rollback", to=0)
    world.settle()
    present = world.database.snapshot(world.database.newest_generation())
    with world.down("web"), in_place_of(world.web) as control:
        for name, offer in _offers(older, present).items():
            _refused(world, trial, control, name, offer)
    world.settle()
    _still_obeys(world, trial)


def _offers(older: dict[str, Any], present: dict[str, Any]) -> dict[str, object]:
    following = present["generation"] + 1
    nothing: dict[str, Any] = {"exposure": {}, "clusters": [], "routes": [], "safe_routes": []}
    altered = dict(older, generation=present["generation"])
    return {
        "an older one": older,
        "an older one, empty": sealed(older, **nothing),
        "the same number with other content": sealed(altered),
        "a foreign lineage": sealed(older, generation=following, lineage="f" * 32),
        "a wrong hash": dict(older, generation=following),
        "an empty one": sealed(present, generation=following, **nothing),
        "an empty object": {},
        "no JSON": b"<html>504 Gateway Time-out</html>",
        "cut JSON": json.dumps(present).encode()[:2000],
        "a false exposure": sealed(older, generation=following, exposure={"embeddings": 0}),
    }


def _refused(world: World, trial: Trial, control: FakeControl, name: str, offer: object) -> None:
    before = world.eye.look()
    control.put(offer)
    world.wait(f"{name} was fetched", lambda: control.served, seconds=OFFER_SECONDS)
    began, first = time.monotonic(), control.served
    time.sleep(WATCH_SECONDS)
    rate = (control.served - first) / (time.monotonic() - began)
    trial.figures["offers_per_s"] = round(max(rate, trial.figures.get("offers_per_s", 0)), 1)
    look = world.eye.look()
    stood, stands = (before.generation, before.served), (look.generation, look.served)
    trial.expect("I12", stood == stands, f"{name} was taken: from {stood} to {stands}")


def _still_obeys(world: World, trial: Trial) -> None:
    """After all the lies, the next true snapshots count: up and, above all, down."""
    for verb in ("resume", "promote", "rollback"):
        made = world.promote() if verb == "promote" else world.must(verb)
        if not made.changed:
            raise DrillError(f"{verb}: {made.status} {made.answer.get('detail')}")
        asked = world.database.newest_generation()
        try:
            world.wait(
                f"{verb} reaches the proxy",
                partial(_serves, world, asked),
                seconds=REACH_SECONDS,
            )
        except DrillError:
            trial.expect("I2", False, f"{verb} (generation {asked}) does not reach the proxy")


def corrupt_state(world: World, trial: Trial) -> None:
    """Its files are cut, altered, emptied while it is dead, and web with it: nobody is moved."""
    for name, damage in DAMAGES.items():
        world.stand_at(25)
        before, aside = world.eye.look(), _set_aside(world)
        with world.down("web"):
            with world.down("edge"):
                for file in FILES[: 2 if name == "emptied" else 1]:
                    path = world.edge_dir / file
                    path.write_bytes(damage(path.read_bytes()))
                (world.edge_dir / "edge.ready").unlink(missing_ok=True)
            world.wait("the edge is back", (world.edge_dir / "edge.ready").exists, seconds=40)
            time.sleep(WATCH_SECONDS)
            look = world.eye.look()
            trial.expect("I12", look.served == before.served, f"{name}: {before} to {look}")
        trial.expect("I12", _set_aside(world) > aside, f"{name}: the broken file was not kept")
        world.settle()
    world.must("hold")
    _still_obeys(world, trial)


def _set_aside(world: World) -> int:
    return len(list(world.edge_dir.glob("*.corrupt-*")))


FILES = ("state.json", "last-good.json")
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda whole: whole[: len(whole) // 2],
    "altered": lambda whole: whole.replace(b'"', b"\x00", 9),
    "emptied": lambda whole: b"",
}

FAULTS: dict[str, Fault] = {
    "edge_killed": killed,
    "edge_asleep": asleep,
    "edge_false_control": false_control,
    "edge_corrupt_state": corrupt_state,
}
