"""How an entry is written down: canonical bytes, who acted, the first body, the readable columns.

Hashing and checking stand in `verify_audit`, the file that an auditor runs alone, so that what
Banyan checks and what an auditor checks is one piece of code.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, get_args

from audit.errors import NotCanonicalError
from audit.verify_audit import (
    FORMAT,
    GENESIS_ACTION,
    GENESIS_PREV,
    Checked,
    Finding,
    Head,
    Link,
    entry_hash,
    verify_chain,
)

__all__ = [
    "ACTOR_KINDS",
    "FORMAT",
    "GENESIS_ACTION",
    "GENESIS_PREV",
    "Actor",
    "ActorKind",
    "Checked",
    "Columns",
    "Finding",
    "Head",
    "Link",
    "canonical",
    "columns_of",
    "entry_body",
    "entry_hash",
    "genesis_body",
    "utc_text",
    "verify_chain",
]

ActorKind = Literal["user", "token", "automation", "host"]
ACTOR_KINDS: tuple[ActorKind, ...] = get_args(ActorKind)
RESERVED = frozenset({"action", "actor", "at"})
ACTION_MAX, ACTOR_MAX, SUBJECT_MAX = 100, 200, 200


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted: a person, a token, Banyan itself (automation), or a command on a host."""

    kind: ActorKind
    name: str
    role: str

    def __post_init__(self) -> None:
        if self.kind not in ACTOR_KINDS or not self.name:
            raise NotCanonicalError(f"no actor: kind {self.kind!r}, name {self.name!r}")


class Columns(NamedTuple):
    """What a list of entries filters by; derived from the body, and checked against it."""

    at: datetime
    action: str
    actor: str
    subject: str


def canonical(value: object) -> bytes:
    """Write `value` as the one JSON it has: sorted keys, no spaces, ASCII.

    Decimals and times become strings (times in UTC), tuples lists; lone surrogates become U+FFFD.
    Raises NotCanonicalError for NaN, infinities, naive times, keys that are no strings, and any
    other type.
    """
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def _plain(value: object) -> object:  # noqa: PLR0911 - one return for each kind of value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _whole_text(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float | Decimal):
        return _finite(value)
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(item) for item in value]
    raise NotCanonicalError(f"{type(value).__name__} has no canonical form")


def _whole_text(text: str) -> str:
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def _finite(value: float | Decimal) -> float | str:
    if not math.isfinite(value):
        raise NotCanonicalError(f"{value} is not a finite number")
    return format(value, "f") if isinstance(value, Decimal) else float(value)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise NotCanonicalError(f"the key {key!r} is not a string")
    return _whole_text(key)


def utc_text(moment: datetime) -> str:
    """Write a moment as `2026-01-31T09:30:00.000000Z`. Raises NotCanonicalError when naive."""
    if moment.tzinfo is None:
        raise NotCanonicalError(f"{moment} names no time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def entry_body(*, actor: Actor, action: str, body: Mapping[str, Any], now: datetime) -> bytes:
    """Write the body of one entry: the caller's fields with who, what and when beside them.

    Raises NotCanonicalError when the caller's fields name one of those three.
    """
    if taken := RESERVED & set(body):
        raise NotCanonicalError(f"the body may not set {sorted(taken)}")
    who = {"kind": actor.kind, "name": actor.name, "role": actor.role}
    return canonical({**body, "action": action, "actor": who, "at": now})


def genesis_body(*, log_id: str, now: datetime) -> bytes:
    """Write the first body of a log; it carries the id by which the log is known."""
    return entry_body(
        actor=Actor("host", "banyan", "system"),
        action=GENESIS_ACTION,
        body={"format": FORMAT, "log_id": log_id},
        now=now,
    )


def columns_of(body: bytes) -> Columns:
    """Derive the readable columns from stored bytes.

    The actor is `kind:name`; the subject is the migration's slug, or else the field `subject`.
    Raises ValueError when the bytes are not an entry's body.
    """
    try:
        fields = json.loads(body)
        actor = f"{fields['actor']['kind']}:{fields['actor']['name']}"
        at = datetime.fromisoformat(fields["at"])
        subject = fields.get("migration", fields.get("subject", ""))
        action = fields["action"]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not the body of an entry") from error
    return Columns(
        at,
        _column(action, ACTION_MAX),
        _column(actor, ACTOR_MAX),
        _column(subject, SUBJECT_MAX),
    )


def _column(value: object, size: int) -> str:
    """Fit a text column: PostgreSQL stores no NUL and no more than the column's size."""
    return str(value)[:size].replace("\x00", "\ufffd")
