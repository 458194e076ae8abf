"""Run the drills, write drill.json, exit 0 only when every invariant held after every fault."""

import argparse
import json
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.drill.faults import FAULTS
from tests.drill.prepare import prepare
from tests.drill.trial import Fault, Trial, run
from tests.drill.world import World
from tests.walkthrough.stack import ROOT, running

GENERATOR_RATE = 20
Row = tuple[str, str, Fault]


def main() -> int:
    """Break what was asked for (all by default) in the order that the seed gives."""
    options = _options()
    signal.signal(signal.SIGTERM, _leave)
    rows = _rows(options.only, options.seed)
    say(f"seed {options.seed}: {len(rows)} faults")
    if options.keep and options.keep.exists() and any(options.keep.iterdir()):
        sys.exit(f"{options.keep} is not empty")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="banyan-drill-") as scratch:
        place = options.keep or Path(scratch)
        with running(place, scenario="healthy", rate=GENERATOR_RATE) as stack:
            trials = _drill(World(stack, seed=options.seed), rows)
    broken = [trial.name for trial in trials if not trial.ok]
    report = {
        "ok": not broken and len(trials) == len(rows),
        "seed": options.seed,
        "seconds": round(time.monotonic() - began, 1),
        "commit": _commit(),
        "broken": broken,
        "faults": [trial.document() for trial in trials],
    }
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    say(json.dumps({name: report[name] for name in ("ok", "seed", "seconds", "broken")}))
    return 0 if report["ok"] else 1


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _leave(number: int, _frame: FrameType | None) -> None:
    """Let the stack be stopped: it runs in a session of its own."""
    raise SystemExit(128 + number)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="drill", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--only", help=f"components or faults, with commas: {', '.join(FAULTS)}")
    parser.add_argument("--output", type=Path, default=ROOT / "drill.json")
    parser.add_argument("--keep", type=Path, help="keep the state directory here")
    return parser.parse_args()


def _rows(only: str | None, seed: int) -> list[Row]:
    rows = [(c, name, fault) for c, faults in FAULTS.items() for name, fault in faults.items()]
    random.Random(seed).shuffle(rows)  # noqa: S311 - repeatable is what is wanted
    if only is None:
        return rows
    wanted = set(only.split(","))
    if unknown := wanted - set(FAULTS) - {name for _, name, _ in rows}:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}")
    return [row for row in rows if wanted & {row[0], row[1]}]


def _drill(world: World, rows: list[Row]) -> list[Trial]:
    watchers: list[Any] = [world.users, world.eye, world.prober]
    prepare(world)
    for watcher in watchers:
        watcher.start()
    trials = []
    try:
        for component, name, fault in rows:
            trials.append(run(world, name, component, fault))
            say(trials[-1].line())
            if world.stack.process.poll() is not None:
                say("the stack was stopped from outside; the faults that are left are not run")
                break
    finally:
        stop: list[Callable[[], None]] = [world.users.pause, world.eye.stop, world.prober.stop]
        for end in stop:
            end()
    return trials


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
