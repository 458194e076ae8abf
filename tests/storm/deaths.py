"""SIGKILL at random points of promote: what is committed is whole, and trying again completes it.

Also the retry of a caller whose answer was lost: the same request from the same version either
decides, or hears that the version is over because his own request was the one that decided.
"""

from rollout.exceptions import StaleVersionError
from rollout.models import ServiceMigration
from tests.storm.kills import Storm, storm
from tests.storm.ready import assert_whole, promote, ready_again


def deaths(made: ServiceMigration, *, kills: int, seed: int) -> tuple[Storm, int]:
    """Kill `kills` promotes; returns the storm, and how many of those had committed."""
    ready: list[ServiceMigration] = []
    committed: list[int] = []

    def prepare(_number: int) -> None:
        ready[:] = [ready_again(made)]

    def check(_number: int) -> None:
        was = ready[0]
        found = assert_whole(made, since=was.version - 1)
        assert found.version - was.version in (0, 1)
        committed.append(found.version - was.version)
        try:
            promote(was)
        except StaleVersionError:
            assert committed[-1], "the retry was refused although nothing was decided"
        after = assert_whole(made, since=was.version)
        assert (after.version, after.weight) == (was.version + 1, 5)

    fallen = storm(prepare, lambda _number: promote(ready[0]), check, kills=kills, seed=seed)
    return fallen, sum(committed)
