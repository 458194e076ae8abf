"""Proof that the checks check: every fault of the example candidate against all seven items.

One stack; for each fault the candidate is started anew under a build id of its own, so that all
evidence begins anew by the product's own rule. A fault must be found by the check it belongs to,
and no other check may cry unless the fault really shows there.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.walkthrough.rest import Rest, in_effect
from tests.walkthrough.runs import EFFECT_SECONDS, GENERATOR_RATE, Say, rest_of
from tests.walkthrough.stack import Stack, WalkthroughError, running

HEALTHY = "healthy"
# The build before the first row: answers that fail while one is put for another are not the row's.
BEFORE = "before"
ITEMS = ("schema", "discrepancy", "latency", "error_codes", "health", "log_format", "load")
RUN_BY_CHECK = ("schema", "error_codes", "health", "log_format")
SECONDS = 240.0
LOAD_SECONDS = 180.0
# Evidence begins anew within a tick of the build's notice; what is said before is the old one's.
NOTICED_SECONDS = 6.0
QUANTILES = (0.5, 0.9, 0.95, 0.99)
# The item that must find the fault, and the others in which it really shows as well.
FAULTS: Mapping[str, tuple[str, frozenset[str]]] = {
    "schema": ("schema", frozenset({"discrepancy"})),
    "default_changed": ("schema", frozenset({"discrepancy"})),
    "unknown_field_accepted": ("schema", frozenset({"error_codes"})),
    "drift": ("discrepancy", frozenset({"schema"})),
    "f32": ("discrepancy", frozenset({"schema"})),
    "errors": ("discrepancy", frozenset({"schema", "error_codes", "load"})),
    "slow": ("latency", frozenset({"load"})),
    "wrong_status": ("error_codes", frozenset({"schema", "discrepancy"})),
    "wrong_message": ("error_codes", frozenset({"discrepancy"})),
    "readyz_draining": ("health", frozenset()),
    "log_field_missing": ("log_format", frozenset()),
    "log_level_renamed": ("log_format", frozenset()),
    "collapses": ("load", frozenset({"discrepancy", "latency"})),
    "leaks": ("load", frozenset()),
}

Row = dict[str, dict[str, Any]]


def checks(state_dir: Path, say: Say, only: list[str] | None = None) -> dict[str, Any]:
    """Run healthy and every fault (or those in `only`); return matrix and what is wrong with it."""
    names = [name for name in (HEALTHY, *FAULTS) if not only or name in only]
    matrix: dict[str, Row] = {}
    # The wide inputs are what a computation in single precision goes wrong on.
    with running(state_dir, scenario="f32", rate=GENERATOR_RATE) as stack:
        rest = rest_of(stack)
        with candidate(stack, BEFORE):
            ask_for_the_tail(rest)
            rest.do("start", version=rest.migration()["version"], reason="walkthrough: checks")
            rest.wait("dual-run in effect", in_effect, seconds=EFFECT_SECONDS)
        for name in names:
            began = time.monotonic()
            # Three times legacy's own tail, whatever this machine makes of it.
            slow_ms = max(60, round(3 * legacy_p99_ms(rest)))
            with candidate(stack, name, FAULT_SLOW_MS=str(slow_ms)):
                matrix[name] = row_of(rest, build_of(name))
            verdicts = {item: found["verdict"] for item, found in matrix[name].items()}
            say(json.dumps({name: verdicts, "seconds": round(time.monotonic() - began)}))
    return {"matrix": matrix, "problems": problems_of(matrix)}


def build_of(fault: str) -> str:
    """Return the build id under which the candidate has the fault."""
    return f"candidate-{fault}"


def ask_for_the_tail(rest: Rest) -> None:
    """Judge p99 as well: a fault of the slowest hundredth shows nowhere else."""
    found = rest.get(f"/migrations/{rest.slug}/policy/")
    policy = found["policy"]
    rules = [{"quantile": q, "from_weight": 1} for q in QUANTILES]
    policy["latency"] = {**policy["latency"], "percentiles": rules}
    rest.put("policy", policy=policy, version=found["version"], reason="walkthrough: judge p99")


def legacy_p99_ms(rest: Rest) -> float:
    """Return legacy's 99th percentile as the latency gate has it; 0 before it has one."""
    gates = rest.get(f"/migrations/{rest.slug}/gates/")["gates"]
    parts = next(g for g in gates if g["gate"] == "latency")["parts"]
    return next((p["value_legacy"] / 1000 for p in parts if p["name"] == "p99"), 0.0)


@contextmanager
def candidate(stack: Stack, fault: str, **settings: str) -> Iterator[None]:
    """Put the candidate with a fault in the place of the supervised one."""
    hold = stack.state_dir / "hold" / "candidate"
    pid = stack.pid("candidate")
    program = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().rstrip("\0").split("\0")
    environment = dict(pair.split("=", 1) for pair in pairs)
    environment |= {"BUILD_ID": build_of(fault), "FAULT": fault if fault in FAULTS else ""}
    environment |= settings
    hold.write_text("the walkthrough runs another one\n")
    os.killpg(pid, signal.SIGKILL)
    _until(lambda: not Path(f"/proc/{pid}").exists(), "the supervised candidate is gone")
    with (stack.state_dir / "logs" / f"candidate-{fault}.log").open("wb") as log:
        mine = subprocess.Popen(program, env=environment, stdout=log, stderr=log)
    try:
        yield
        if mine.poll() is not None:
            raise WalkthroughError(f"the candidate with {fault} ended with {mine.returncode}")
    finally:
        mine.kill()
        mine.wait()
        hold.unlink()
        _until(lambda: stack.facts["pids"].get("candidate", pid) != pid, "it is back")


def _until(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise WalkthroughError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


def row_of(rest: Rest, build: str) -> Row:
    """Let every item come to a verdict on this build, the load test last: it adds traffic."""
    rest.wait("the build is noticed", lambda d: _stands(d, build), seconds=60)
    time.sleep(NOTICED_SECONDS)
    deadline = time.monotonic() + SECONDS
    settled: Row = {}
    while time.monotonic() < deadline and len(settled) < len(ITEMS) - 1:
        # As of now: a verdict that is no longer said does not count.
        settled = _continuous(rest, build) | _run(rest, build)
        time.sleep(1.0)
    for item in ITEMS[:-1]:
        settled.setdefault(item, {"verdict": "INCONCLUSIVE", "finding": "not within the time"})
    settled["load"] = _load(rest)
    return {item: settled[item] for item in ITEMS}


def _stands(document: Mapping[str, Any], build: str) -> bool:
    return bool(document["services"]["candidate"]["build"] == build)


def _continuous(rest: Rest, build: str) -> Row:
    document = rest.migration()
    if not _stands(document, build):
        return {}
    found = {g["gate"]: g for g in document["gates"] if g["gate"] in ("discrepancy", "latency")}
    return {
        item: {"verdict": gate["verdict"], "finding": _cause(rest, item, gate)}
        for item, gate in found.items()
        if gate["verdict"] in ("PASS", "FAIL")
    }


def _cause(rest: Rest, item: str, gate: Mapping[str, Any]) -> str | None:
    if gate["verdict"] == "PASS":
        return None
    if item == "discrepancy":
        causes = rest.get(f"/migrations/{rest.slug}/mismatches/")["causes"]
        if causes:
            top = causes[0]
            return f"{top['route']} {top['path']} {top['kind']}"
    return str(gate["sentence"])


def _run(rest: Rest, build: str) -> Row:
    found = {}
    for state in rest.get(f"/migrations/{rest.slug}/checks/")["checks"]:
        latest = state["latest"]
        if latest is None or not state["counts"] or latest["builds"]["candidate"] != build:
            continue
        found[state["item"]] = {
            "verdict": latest["verdict"],
            "finding": _finding(rest, state["item"]) or latest["sentence"]
            if latest["verdict"] != "PASS"
            else None,
        }
    return found


def _finding(rest: Rest, item: str) -> str | None:
    whole = rest.get(f"/migrations/{rest.slug}/checks/{item}/")
    findings = (whole.get("latest") or {}).get("findings", [])
    breaking = [f for f in findings if f["severity"] == "breaking"] or findings
    return f"{breaking[0]['where']}: {breaking[0]['sentence']}" if breaking else None


def _load(rest: Rest) -> dict[str, Any]:
    begun = rest.post("load", reason="walkthrough: checks")
    if begun.status_code != 202:  # accepted
        return {"verdict": "ERROR", "finding": begun.text[:300]}
    deadline = time.monotonic() + LOAD_SECONDS
    while time.monotonic() < deadline:
        found = rest.get(f"/migrations/{rest.slug}/load/")
        if found["running"] is None:
            last = found["history"][0]
            verdict = last["verdict"] or "INCONCLUSIVE"
            return {"verdict": verdict, "finding": None if verdict == "PASS" else last["sentence"]}
        time.sleep(1.0)
    rest.post("load/stop")
    return {"verdict": "INCONCLUSIVE", "finding": "the load test did not end"}


def problems_of(matrix: Mapping[str, Row]) -> list[str]:
    """Say where the matrix is not as it must be; an empty list is the proof."""
    found = []
    for name, row in matrix.items():
        own, shows = FAULTS.get(name, ("", frozenset()))
        for item, cell in row.items():
            verdict = cell["verdict"]
            allowed = {"PASS", "FAIL"} if item in shows else {"PASS"}
            if item == own and (verdict != "FAIL" or not cell["finding"]):
                found.append(f"{name}: {item} says {verdict}, and should find it")
            elif item != own and verdict not in allowed:
                found.append(f"{name}: {item} says {verdict}: {cell['finding']}")
    return found
