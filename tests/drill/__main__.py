"""Run the drills, write drill.json, exit 0 only when every invariant held after every fault."""

import argparse
import json
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tests.drill.faults import FAULTS
from tests.drill.planted import overlooked
from tests.drill.prepare import prepare
from tests.drill.results import Results
from tests.drill.server import PostgresDatabase
from tests.drill.trial import Fault, run
from tests.drill.world import DrillError, World
from tests.postgres import SURE, NoPostgresError, throwaway_postgres
from tests.walkthrough.stack import ROOT, running

GENERATOR_RATE = 20
POSTGRES = "postgres"
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
        results = Results(options.seed)
        _on_sqlite(place / "a", rows, results)
        _on_postgres(place / "b", rows, results)
    for row, why in results.skipped.items():
        say(f"skipped {row}: {why}")
    report = results.document(seconds=time.monotonic() - began)
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    shown = ("ok", "seed", "seconds", "broken", "overlooked", "roll_back")
    say(json.dumps({name: report[name] for name in shown}))
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


def _on_sqlite(place: Path, rows: list[Row], results: Results) -> None:
    mine = [row for row in rows if row[0] != POSTGRES]
    if not mine:
        return
    with running(place, scenario="healthy", rate=GENERATOR_RATE) as stack:
        _drill(World(stack, seed=results.seed), mine, results, database="sqlite")


def _on_postgres(place: Path, rows: list[Row], results: Results) -> None:
    """Run the rows that need a server of their own, with a second stack on it."""
    mine = [row for row in rows if row[0] == POSTGRES]
    if not mine:
        return
    try:
        with (
            throwaway_postgres(SURE) as url,
            _environment("BANYAN_DATABASE_URL", url),
            running(place, scenario="healthy", rate=GENERATOR_RATE) as stack,
        ):
            world = World(stack, seed=results.seed, database=PostgresDatabase(url))
            _drill(world, mine, results, database="postgres")
    except NoPostgresError as error:
        results.skipped |= {name: str(error) for _, name, _ in mine}


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _drill(world: World, rows: list[Row], results: Results, *, database: str) -> None:
    watchers: list[Any] = [world.users, world.eye, world.prober]
    prepare(world)
    for watcher in watchers:
        watcher.start()
    results.roll_backs[database] = world.roll_backs
    try:
        for component, name, fault in rows:
            results.trials.append(run(world, name, component, fault))
            say(results.trials[-1].line())
            if world.stack.process.poll() is not None:
                raise DrillError("the stack was stopped from outside")
        if database == "sqlite":
            results.overlooked = overlooked(world)
    finally:
        stop: list[Callable[[], None]] = [world.users.pause, world.eye.stop, world.prober.stop]
        for end in [*stop, *world.at_end]:
            end()


if __name__ == "__main__":
    sys.exit(main())
