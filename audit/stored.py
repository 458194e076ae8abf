"""What the database holds of the ledger, as the chain's own types: for the check and the signer."""

from collections.abc import Iterator
from datetime import datetime

from audit.chain import Head, Link, columns_of
from audit.models import HEAD_ID, Checkpoint, LedgerEntry, LedgerHead
from audit.verify_audit import EDITED, Key, UnreadableError, read_key, read_object

READ_AT_ONCE = 2_000


def head() -> Head:
    """Return number and hash of the newest entry; number 0 before the first one."""
    row = LedgerHead.objects.filter(id=HEAD_ID).first()
    return Head(row.seq, row.hash) if row else Head(0, "")


def log_id() -> str:
    """Return the id of this log; empty before the first entry."""
    first = LedgerEntry.objects.filter(seq=1).first()
    fields = read_object(bytes(first.body)) if first else None
    return str((fields or {}).get("log_id", ""))


def hash_at(seq: int) -> str:
    """Return the hash of an entry; empty when there is none."""
    return LedgerEntry.objects.filter(seq=seq).values_list("hash", flat=True).first() or ""


def links(*, after: int | None = None, until: int | None = None) -> Iterator[Link]:
    """Yield stored entries in order, beyond `after` and up to `until`; altered columns are flawed.

    Reads in batches, each a statement of its own.
    """
    while True:
        rows = LedgerEntry.objects.order_by("seq")
        rows = rows.filter(seq__gt=after) if after is not None else rows
        rows = rows.filter(seq__lte=until) if until is not None else rows
        batch = rows.values_list("seq", "prev", "body", "hash", "at", "action", "actor", "subject")
        found = [_link(row) for row in batch[:READ_AT_ONCE]]
        yield from found
        if len(found) < READ_AT_ONCE:
            return
        after = found[-1].seq


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


def newest_checkpoint() -> Checkpoint | None:
    """Return the newest checkpoint that the database knows."""
    return Checkpoint.objects.order_by("-size").first()


def keys() -> list[Key]:
    """Return the public keys of all checkpoints, in the order in which they came into use."""
    found: dict[str, Key] = {}
    for text in Checkpoint.objects.order_by("size").values_list("key", flat=True).iterator():
        if text not in found:
            found[text] = _key(text)
    return [key for key in found.values() if key.public]


def _key(text: str) -> Key:
    """Read a key; an altered one is nobody's, and what it signed will be found unsigned."""
    try:
        return read_key(text)
    except UnreadableError:
        return Key("", b"")
