"""The channel from web to the edge: refused, hung, slow, cut in the midst, half-open."""

import time

from tests.drill.channel import Mode, edge_through
from tests.drill.trial import Fault, Trial
from tests.drill.world import DrillError, World

LOST: tuple[Mode, ...] = ("refuse", "hang", "cut")
AWAY_SECONDS = 3.0
# RELIABILITY: a lost channel is found, and what was asked meanwhile is in effect once it is back.
FOUND_SECONDS = 15.0
HEAL_SECONDS = 5.0
SLOW_SECONDS = 10.0
REACH_SECONDS = 60.0


def lost(world: World, trial: Trial) -> None:
    """Refused, hung, cut: users keep the last split; a roll back arrives once it heals."""
    with edge_through(world) as channel:
        for mode in LOST:
            _stand_at(world, 25)
            before = world.eye.look()
            with world.away("edge"):
                channel.set(mode)
                made = world.call("rollback", to=5)
                trial.expect("I2", made.changed and made.seconds <= 1, f"{mode}: {made.status}")
                time.sleep(AWAY_SECONDS)
                trial.expect("I6", world.eye.look().served == before.served, f"{mode}: moved")
                channel.set("open")
                _arrives(world, trial, f"{mode}_healed_s", HEAL_SECONDS)


def slow(world: World, trial: Trial) -> None:
    """Every piece is a second late: what is asked arrives late and whole."""
    with edge_through(world) as channel:
        _stand_at(world, 25)
        channel.set("slow")
        with world.away("edge"):
            world.must("rollback", to=5)
            _arrives(world, trial, "slow_s", SLOW_SECONDS)
        channel.set("open")


def half_open(world: World, trial: Trial) -> None:
    """What was connected is dead and nobody was told; new connections work: found in time."""
    with edge_through(world) as channel:
        _stand_at(world, 25)
        channel.half_open()
        with world.away("edge"):
            world.must("rollback", to=5)
            _arrives(world, trial, "found_s", FOUND_SECONDS)


def silent(world: World, trial: Trial) -> None:
    """A channel that takes all and answers nothing for longer than the proxy may be unheard."""
    with edge_through(world) as channel:
        _stand_at(world, 25)
        channel.set("hang")
        began = time.time()
        with world.away("edge"):
            world.rest.wait(
                "the proxy is called silent",
                lambda document: bool(document["proxies"]["silent"]),
                seconds=REACH_SECONDS,
            )
            took = time.time() - began
            trial.figures["found_s"] = round(took, 1)
            # The last report may have come just before, and a look is taken every half second.
            text = f"called silent after {took:.1f} s"
            trial.expect("I7", took <= FOUND_SECONDS + 2, text)
            found = world.document()
            trial.expect("I3", not found["can_promote"], "promote is open with the proxy unheard")
            world.must("rollback", to=5)
            channel.set("open")
            _arrives(world, trial, "healed_s", HEAL_SECONDS)


def _stand_at(world: World, weight: int) -> None:
    if world.stand_at(weight)["weight"] != weight:
        raise DrillError(f"not at {weight} % behind the channel")


def _arrives(world: World, trial: Trial, name: str, most: float) -> None:
    """Measure from now until the proxy serves what is asked."""
    asked = world.database.newest_generation()
    took = world.wait(
        f"{name}: what was asked arrives",
        lambda: world.eye.look().served_generation == asked,
        seconds=REACH_SECONDS,
    )
    trial.figures[name] = round(took, 1)
    trial.expect("I2", took <= most, f"{name}: {took:.1f} s, {most:g} s promised")


FAULTS: dict[str, Fault] = {
    "channel_lost": lost,
    "channel_slow": slow,
    "channel_half_open": half_open,
    "channel_silent": silent,
}
