"""One engine's part of the storm, on the database of BANYAN_DATABASE_URL; prints its JSON."""

import argparse
import dataclasses
import json
from typing import Any

import django


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Run what was asked for, one after the other, on one migration."""
    from tests.storm.crowd import crowd
    from tests.storm.deaths import deaths
    from tests.storm.front import front
    from tests.storm.ready import assert_ledger_verifies, make_ready

    made = make_ready()
    found: dict[str, Any] = {}
    for name, call in (("crowd", crowd), ("front", front)):
        rounds = getattr(asked, name)
        if rounds:
            tally = call(made, rounds=rounds, hands=asked.hands)
            found[name] = {**tally.to_dict(), "entries_verified": assert_ledger_verifies()}
    if asked.kills:
        fallen, committed = deaths(made, kills=asked.kills, seed=asked.seed)
        found["kills"] = {
            **dataclasses.asdict(fallen),
            "committed": committed,
            # One that was not whole, or not completed by trying again, would have ended the storm.
            "kept": True,
            "entries_verified": assert_ledger_verifies(),
        }
    return found


def parser() -> argparse.ArgumentParser:
    """Return the options that the command and each engine's part of it share."""
    options = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    options.add_argument("--hands", type=int, default=50, help="promotes at once")
    options.add_argument("--crowd", type=int, default=200, help="rounds by service")
    options.add_argument("--front", type=int, default=20, help="rounds over HTTP")
    options.add_argument("--kills", type=int, default=500, help="promotes that are killed")
    options.add_argument("--seed", type=int, default=20261124)
    return options


if __name__ == "__main__":
    django.setup()
    print(json.dumps(measure(parser().parse_args())))  # noqa: T201
