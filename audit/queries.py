"""Reading the ledger: filtered pages, one entry, the export, how it is anchored, its check."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from json import dumps
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, QuerySet, TextField, Value
from django.db.models.sql.compiler import SQLCompiler

from audit.anchoring import Anchored, anchored, glance
from audit.chain import ACTOR_KINDS, Head
from audit.models import Checkpoint, LedgerEntry
from audit.stored import head, keys, links, log_id
from audit.verification import Report, verify
from audit.verify_audit import checkpoint_line, export_line, header_line

__all__ = [
    "PAGE_SIZE",
    "PAGE_SIZE_MAX",
    "Anchored",
    "Filters",
    "Head",
    "Page",
    "Report",
    "anchored",
    "export_lines",
    "get",
    "glance",
    "head",
    "list_entries",
    "log_id",
    "verify",
]

PAGE_SIZE, PAGE_SIZE_MAX = 50, 500


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


def export_lines() -> Iterator[str]:
    """Yield the export: a header, the signed checkpoints, then one line for each entry up to it.

    Everything is written as it is stored, altered ones too: what is wrong is for the verifier.
    """
    now = head()
    rows = Checkpoint.objects.filter(size__lte=now.seq).order_by("size")
    notes = list(rows.values_list("note", flat=True))
    yield header_line(log_id(), now, len(notes), [str(key) for key in keys()])
    yield from map(checkpoint_line, notes)
    yield from map(export_line, links(until=now.seq))
