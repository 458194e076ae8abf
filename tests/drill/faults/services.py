"""The services themselves: the candidate dies with half of the users, legacy before a roll back."""

import time

from tests.drill import measures
from tests.drill.prepare import requiring
from tests.drill.trial import Fault, Trial
from tests.drill.world import World

# Users are back on legacy within 30 s after the candidate began to fail.
PROMISED_SECONDS, REACT_SECONDS = 30.0, 60.0


def candidate_killed(world: World, trial: Trial) -> None:
    """kill -9 at 50 %: legacy answers within the same request, and Banyan itself rolls back."""
    world.stand_at(50)
    with requiring(world, "errors", from_weight=100), world.down("candidate"):
        began = time.time()
        world.rest.wait("rolled back", lambda found: not found["weight"], seconds=REACT_SECONDS)
        took = time.time() - began
        trial.figures["rolled_back_s"] = round(took, 1)
        trial.expect("I3", took <= PROMISED_SECONDS, f"rolled back after {took:.0f} s")
        last = world.database.decisions()[-1]
        trial.expect("I1", last.actor_kind == "automation", f"{last.actor_kind} {last.reason}")
        found = world.document()
        trial.expect("I3", found["held"] and not found["can_promote"], "promote is open")
        seen = world.users.since(began)
        trial.figures |= {"users": len(seen.seen), "not_200": seen.non_200}
        trial.expect("I6", not seen.non_200, f"{seen.non_200} users were not answered")


def legacy_down(world: World, trial: Trial) -> None:
    """Legacy is dead when somebody rolls back: it obeys; who comes back is answered again."""
    world.stand_at(25)
    with world.down("legacy"):
        time.sleep(1)
        measures.roll_back(world, trial)


FAULTS: dict[str, Fault] = {"candidate_killed": candidate_killed, "legacy_down": legacy_down}
