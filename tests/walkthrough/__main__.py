"""Run the walkthrough, write walkthrough.json, exit 0 only when every promise held."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from tests.walkthrough import runs
from tests.walkthrough.checks import checks
from tests.walkthrough.stack import EXAMPLES, ROOT

RUNS = {"healthy": runs.healthy, "drift": runs.drift, "drills": runs.drills}
MEMORY_LIMIT_MB = 900
READY_LIMIT_SECONDS = 30


def main() -> int:
    """Run what was asked for (all three by default) and judge it."""
    parser = argparse.ArgumentParser(prog="walkthrough")
    parser.add_argument("--only", choices=tuple(RUNS), action="append")
    parser.add_argument("--output", type=Path, default=ROOT / "walkthrough.json")
    parser.add_argument("--keep", type=Path, help="keep the state directories here")
    parser.add_argument("--checks", help="run the matrix of faults: all, or names with commas")
    options = parser.parse_args()
    if options.checks:
        return check_checks(options)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="banyan-walk-") as scratch:
        base = options.keep or Path(scratch)
        done: dict[str, Any] = {}
        problems: list[str] = []
        for name in options.only or RUNS:
            say(f"== {name}")
            try:
                done[name] = RUNS[name](base / name, say)
            except Exception as exc:  # noqa: BLE001  # a run's failure is a finding, not a crash
                traceback.print_exc()
                problems.append(f"{name}: {exc}")
    report = assemble(done)
    problems += judge(done)
    report = {
        "ok": not problems and len(done) == len(RUNS),
        "seconds": round(time.monotonic() - began, 1),
        "commit": commit(),
        "problems": problems,
        **report,
    }
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    say(json.dumps({key: report[key] for key in ("ok", "seconds", "problems")}, indent=1))
    return 0 if report["ok"] or (options.only and not problems) else 1


def check_checks(options: argparse.Namespace) -> int:
    """Run the matrix of faults and write checks.json."""
    only = None if options.checks == "all" else options.checks.split(",")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="banyan-checks-") as scratch:
        found = checks((options.keep or Path(scratch)) / "checks", say, only)
    report = {
        "ok": not found["problems"],
        "seconds": round(time.monotonic() - began, 1),
        "commit": commit(),
        **found,
    }
    (ROOT / "checks.json").write_text(json.dumps(report, indent=1) + "\n")
    say(json.dumps({key: report[key] for key in ("ok", "seconds", "problems")}, indent=1))
    return 0 if report["ok"] else 1


def say(text: str) -> None:
    """Print progress at once."""
    print(text, flush=True)


def assemble(done: dict[str, Any]) -> dict[str, Any]:
    """Return the report's body in its documented shape."""
    healthy, drift, drills = (done.get(name, {}) for name in RUNS)
    ledgers = [run["ledger"] for run in done.values() if "ledger" in run]
    memory = healthy.get("memory_mb", {})
    own = sum(size for name, size in memory.items() if name not in EXAMPLES)
    return {
        "stages": healthy.get("stages", []),
        "final_phase": healthy.get("final_phase"),
        "wrong_requests": healthy.get("wrong_requests", {}),
        "early_promote": healthy.get("early_promote", {}),
        "drift": {key: value for key, value in drift.items() if key != "ledger"},
        "candidate_killed": drills.get("candidate_killed", {}),
        "control_plane_killed": drills.get("control_plane_killed", {}),
        "ledger": {
            "entries": sum(one["entries"] for one in ledgers),
            "verified": bool(ledgers) and all(one["verified"] for one in ledgers),
        },
        "resident_mb": {**memory, "stack_without_examples": round(own, 1)},
        "ready_seconds": healthy.get("ready_seconds"),
        "generator": {name: done[name]["generator"] for name in done if "generator" in done[name]},
    }


def judge(done: dict[str, Any]) -> list[str]:
    """Return every promise that did not hold, in words."""
    return [
        problem
        for name, check in (("healthy", _healthy), ("drift", _drift), ("drills", _drills))
        if name in done
        for problem in check(done[name])
    ]


def _failed(checks: dict[str, bool]) -> list[str]:
    return [f"not {name}" for name, holds in checks.items() if not holds]


def _healthy(run: dict[str, Any]) -> list[str]:
    wrong, memory = run["wrong_requests"], run["memory_mb"]
    own = sum(size for name, size in memory.items() if name not in EXAMPLES)
    return [
        *(problem for stage in run["stages"] for problem in runs.stage_problems(stage)),
        *_failed(
            {
                "five stages": [s["asked"] for s in run["stages"]] == [0, 5, 25, 50, 100],
                "early promote refused": run["early_promote"]["refused"],
                "wrong requests answered as legacy": wrong["sent"] == wrong["answered_as_legacy"],
                "the generator's users all answered": _generator_clean(run),
                "ledger verified": run["ledger"]["verified"],
                f"stack within {MEMORY_LIMIT_MB} MB": own <= MEMORY_LIMIT_MB,
                f"ready within {READY_LIMIT_SECONDS} s": run["ready_seconds"]
                <= READY_LIMIT_SECONDS,
            }
        ),
    ]


def _generator_clean(run: dict[str, Any]) -> bool:
    stats = run["generator"]
    return bool(stats) and stats["non_200_valid"] == 0 and stats["wrong_unexpected"] == 0


def _drift(run: dict[str, Any]) -> list[str]:
    return _failed(
        {
            "drift FAILs": run["verdict"] == "FAIL",
            "drift refused": run["promote_refused"],
            "drift has a cause": bool(run["top_cause"]),
            "drift's ledger verified": run["ledger"]["verified"],
        }
    )


def _drills(run: dict[str, Any]) -> list[str]:
    control, candidate = run["control_plane_killed"], run["candidate_killed"]
    return _failed(
        {
            "share kept while the control plane is dead": control["share_after"] > 0
            and abs(control["share_after"] - control["share_before"]) <= 1.5,
            "users answered while the control plane is dead": control["non_200"] == 0,
            "users answered while the candidate is dead": candidate["non_200"] == 0,
            "rolled back": candidate["rolled_back"],
            "back on legacy within 2 s": candidate["seconds_to_legacy"] <= 2,
            "the generator's users all answered in drills": _generator_clean(run),
            "drills' ledger verified": run["ledger"]["verified"],
        }
    )


def commit() -> str:
    """Return the commit that was walked, with + when files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
