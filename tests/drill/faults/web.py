"""Web: killed in the midst of decisions, stopped and woken, asked for the same thing by many."""

import signal
import threading
import time
from collections.abc import Callable
from functools import partial

from tests.drill.history import Operation
from tests.drill.spare import Spare
from tests.drill.trial import Fault, Trial
from tests.drill.world import World

LIVES = 6
CLIENTS = 3
WEIGHTS = (5, 25, 50)
CROWD = 16


def killed_in_decisions(world: World, trial: Trial, *, lives: int = LIVES) -> None:
    """kill -9 at a random moment of promote, hold, resume and roll back, again and again."""
    world.stand_at(5)
    following = Spare(world)
    counts = {"ok": 0, "fail": 0, "info": 0}
    for life in range(lives):
        spare = following.ready()
        following = Spare(world)
        for made in _promote_killed(world, spare) if life % 2 == 0 else _burst_killed(world, spare):
            counts[made.outcome] += 1
    following.kill()
    trial.figures |= {"kills": lives, **counts}
    again = world.document()
    made = world.call("hold")
    trial.expect("I11", made.outcome == "ok", f"after the kills nothing can be decided: {again}")


def _promote_killed(world: World, spare: Spare) -> list[Operation]:
    found = world.document()
    if found["phase"] == "full":
        world.must("rollback", to=5)
    if world.document()["held"]:
        world.must("resume")
    found = world.rest.wait("gates", lambda d: bool(d["can_promote"]), seconds=60)
    version = found["version"]
    return _until_killed(
        world,
        spare,
        [lambda: world.history.call(spare.url, "promote", hurt=True, version=version)],
        world.rng.uniform(0, 0.5),
    )


def _burst_killed(world: World, spare: Spare) -> list[Operation]:
    ends = time.monotonic() + world.rng.uniform(0.5, 2.0)
    verbs = [world.rng.choice(("hold", "resume", "hold", "resume", "rollback")) for _ in range(60)]
    made: list[Operation] = []

    def client() -> Operation:
        while True:
            verb = verbs.pop() if verbs else "hold"
            body = {"to": world.rng.choice((0, *WEIGHTS))} if verb == "rollback" else {}
            last = world.history.call(spare.url, verb, hurt=True, **body)
            made.append(last)
            if last.outcome == "info":
                return last

    _until_killed(world, spare, [client] * CLIENTS, ends - time.monotonic())
    return made


def _until_killed(
    world: World, spare: Spare, calls: list[Callable[[], Operation]], seconds: float
) -> list[Operation]:
    timer = threading.Timer(seconds, spare.kill)
    timer.start()
    made = world.history.together(calls)
    timer.join()
    return made


def stopped_and_woken(world: World, trial: Trial) -> None:
    """One of two web processes sleeps over a decision; the other serves, the sleeper loses."""
    world.stand_at(25)
    spare = Spare(world).ready()
    version = world.document()["version"]
    ask = partial(world.history.call, spare.url, "hold", hurt=True, version=version)
    woken = threading.Timer(world.rng.uniform(0.01, 0.15), spare.send, [signal.SIGSTOP])
    caller = threading.Thread(target=ask)
    woken.start()
    caller.start()
    woken.join()
    if world.database.can_write():
        made = world.call("rollback", to=5)
        trial.expect("I13", made.outcome == "ok", f"the other web answered {made.status}")
    else:
        # It sleeps in its transaction: the others say so in time, and nothing is half-done.
        with world.away("database"):
            made = world.call("rollback", to=5)
            trial.expect("I13", made.status == 503, f"with the lock held: {made.status}")
    spare.send(signal.SIGCONT)
    caller.join()
    spare.kill()


def same_version(world: World, trial: Trial) -> None:
    """Many ask at once for a decision on the same version, at two web processes: one wins."""
    world.stand_at(5)
    spare = Spare(world).ready()
    version = world.document()["version"]

    webs = [(world.web, spare.url)[i % 2] for i in range(CROWD)]
    made = world.history.together(
        [partial(world.history.call, web, "hold", version=version) for web in webs]
    )
    statuses = sorted(op.status for op in made)
    trial.expect("I4", statuses.count(200) == 1, f"statuses {statuses}")
    trial.expect("I13", set(statuses) <= {200, 409, 503}, f"statuses {statuses}")
    losers = [op for op in made if op.status == 409]
    trial.expect("I4", all("version" in op.answer for op in losers), "a loser is not told why")
    spare.kill()


FAULTS: dict[str, Fault] = {
    "web_killed_in_decisions": killed_in_decisions,
    "web_stopped_and_woken": stopped_and_woken,
    "web_same_version": same_version,
}
