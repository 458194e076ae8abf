"""Beat: none, and two (with a second worker as well)."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from controlplane.stack import launch
from tests.drill.counting import Counts, quiet
from tests.drill.trial import Fault, Trial
from tests.drill.world import World
from tests.walkthrough.stack import ROOT

SILENT_SECONDS = 14.0
TOGETHER_SECONDS = 8.0


def none(world: World, trial: Trial) -> None:
    """Nobody asks for work: evidence gets old, promote closes, roll back does not."""
    world.stand_at(5)
    with world.down("beat"):
        time.sleep(SILENT_SECONDS)
        found = world.document()
        trial.expect("I3", not found["can_promote"], "old evidence keeps promote open")
        made = world.call("promote", version=found["version"])
        trial.expect("I3", made.status == 409, f"promoted on old evidence: {made.status}")
        age = world.readiness().get("age_s") or 0
        trial.expect("I3", age > SILENT_SECONDS / 2, f"the silence is not shown: {age} s")
        made = world.call("rollback", to=0)
        trial.expect("I10", made.changed, f"roll back: {made.status}")


def two(world: World, trial: Trial) -> None:
    """A second beat and a second worker: twice the work, once the effect."""
    world.stand_at(5)
    with quiet(world):
        before = Counts.of(world)
    with (
        _second(world, "beat", "-s", str(world.state_dir / "second-beat")),
        _second(world, "worker", "--pool", "solo", "-n", "second@drill"),
    ):
        time.sleep(TOGETHER_SECONDS)
        with quiet(world):
            made = Counts.of(world).minus(before)
    trial.figures |= {"pairs": made.joined, "compared": made.compared}
    trial.expect("I9", made.compared > 0, "nothing was compared")
    trial.expect("I9", made.compared <= made.joined, f"compared more than joined: {made}")
    trial.expect("I9", made.duplicates == 0, f"pairs were compared twice: {made}")


@contextmanager
def _second(world: World, *arguments: str) -> Iterator[None]:
    guarded = (sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), sys.executable)
    with (world.state_dir / "logs" / "second.log").open("ab") as log:
        process = subprocess.Popen(
            [*guarded, "-m", "celery", "-A", "controlplane", *arguments],
            cwd=ROOT,
            env=world.environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


FAULTS: dict[str, Fault] = {"beat_none": none, "beat_two": two}
