"""The three runs: a healthy migration to the end, a drifting candidate, and drills."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.walkthrough.rest import Rest, in_effect, open_for_promote, sums
from tests.walkthrough.stack import EXAMPLES, ROOT, Stack, WalkthroughError, running
from tests.walkthrough.users import Users, flipped_back, shift_ms
from tests.walkthrough.wrong import WrongRequests

SLUG = "embeddings"
WEIGHTS = (5, 25, 50, 100)
GENERATOR_RATE = 100
USER_RATE = 150
WANTED_KEYS = 4500
GATE_SECONDS = 240
EFFECT_SECONDS = 90
SETTLE_SECONDS = 7.0
# Long enough for 4,000 of the 5,000 keys to come by.
DEAD_SECONDS = 28.0

Say = Callable[[str], None]
Report = dict[str, Any]


def unix(moment: str) -> float:
    """Return an API time as unix seconds."""
    return datetime.fromisoformat(moment).timestamp()


def rest_of(stack: Stack) -> Rest:
    """Return the operator's REST client."""
    facts = stack.facts
    return Rest(facts["web"], facts["operator"]["token"], SLUG)


def promote(rest: Rest, weight: int) -> dict[str, Any]:
    """Wait for the gates and promote to the weight; return the decision."""
    found = rest.wait(f"gates for {weight} %", open_for_promote, seconds=GATE_SECONDS)
    return rest.do(
        "promote", version=found["version"], reason=f"walkthrough: to {weight} %", to=weight
    )


def verify_ledger(rest: Rest, state_dir: Path) -> Report:
    """Verify over REST, and the export by the stand-alone script."""
    online = rest.get("/audit/verify/")
    export = state_dir / "ledger.jsonl"
    export.write_text(rest.text("/audit/export/"))
    script = [sys.executable, str(ROOT / "audit" / "verify_audit.py"), str(export)]
    offline = subprocess.run(script, capture_output=True, text=True, check=False)
    verified = online["verified"] and offline.returncode == 0
    return {"entries": online["entries"], "verified": verified, "script": offline.stdout.strip()}


def healthy(state_dir: Path, say: Say) -> Report:
    """Dual-run to 100 %, each stage measured from outside."""
    with running(state_dir, scenario="healthy", rate=GENERATOR_RATE) as stack:
        rest, users = rest_of(stack), Users(stack.facts["envoy"], rate=USER_RATE)
        wrong = WrongRequests(stack.facts["envoy"], stack.facts["legacy"])
        users.start()
        try:
            report = _stages(stack, rest, users, wrong, say)
        finally:
            users.stop()
        report["wrong_requests"] = wrong.report()
        report["ledger"] = verify_ledger(rest, state_dir)
        report["memory_mb"] = stack.memory_mb()
        report["generator"] = stack.generator_stats()
        report["ready_seconds"] = stack.facts["seconds_to_ready"]
    return report


def _stages(stack: Stack, rest: Rest, users: Users, wrong: WrongRequests, say: Say) -> Report:
    began = rest.do("start", version=0, reason="walkthrough: start dual-run")
    early = rest.post("promote", version=1, reason="too early", to=5)
    early_promote = {
        "refused": early.status_code == 409 and rest.migration()["version"] == 1,
        "status": early.status_code,
        "reason": early.json().get("detail", ""),
    }
    say(f"early promote: {early.status_code} {early_promote['reason'][:110]}")
    stages, sides = [], {}
    for weight in (0, *WEIGHTS):
        decision = began if weight == 0 else promote(rest, weight)
        stage, sides = _stage(rest, users, weight, decision, sides)
        wrong.send_all()
        stages.append(stage)
        say(json.dumps(stage))
    final = promote(rest, 100)
    say(f"phase {final['to']['phase']}")
    return {"stages": stages, "early_promote": early_promote, "final_phase": final["to"]["phase"]}


def _stage(
    rest: Rest, users: Users, weight: int, decision: dict[str, Any], before: dict[int, str]
) -> tuple[Report, dict[int, str]]:
    """Measure one stage from its decision until its gates are open."""
    committed = unix(decision["committed_at"])
    start = sums(rest.migration())
    rest.wait(f"{weight} % in effect", in_effect, seconds=EFFECT_SECONDS)
    effective = time.time()
    window = users.wait_for_keys(effective, WANTED_KEYS, seconds=90)
    rest.wait(f"gates after {weight} %", open_for_promote, seconds=GATE_SECONDS)
    time.sleep(SETTLE_SECONDS)
    end = sums(rest.migration())
    sides = window.sides()
    on_candidate = sum(1 for side in sides.values() if side == "candidate")
    around = users.since(committed, effective + 1)
    stage = {
        "asked": weight,
        "measured": round(100 * on_candidate / len(sides), 3) if sides else None,
        "keys": len(sides),
        "requests": len(users.since(committed).seen),
        "non_200": users.since(committed).non_200,
        "flipped_back": flipped_back(before, window),
        **{name: end[name] - start[name] for name in end},
        "shift_ms": shift_ms(committed, around, sides),
    }
    return stage, sides


def stage_problems(stage: Report) -> list[str]:
    """Say what one stage broke of what was promised."""
    w, keys = stage["asked"] / 100, stage["keys"]
    allowed = 100 * 4 * math.sqrt(w * (1 - w) / keys) if keys else 0
    checks = {
        "at least 4000 keys": keys >= 4000,
        "share as asked": stage["measured"] is not None
        and abs(stage["measured"] - stage["asked"]) <= allowed,
        "no user without an answer": stage["non_200"] == 0,
        "no key flipped back": stage["flipped_back"] == 0,
        "99 % of samples joined": stage["sampled"] > 0
        and stage["joined"] >= 0.99 * stage["sampled"],
        "pairs compared": stage["compared"] >= (3787 if stage["asked"] == 0 else 1),
        "nothing mismatched": stage["mismatched"] == 0,
        "shift within 500 ms": stage["shift_ms"] <= 500,
    }
    return [f"{stage['asked']} %: not {name}" for name, holds in checks.items() if not holds]


def drift(state_dir: Path, say: Say) -> Report:
    """A drifting candidate: the gate must FAIL and promote be refused."""
    with running(state_dir, scenario="drift", rate=GENERATOR_RATE) as stack:
        rest = rest_of(stack)
        rest.do("start", version=0, reason="walkthrough: start dual-run")
        found = rest.wait("the discrepancy gate FAILs", _failed, seconds=GATE_SECONDS)
        answer = rest.post("promote", version=found["version"], reason="try it", to=5)
        causes = rest.get(f"/migrations/{SLUG}/mismatches/")["causes"]
        report = {
            "verdict": _gate(found)["verdict"],
            "sentence": _gate(found)["sentence"],
            "promote_refused": answer.status_code == 409 and rest.migration()["weight"] == 0,
            "top_cause": f"{causes[0]['route']} {causes[0]['path']} {causes[0]['kind']}"
            if causes
            else "",
            "ledger": verify_ledger(rest, state_dir),
        }
        say(json.dumps(report))
    return report


def _gate(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(g for g in document["gates"] if g["gate"] == "discrepancy")
    return found


def _failed(document: dict[str, Any]) -> bool:
    return bool(_gate(document)["verdict"] == "FAIL")


def drills(state_dir: Path, say: Say) -> Report:
    """Kill the control plane at 5 % and the candidate at 25 %; users must see only 200."""
    with running(state_dir, scenario="healthy", rate=GENERATOR_RATE) as stack:
        rest, users = rest_of(stack), Users(stack.facts["envoy"], rate=USER_RATE)
        users.start()
        try:
            rest.do("start", version=0, reason="walkthrough: drills")
            promote(rest, 5)
            rest.wait("5 % in effect", in_effect, seconds=EFFECT_SECONDS)
            time.sleep(DEAD_SECONDS)
            dead_control = _kill_control_plane(stack, rest, users)
            say(json.dumps(dead_control))
            promote(rest, 25)
            rest.wait("25 % in effect", in_effect, seconds=EFFECT_SECONDS)
            dead_candidate = _kill_candidate(stack, rest, users)
            say(json.dumps(dead_candidate))
        finally:
            users.stop()
        generator = stack.generator_stats()
        ledger = verify_ledger(rest, state_dir)
    return {
        "control_plane_killed": dead_control,
        "candidate_killed": dead_candidate,
        "generator": generator,
        "ledger": ledger,
    }


def _kill_control_plane(stack: Stack, rest: Rest, users: Users) -> Report:
    now = time.time()
    share_before = _share(users, now - DEAD_SECONDS, now)
    with stack.unsupervised():
        stack.kill("web", "worker", "beat", "redis")
        killed = time.time()
        time.sleep(DEAD_SECONDS)
        after = time.time()
    rest.wait("the control plane is back", lambda _: True, seconds=60)
    rest.wait("the proxy reports again", lambda d: not d["proxies"]["silent"], seconds=60)
    return {
        "share_before": share_before,
        "share_after": _share(users, killed, after),
        "non_200": users.since(killed).non_200,
        "requests": len(users.since(killed).seen),
        "seconds_dead": round(after - killed, 1),
    }


def _share(users: Users, start: float, end: float) -> float:
    sides = users.since(start, end).sides()
    candidate = sum(1 for side in sides.values() if side == "candidate")
    return round(100 * candidate / len(sides), 3) if sides else 0.0


def _kill_candidate(stack: Stack, rest: Rest, users: Users) -> Report:
    with stack.unsupervised():
        stack.kill("candidate")
        killed = time.time()
        time.sleep(5)
        asked = time.time()
        # Banyan may have rolled back by itself by now; then this changes nothing.
        rest.do("rollback", reason="walkthrough: candidate killed")
        rest.wait("legacy serves all", _all_accepted, seconds=30)
        back = time.time()
    time.sleep(3)
    window = users.since(killed)
    return {
        "requests": len(window.seen),
        "non_200": window.non_200,
        "statuses": window.statuses(),
        "rolled_back": rest.migration()["weight"] == 0,
        "by": rest.get(f"/migrations/{SLUG}/decisions/")["decisions"][0]["actor"],
        "seconds_to_legacy": round(back - asked, 3),
    }


def _all_accepted(document: dict[str, Any]) -> bool:
    proxies = document["proxies"]
    return document["weight"] == 0 and len(proxies["accepted"]) == proxies["total"]


__all__ = ["EXAMPLES", "WalkthroughError", "drift", "drills", "healthy", "stage_problems"]
