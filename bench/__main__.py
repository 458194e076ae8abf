"""Run the benchmarks: `python -m bench` runs all and writes bench/results.json.

`python -m bench comparison gate` runs some and writes nothing. To add one, write a module with
`run() -> dict[str, Result]` and name it in MODULES.
"""

import argparse
import dataclasses
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from bench.harness import Result, commit, machine

MODULES = ("comparison", "gate", "gate_database", "simulation", "ledger", "load")
RESULTS = Path(__file__).parent / "results.json"


def main() -> int:
    """Run what was asked for; 1 when a benchmark could not run, whatever the goals say."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(MODULES))
    parser.add_argument("--out", type=Path, default=RESULTS, help="where all results go")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(MODULES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    results, failed = run_modules(asked.names or MODULES)
    print(table(results, failed))
    if not asked.names:
        document = report(results, failed)
        asked.out.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
    return 1 if failed else 0


def run_modules(names: "list[str] | tuple[str, ...]") -> tuple[dict[str, Result], dict[str, str]]:
    """Run benchmarks one after the other; what fails is named with its reason, never guessed."""
    results: dict[str, Result] = {}
    failed: dict[str, str] = {}
    for name in names:
        print(f"running {name} ...", file=sys.stderr, flush=True)
        try:
            found: dict[str, Result] = importlib.import_module(f"bench.{name}").run()
        except Exception as error:  # noqa: BLE001 - the fence around one benchmark
            failed[name] = f"{type(error).__name__}: {error}"
            continue
        results.update(found)
    return results, failed


def report(results: dict[str, Result], failed: dict[str, str]) -> dict[str, Any]:
    """Return the document for results.json; `failed` stands in it only when something did."""
    document: dict[str, Any] = {
        "machine": machine(),
        "commit": commit(),
        "results": {name: dataclasses.asdict(result) for name, result in results.items()},
    }
    if failed:
        document["failed"] = failed
    return document


def table(results: dict[str, Result], failed: dict[str, str]) -> str:
    """Return the results as a table for people."""
    width = max(map(len, [*results, *failed]), default=0)
    lines = []
    for name, result in results.items():
        sign = "≥" if result.direction == "min" else "≤"
        state = "reached" if result.reached else "MISSED"
        lines.append(
            f"{name:{width}}  {result.value:>10,.4g} {result.unit} "
            f"(goal {sign} {result.goal:g}: {state}, {result.runs} runs)"
        )
        lines.append(f"{'':{width}}  {result.how}")
    lines += [f"{name:{width}}  did not run: {reason}" for name, reason in failed.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
