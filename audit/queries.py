"""Reading the ledger: filtered pages, one entry, the export, and the check of all of it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from json import dumps
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, QuerySet, TextField, Value
from django.db.models.sql.compiler import SQLCompiler

from audit.chain import ACTOR_KINDS, Finding, Head, Link, columns_of, verify_chain
from audit.models import HEAD_ID, LedgerEntry, LedgerHead
from audit.triggers import LEDGER_TRIGGERS, missing
from audit.verify_audit import (
    EDITED,
    MISSING,
    UNCOVERED,
    Replay,
    export_line,
    first_of,
    header_line,
    read_object,
)

PAGE_SIZE, PAGE_SIZE_MAX = 50, 500
READ_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Filters:
    """What to list; an empty field does not filter, and all that are set must hold.

    `actor` is a name, or `kind:name`. `action` is a whole action, or a subject with its colon
    (`migration:`). `text` is looked for anywhere in the body, ASCII letters in either case.
    `since` is included, `until` is not; both with a time zone.
    """

    actor: str = ""
    action: str = ""
    subject: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first; `before` asks for the next page, None on the last one."""

    entries: tuple[LedgerEntry, ...]
    before: int | None


class _BodyText(Func):
    """The stored body as text, on either database; the body is ASCII, so no byte can fail."""

    output_field = TextField()
    template = "CAST(%(expressions)s AS TEXT)"

    def as_postgresql(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,
        **context: Any,
    ) -> tuple[str, Sequence[Any]]:
        """Read bytes as Latin-1, which has a character for every byte but 0."""
        template = "convert_from(%(expressions)s, 'LATIN1')"
        return self.as_sql(compiler, connection, template=template, **context)


def list_entries(
    *, filters: Filters | None = None, before: int | None = None, size: int = PAGE_SIZE
) -> Page:
    """Return one page of entries, newest first, below the number `before`.

    Pages don't shift while the log grows: they are cut by number, not by offset.
    """
    size = max(1, min(size, PAGE_SIZE_MAX))
    rows = _filtered(filters or Filters())
    if before is not None:
        rows = rows.filter(seq__lt=before)
    found = tuple(rows.order_by("-seq")[: size + 1])
    return Page(found[:size], found[size - 1].seq if len(found) > size else None)


def _filtered(filters: Filters) -> QuerySet[LedgerEntry]:
    rows = _in_period(LedgerEntry.objects.all(), filters)
    if filters.actor:
        kind, colon, _ = filters.actor.partition(":")
        whole = bool(colon) and kind in ACTOR_KINDS
        names = [filters.actor] if whole else [f"{each}:{filters.actor}" for each in ACTOR_KINDS]
        rows = rows.filter(actor__in=names)
    if filters.action.endswith(":"):
        rows = rows.filter(action__startswith=filters.action)
    elif filters.action:
        rows = rows.filter(action=filters.action)
    if filters.subject:
        rows = rows.filter(subject=filters.subject)
    if filters.text:
        # As the body is written: non-ASCII characters and quotes are escaped in it.
        rows = rows.alias(text=_BodyText(F("body")))
        rows = rows.filter(text__icontains=Value(dumps(filters.text)[1:-1]))
    return rows


def _in_period(rows: QuerySet[LedgerEntry], filters: Filters) -> QuerySet[LedgerEntry]:
    if filters.since:
        rows = rows.filter(at__gte=filters.since)
    return rows.filter(at__lt=filters.until) if filters.until else rows


def get(seq: int) -> LedgerEntry:
    """Return the entry with this number. Raises LedgerEntry.DoesNotExist."""
    return LedgerEntry.objects.get(seq=seq)


def head() -> Head:
    """Return number and hash of the newest entry; number 0 before the first one."""
    row = LedgerHead.objects.filter(id=HEAD_ID).first()
    return Head(row.seq, row.hash) if row else Head(0, "")


def log_id() -> str:
    """Return the id of this log; empty before the first entry."""
    first = LedgerEntry.objects.filter(seq=1).first()
    fields = read_object(bytes(first.body)) if first else None
    return str((fields or {}).get("log_id", ""))


@dataclass(frozen=True, slots=True)
class Report:
    """What a check of the stored ledger found.

    `entries` are the good ones from the start; `kind`, `first_bad_seq` and `text` say what comes
    after them. `unguarded` names triggers that the database lacks: nothing was altered, but could
    be. `moves` and `unknown` (by action) come from the replay of the rules.
    """

    entries: int
    verified: bool
    first_bad_seq: int | None
    kind: str | None
    text: str
    head: Head
    seconds: float
    moves: int
    unknown: dict[str, int]
    unguarded: tuple[str, ...]


def verify() -> Report:
    """Check every stored entry: hashes, order, readable columns, head, and the rules of the moves.

    Reads in batches outside any transaction, so nobody waits for it, however long the log is.
    """
    began = time.monotonic()
    before, replay = head(), Replay()
    checked = verify_chain(_replayed(replay), known=(before,))
    finding = first_of(checked.finding or _head_finding(checked.head), replay.finding)
    return Report(
        entries=min(checked.entries, finding.seq - 1 if finding else checked.entries),
        verified=finding is None,
        first_bad_seq=finding.seq if finding else None,
        kind=finding.kind if finding else None,
        text=finding.text if finding else "",
        head=checked.head,
        seconds=time.monotonic() - began,
        moves=replay.moves,
        unknown=dict(replay.unknown),
        unguarded=tuple(missing(connection, LEDGER_TRIGGERS)),
    )


def _head_finding(last: Head) -> Finding | None:
    """Compare the last entry with the head as it is now, at least as new as that entry."""
    now = head()
    if not now.hash:
        return Finding(MISSING, last.seq + 1, "the head is gone")
    if now.seq < last.seq:
        return Finding(UNCOVERED, now.seq + 1, f"the head says {now.seq} entries, there are more")
    return None


def _replayed(replay: Replay) -> Iterator[Link]:
    for link in stored_links():
        yield link
        replay.feed(link.seq, link.body)


def stored_links(*, until: int | None = None) -> Iterator[Link]:
    """Yield every stored entry in order, up to the number `until`; altered columns are flawed."""
    after = None
    while True:
        rows = LedgerEntry.objects.order_by("seq")
        rows = rows.filter(seq__gt=after) if after is not None else rows
        rows = rows.filter(seq__lte=until) if until is not None else rows
        batch = rows.values_list("seq", "prev", "body", "hash", "at", "action", "actor", "subject")
        links = [_link(row) for row in batch[:READ_AT_ONCE]]
        yield from links
        if len(links) < READ_AT_ONCE:
            return
        after = links[-1].seq


def _link(row: tuple[int, str, bytes | memoryview, str, datetime, str, str, str]) -> Link:
    """Build a link from a row; on SQLite a column holds any type, so text may stand for bytes."""
    seq, prev, body, digest, *columns = row
    if isinstance(body, str):
        return Link(seq, prev, body.encode(), digest, EDITED)
    try:
        agrees = list(columns_of(bytes(body))) == columns
    except ValueError:
        agrees = False
    return Link(seq, prev, bytes(body), digest, "" if agrees else EDITED)


def export_lines() -> Iterator[str]:
    """Yield the export: a header with log id and head, then one line for each entry up to it.

    Entries are written as they are stored, altered ones too: what is wrong is for the verifier.
    """
    now = head()
    yield header_line(log_id(), now)
    for link in stored_links(until=now.seq):
        yield export_line(link)
