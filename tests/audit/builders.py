"""Logs made in memory: a migration's life, its links, its export."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from audit.chain import Actor, Head, Link, entry_body, entry_hash, genesis_body
from audit.verify_audit import NOTHING, export_line, header_line

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
ADA = Actor("user", "ada", "operator")
LEA = Actor("user", "lea", "lead")
BOB = Actor("user", "bob", "approver")
ROBOT = Actor("automation", "banyan", "automation")
LOG_ID = "5d0e" * 8
PASSED = [{"gate": "discrepancy", "verdict": "PASS", "evidence_sha256": "ab" * 32}]


def place(
    phase: str, *, weight: int = 0, step: int | None = None, held: bool = False, version: int = 0
) -> dict[str, Any]:
    return {"phase": phase, "step": step, "weight": weight, "held": held, "version": version}


DRAFT = place("draft")
DUAL_RUN = place("dual_run", version=1)
AT_5 = place("canary", step=0, weight=5, version=2)
AT_25 = place("canary", step=1, weight=25, version=3)
BACK = place("dual_run", held=True, version=4)


def move(verb: str, was: dict[str, Any] | None, now: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The fields of one entry, with its action in `action` and, if not Ada, who acted in `by`."""
    body: dict[str, Any] = {"action": f"migration:{verb}", "migration": "embeddings", "to": now}
    return {**body, "from": was, "reason": "as planned", **more}


LIFE: tuple[dict[str, Any], ...] = (
    move("create", None, DRAFT),
    move("start", DRAFT, DUAL_RUN),
    move("promote", DUAL_RUN, AT_5, verdicts=PASSED),
    {"action": "migration:in_effect", "migration": "embeddings", "place": AT_5},
    move("promote", AT_5, AT_25, verdicts=PASSED),
    {"action": "migration:denied", "migration": "embeddings", "reason": "not an operator"},
    {"action": "token:issue", "subject": "pipeline"},
    move("roll_back", AT_25, BACK),
)


def note(verb: str, **more: Any) -> dict[str, Any]:
    """The fields of an entry that moves nothing."""
    return {"action": f"migration:{verb}", "migration": "embeddings", **more}


def bodies(fields: Iterable[dict[str, Any]] = LIFE, *, log_id: str = LOG_ID) -> list[bytes]:
    """The stored bytes of a log that records `fields`, the genesis first."""
    written = [genesis_body(log_id=log_id, now=NOW)]
    for number, entry in enumerate(fields):
        body = {key: value for key, value in entry.items() if key not in ("action", "by")}
        moment, actor = NOW + timedelta(seconds=number), entry.get("by", ADA)
        written.append(entry_body(actor=actor, action=entry["action"], body=body, now=moment))
    return written


def linked(texts: Sequence[bytes], *, after: Head = NOTHING) -> list[Link]:
    """Chain bodies as the ledger does, from the entry after `after`."""
    links, prev = [], after.hash
    for seq, body in enumerate(texts, start=after.seq + 1):
        digest = entry_hash(seq, bytes.fromhex(prev), body).hex()
        links.append(Link(seq, prev, body, digest))
        prev = digest
    return links


def log(fields: Iterable[dict[str, Any]] = LIFE, *, log_id: str = LOG_ID) -> list[Link]:
    return linked(bodies(fields, log_id=log_id))


def head_of(links: Sequence[Link]) -> Head:
    return Head(links[-1].seq, links[-1].hash)


def export(links: Sequence[Link], *, log_id: str = LOG_ID, head: Head | None = None) -> list[bytes]:
    """The lines of an export of `links`."""
    texts = [header_line(log_id, head or head_of(links)), *map(export_line, links)]
    return [text.encode() for text in texts]
