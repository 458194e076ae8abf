"""Envoy: restarted with all of ours dead, and given what it cannot use."""

import json
import time
from typing import Any

from tests.drill.fake import FakeControl, in_place_of, sealed
from tests.drill.trial import Fault, Trial
from tests.drill.world import World
from traffic.envoy.resources import exposure_of_routes

DEAD_SECONDS = 8.0
REPORT_SECONDS = 20.0


def restarted_alone(world: World, trial: Trial) -> None:
    """All of ours are dead; Envoy is killed and starts from the last accepted files."""
    world.stand_at(25)
    before = world.eye.look()
    with world.down("web", "worker", "beat", "redis", "edge"):
        killed_at = time.time()
        world.kill("envoy")
        world.wait("Envoy serves again", lambda: world.eye.look().served, seconds=30)
        trial.figures["restart_s"] = round(time.time() - killed_at, 1)
        time.sleep(0.5)
        world.returned("envoy")
        served = world.eye.look().served
        trial.expect("I6", served == before.served, f"from {before.served} to {served}")
        time.sleep(DEAD_SECONDS)
        measured = world.users.since(time.time() - DEAD_SECONDS).sides()
        trial.figures["keys_after"] = len(measured)


def refuses(world: World, trial: Trial) -> None:
    """A newer snapshot that cannot work: refused with the reason, the old one serves on."""
    world.stand_at(25)
    present = world.database.snapshot(world.database.newest_generation())
    with world.down("web"), in_place_of(world.web) as control:
        for name, offer in _offers(present).items():
            _refused(world, trial, control, name, offer)


def _offers(present: dict[str, Any]) -> dict[str, dict[str, Any]]:
    following = present["prevalidate"][0]
    lost = json.dumps(following["routes"]).replace("/candidate-safe", "/nowhere")
    kept = json.dumps(present["routes"]).replace("/candidate-safe", "/nowhere")
    broken = json.loads(json.dumps(present["clusters"]))
    broken[0]["lb_policy"] = "NO_SUCH_POLICY"
    more: dict[str, Any] = {**present, **following}
    return {
        "more users and a broken cluster": _next(more, 1, clusters=broken),
        "more users to an unknown cluster": _next(more, 2, routes=json.loads(lost)),
        "the same users and a broken cluster": _next(present, 3, clusters=broken),
        "the same users to an unknown cluster": _next(present, 4, routes=json.loads(kept)),
    }


def _next(document: dict[str, Any], ahead: int, **changes: Any) -> dict[str, Any]:
    changed = {**document, **changes, "generation": document["generation"] + ahead}
    return sealed(changed, exposure=exposure_of_routes(changed["routes"]))


def _refused(world: World, trial: Trial, control: FakeControl, name: str, offer: Any) -> None:
    before, began = world.eye.look(), time.time()
    control.put(offer)
    try:
        world.wait(
            f"{name}: refused",
            lambda: any(_about(report, offer) for report in list(control.reports)),
            seconds=REPORT_SECONDS,
        )
        told = next(report for report in control.reports if _about(report, offer))
        trial.expect("I7", told["state"] == "rejected", f"{name}: reported as {told['state']}")
        trial.expect("I7", told["reason"], f"{name}: refused without a reason")
    finally:
        control.offer = None
    after = world.eye.look()
    trial.expect("I12", after.served == before.served, f"{name}: {before.served} to {after.served}")
    bad = world.users.since(began).non_200
    trial.expect("I6", not bad, f"{name}: {bad} users were not answered")


def _about(report: dict[str, Any], offer: dict[str, Any]) -> bool:
    return bool(report["generation"] == offer["generation"])


FAULTS: dict[str, Fault] = {"envoy_restarted_alone": restarted_alone, "envoy_refuses": refuses}
