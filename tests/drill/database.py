"""The database as a stranger reads it: plain SQL, nothing of Banyan's own code."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]


def unix(value: Any) -> float:
    """Return a stored or written time as unix seconds."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class Made:
    """A decision's row; places are the documents that the ledger holds as well."""

    from_version: int
    action: str
    from_place: dict[str, Any]
    to_place: dict[str, Any]
    actor_kind: str
    reason: str
    entry: int
    at: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A ledger entry: its number and its body."""

    seq: int
    body: dict[str, Any]

    @property
    def action(self) -> str:
        return str(self.body["action"])

    @property
    def is_move(self) -> bool:
        return "from" in self.body and "to" in self.body


class Database:
    """Read-only questions to the file; `path` may be a copy."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, sql: str) -> list[Row]:
        """Return the rows of one question."""
        link = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5)
        with closing(link):
            return list(link.execute(sql))

    def can_write(self) -> bool:
        """Whether nobody holds the write lock for longer than a moment."""
        try:
            with closing(sqlite3.connect(f"file:{self.path}?mode=rw", uri=True, timeout=0.3)) as at:
                at.execute("BEGIN IMMEDIATE")
                at.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
        return True

    def value(self, sql: str) -> Any:
        """Return the one value of the first row."""
        return self.rows(sql)[0][0]

    def decisions(self) -> list[Made]:
        """Return all decisions, oldest first."""
        sql = (
            "SELECT from_version, action, from_place, to_place, actor_kind, reason, entry_id, at "
            "FROM rollout_decision ORDER BY id"
        )
        return [
            Made(v, action, _document(a), _document(b), kind, reason, entry, unix(at))
            for v, action, a, b, kind, reason, entry, at in self.rows(sql)
        ]

    def entries(self) -> list[Entry]:
        """Return the ledger, oldest first."""
        sql = "SELECT seq, body FROM audit_ledgerentry ORDER BY seq"
        return [Entry(seq, json.loads(bytes(body))) for seq, body in self.rows(sql)]

    def migration(self) -> dict[str, Any]:
        """Return the migration's place, as ledger bodies write it."""
        row = self.rows("SELECT phase, step, weight, version, held FROM rollout_servicemigration")
        phase, step, weight, version, held = row[0]
        return {
            "phase": phase,
            "step": step,
            "weight": weight,
            "version": version,
            "held": bool(held),
        }

    def exposures(self) -> dict[int, int]:
        """Return the share of each generation's snapshot in ten-thousandths."""
        rows = self.rows("SELECT generation, exposure FROM traffic_snapshot ORDER BY generation")
        return {generation: sum(_document(text).values()) for generation, text in rows}

    def snapshot(self, generation: int) -> dict[str, Any]:
        """Return one snapshot whole."""
        return _document(
            self.value(f"SELECT document FROM traffic_snapshot WHERE generation = {generation}")
        )

    def newest_generation(self) -> int:
        """Return the generation that is asked of the proxies."""
        return int(self.value("SELECT generation FROM traffic_proxygroup"))


def _document(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return found
