"""The verbs that write entries: append, and begin, which append does by itself."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from audit import chain
from audit.chain import Actor, Head
from audit.errors import DamagedLedgerError, NotInTransactionError
from audit.models import HEAD_ID, LedgerEntry, LedgerHead


def append(*, actor: Actor, action: str, body: Mapping[str, Any], now: datetime) -> LedgerEntry:
    """Write one entry, last in the transaction of the change that it records.

    The head stays locked until that transaction ends, so entries are numbered without a gap in the
    order in which they are committed. Take other locks before; this one comes last.

    Raises NotInTransactionError outside `transaction.atomic`, NotCanonicalError for a body without
    a canonical form, DamagedLedgerError when the head is gone.
    """
    text = chain.entry_body(actor=actor, action=action, body=body, now=now)
    return _write(begin(now=now), text)


def begin(*, now: datetime) -> Head:
    """Lock the head and return it; a log without entries gets its first one.

    Raises NotInTransactionError outside `transaction.atomic`, DamagedLedgerError when the head is
    gone.
    """
    if not connections[DEFAULT_DB_ALIAS].in_atomic_block:
        raise NotInTransactionError("append() belongs into the transaction of what it records")
    head = _lock_head()
    if head.seq == 0:
        first = _write(head, chain.genesis_body(log_id=uuid.uuid4().hex, now=now))
        head = Head(first.seq, first.hash)
    return head


def _lock_head() -> Head:
    """Lock the head row. On SQLite the transaction is IMMEDIATE and holds the lock already."""
    row = LedgerHead.objects.select_for_update().filter(id=HEAD_ID).first()
    if row is None:
        raise DamagedLedgerError("the ledger's head is gone; run audit_verify")
    return Head(row.seq, row.hash)


def _write(head: Head, body: bytes) -> LedgerEntry:
    seq = head.seq + 1
    digest = chain.entry_hash(seq, bytes.fromhex(head.hash), body).hex()
    columns = chain.columns_of(body)
    entry = LedgerEntry.objects.create(
        seq=seq, prev=head.hash, body=body, hash=digest, **columns._asdict()
    )
    moved = LedgerHead.objects.filter(id=HEAD_ID, seq=head.seq).update(seq=seq, hash=digest)
    if moved != 1:
        raise DamagedLedgerError(f"the head moved from {head.seq} while it was locked")
    return entry
