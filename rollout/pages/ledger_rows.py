"""Ledger entries in words: what happened, to which migration, why, by whom."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from audit.chain import entry_hash
from audit.models import LedgerEntry
from judge.evidence import Evidence
from rollout.gates import title_of
from rollout.lifecycle import Action, Phase
from rollout.models import Decision, GateEvaluation
from rollout.pages import words
from rollout.pages.access import Reader
from rollout.pages.contexts.ledger import Entry, EntryDay
from rollout.pages.contexts.parts import EntryGate, Fact
from rollout.pages.heads import action_words
from rollout.pages.states import said_of

PREFIX = "migration:"
OTHERS = {
    "ledger:genesis": "Opened the log",
    "migration:in_effect": "In effect",
    "migration:denied": "Refused",
    "migration:repeated": "Rolled back again, nothing moved",
}
ACTIONS = {
    "": "Any action",
    "migration:promote": "Promoted",
    "migration:hold": "Held",
    "migration:resume": "Resumed",
    "migration:roll_back": "Rolled back",
    "migration:late_entry": "Broke the glass",
    "migration:override": "Overridden",
    "migration:start": "Started",
    "migration:create": "Created",
    "migration:decommission": "Decommissioned",
    "migration:abandon": "Given up",
    "migration:change_policy": "Policy changed",
    "migration:change_rules": "Rules changed",
    "migration:waive": "Waived",
    "migration:reset": "Verdict reset",
    "migration:request_approval": "Approval asked",
    "migration:grant_approval": "Approved",
    "migration:decline_approval": "Declined",
    "migration:in_effect": "In effect",
    "migration:denied": "Refused",
}


def entry_row(entry: LedgerEntry, reader: Reader, *, query: Mapping[str, str]) -> Entry:
    """Build the closed row; its arrow opens the entry in place, by the URL."""
    data = entry.data
    actor = data.get("actor", {})
    automatic = actor.get("kind") in {"automation", "host"}
    status, pill = _pill(entry.action, data)
    return Entry(
        number=entry.seq,
        iso=entry.at.isoformat(timespec="seconds"),
        time=words.clock(entry.at, reader.zone),
        initials=words.initials(str(actor.get("name", "?"))),
        automatic=automatic,
        what=what(entry.action, data),
        slug=str(data.get("migration", "")),
        pill_status=status,
        pill=pill,
        reason=str(data.get("reason") or ""),
        who=who(actor),
        short_hash=words.short_hash(entry.hash),
        toggle_url=f"?{urlencode({**query, 'open': entry.seq})}",
    )


def what(action: str, data: Mapping[str, Any]) -> str:
    """Say what an entry records."""
    if action == "migration:in_effect":
        place = data.get("place")
        weight = place.get("weight") if isinstance(place, dict) else None
        if isinstance(place, dict) and place.get("phase") == Phase.DUAL_RUN:
            return "Dual-run is in effect"
        return "In effect" if weight is None else f"In effect at {weight}%"
    if action == "migration:denied":
        return f"Refused to {str(data.get('attempt', 'act')).replace('_', ' ')}"
    if action in OTHERS:
        return OTHERS[action]
    verb = action.removeprefix(PREFIX)
    if action.startswith(PREFIX) and verb in set(Action):
        return action_words(verb, data.get("from"), data.get("to"))
    return action.replace(":", " ").replace("_", " ").capitalize()


def who(actor: Mapping[str, Any]) -> str:
    """Say who acted."""
    kind, name, role = (str(actor.get(k, "")) for k in ("kind", "name", "role"))
    if kind == "automation":
        return "Banyan, automatic"
    if kind == "host":
        return f"{name}, on the host"
    by = f"{name}, by token" if kind == "token" else name
    return f"{by}, {role}" if role and role != name else by


def _pill(action: str, data: Mapping[str, Any]) -> tuple[str, str]:
    if action == "migration:denied":
        return "none", str(data.get("code", "refused")).replace("_", " ").capitalize()
    verdicts = data.get("verdicts") or []
    if not verdicts:
        return "", ""
    passed = sum(1 for v in verdicts if v.get("verdict") == "PASS")
    status = "pass" if passed == len(verdicts) else "inc"
    return status, f"{passed} of {len(verdicts)} passed"


def opened(
    row: Entry,
    entry: LedgerEntry,
    *,
    decision: Decision | None,
    previous: str,
    reader: Reader,
    query: Mapping[str, str],
) -> Entry:
    """Open a row: who, what, why, the gates as they were, and the link to the entry before."""
    data = entry.data
    evaluations = list(decision.evaluations.all()) if decision else []
    shown = json.dumps(data, indent=2, ensure_ascii=False)
    closed = {k: v for k, v in query.items() if k != "open"}
    return replace(
        row,
        open=True,
        toggle_url=f"?{urlencode(closed)}" if closed else "?",
        facts=_facts(entry, data, reader),
        gates=tuple(gate_row(e) for e in evaluations),
        gates_at=f"Gate at {words.clock(entry.at, reader.zone, seconds=True)}",
        snapshot=_builds(data),
        sha256=words.short_hash(entry.hash),
        previous=f"{words.short_hash(entry.prev)} (#{entry.seq - 1})" if entry.prev else "nothing",
        link_ok=link_holds(entry, previous),
        raw=shown,
    )


def link_holds(entry: LedgerEntry, previous: str) -> bool:
    """Whether the entry's hash is that of its content, and names the hash before it."""
    digest = entry_hash(entry.seq, bytes.fromhex(entry.prev), bytes(entry.body)).hex()
    return digest == entry.hash and (entry.seq == 1 or entry.prev == previous)


def _facts(entry: LedgerEntry, data: Mapping[str, Any], reader: Reader) -> tuple[Fact, ...]:
    actor = data.get("actor", {})
    found = [Fact("Who", who(actor)), Fact("What", _what_moved(entry.action, data))]
    if data.get("reason"):
        found.append(Fact("Why", f"“{data['reason']}”"))
    at = words.moment_words(entry.at, reader.zone, reader.now)
    found.append(Fact("When", f"{at}, {words.ago(entry.at, reader.now)}"))
    policy = data.get("policy")
    if isinstance(policy, dict):
        found.append(Fact("Policy", str(policy.get("label") or policy.get("name", ""))))
    if data.get("share"):
        found.append(Fact("Measured", f"{data['share']} of {data.get('keys', '?')} keys"))
    return tuple(found)


def _what_moved(action: str, data: Mapping[str, Any]) -> str:
    before, after = data.get("from"), data.get("to")
    if isinstance(before, dict) and isinstance(after, dict):
        held = ", held" if after.get("held") else ""
        return (
            f"Candidate traffic {before.get('weight', 0)}% → {after.get('weight', 0)}%{held}, "
            f"version {before.get('version')} → {after.get('version')}"
        )
    return what(action, data)


def _builds(data: Mapping[str, Any]) -> str:
    builds = data.get("builds")
    if not isinstance(builds, dict):
        return ""
    return f"Builds: legacy {builds.get('legacy')}, candidate {builds.get('candidate')}"


def gate_row(evaluation: GateEvaluation) -> EntryGate:
    """Build a gate as it was when it was judged."""
    evidence = Evidence.from_dict(evaluation.evidence)
    state = said_of(evidence)
    measured, limit = "", ""
    if evaluation.gate == "discrepancy":
        measured = f"≤ {words.rate(evidence.upper)}" if evidence.upper is not None else "no data"
        limit = words.rate(evidence.limit)
    elif evidence.value is not None:
        measured = _plain(evaluation.gate, evidence.value)
    return EntryGate(
        name=title_of(evaluation.gate),
        measured=measured,
        limit=limit,
        evidence=f"{words.count(evidence.n)}, sha256 {words.short_hash(evaluation.evidence_sha256)}"
        if evidence.n
        else f"sha256 {words.short_hash(evaluation.evidence_sha256)}",
        status=state.status,
        word=state.word,
    )


def _plain(gate: str, value: float) -> str:
    if gate == "split":
        return words.rate(value)
    return words.duration(value) if gate == "bake" else f"{value:g}"


def days(rows: Sequence[tuple[date, Entry]], today: date) -> tuple[EntryDay, ...]:
    """Group rows, newest first, under their days."""
    found: list[tuple[date, list[Entry]]] = []
    for at, row in rows:
        if not found or found[-1][0] != at:
            found.append((at, []))
        found[-1][1].append(row)
    return tuple(EntryDay(words.day(at, today), tuple(rows)) for at, rows in found)
