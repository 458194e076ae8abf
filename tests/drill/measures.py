"""What faults measure alike: a roll back from the call to the last user, a break-glass."""

import json
import subprocess
import sys
import time

from tests.drill.trial import Trial
from tests.drill.world import DrillError, World
from tests.walkthrough.stack import ROOT

# Seconds: a roll back is accepted, and in effect; a request ends; break-glass has worked.
LIMITS = (1.0, 2.0)
DEADLINE_SECONDS = GLASS_SECONDS = 5.0
REACH_SECONDS = 15.0
LATE_SECONDS = 30.0
# As long as a request may be tried on the candidate before legacy answers it.
ON_THE_WAY_SECONDS = 1.2


def roll_back(world: World, trial: Trial, *, to: int = 0, promised: bool = True) -> None:
    """Roll back and measure acceptance, Envoy's routes, and the last user on the candidate.

    While web has more to do than it can, no figure is promised; the deadline of any request is.
    """
    accepted, in_effect = LIMITS if promised else (DEADLINE_SECONDS, 2 * DEADLINE_SECONDS)
    began = time.time()
    made = world.call("rollback", to=to)
    trial.figure("accepted_s", made.seconds, most=accepted)
    trial.expect("I10", made.changed, f"roll back: {made.status} {made.answer.get('detail', '')}")
    generation = world.database.newest_generation()
    world.wait(
        "the roll back is in effect",
        lambda: (world.eye.look().served_generation or 0) >= generation,
        seconds=REACH_SECONDS,
    )
    took = time.time() - began
    trial.figure("in_effect_s", took, most=in_effect)
    if promised:
        world.roll_backs.append((made.seconds, took))
    if to == 0:
        _last_user(world, trial, began, most=in_effect)


def _last_user(world: World, trial: Trial, began: float, *, most: float) -> None:
    time.sleep(ON_THE_WAY_SECONDS)
    last = max(
        (s.started for s in world.users.since(began).seen if s.side == "candidate"), default=began
    )
    trial.figure("last_user_s", last - began, most=most)


def break_glass(world: World, trial: Trial) -> None:
    """Run the command on the proxy host and measure it until Envoy serves the safe routes."""
    began = time.time()
    command = [sys.executable, "-m", "traffic.edge", "hold"]
    command += ["--state-dir", str(world.edge_dir), "--reason", "drill: break-glass"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    took = time.time() - began
    trial.figure("break_glass_s", took, most=GLASS_SECONDS)
    trial.expect("I2", done.returncode == 0, f"break-glass said: {done.stdout}{done.stderr[-300:]}")
    trial.expect("I2", world.eye.look().safe_routes, "the safe routes do not serve after it")
    time.sleep(ON_THE_WAY_SECONDS)
    late = [s for s in world.users.since(began + took).seen if s.side == "candidate"]
    trial.expect("I2", not late, f"{len(late)} users met the candidate after break-glass")


def in_ledger(world: World, trial: Trial) -> None:
    """Expect the ledger to know what the proxy's host did by itself, once web is back."""
    hold = world.eye.look().hold
    try:
        world.wait("a late entry", lambda: _late_entry(world, hold), seconds=LATE_SECONDS)
    except DrillError as error:
        trial.expect("I5", False, f"the break-glass is not in the ledger: {error}")


def _late_entry(world: World, hold: str) -> bool:
    late = [e for e in world.database.entries() if e.action.endswith(":late_entry")]
    return any(hold in json.dumps(entry.body) for entry in late)


RELEASE = """
from django.utils import timezone
from django.db import transaction
from traffic import services
from traffic.models import Proxy, ProxyGroup
with transaction.atomic():
    for proxy in Proxy.objects.exclude(hold=None):
        ProxyGroup.objects.filter(pk=proxy.group_id).update(release_hold=proxy.hold["id"])
        services.publish(group_id=proxy.group_id, now=timezone.now())
"""


def release(world: World) -> None:
    """End a hold from the control plane, once the migration itself stands at 0 %."""
    if world.document()["weight"]:
        world.must("rollback", to=0)
    hold = world.eye.look().hold
    if not hold:
        raise DrillError("no hold is there to be released")
    world.wait(
        "the control plane knows the hold",
        lambda: hold in str(world.database.rows("SELECT hold FROM traffic_proxy")),
        seconds=15,
    )
    world.django(RELEASE)
    world.wait("the hold is over", lambda: not world.eye.look().hold, seconds=15)
