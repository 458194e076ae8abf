"""The database itself refuses to alter the ledger, whoever asks and however."""

import pytest
from django.db import DatabaseError, connection, transaction

from audit import queries
from audit.chain import GENESIS_PREV, entry_hash
from audit.models import LedgerEntry, LedgerHead
from audit.triggers import LEDGER_TRIGGERS, install, missing, remove
from tests.audit.test_append import note

pytestmark = pytest.mark.django_db
VALUES = "VALUES (%s, %s, %s, %s, '2026-01-01 00:00:00+00', 'a:b', 'user:eve', '')"
INSERT = "INTO audit_ledgerentry (seq, prev, body, hash, at, action, actor, subject) " + VALUES


@pytest.fixture(autouse=True)
def three_entries():
    note("one")
    note("two")


def refused(sql, parameters=(), *, words="ledger:"):
    with pytest.raises(DatabaseError, match=words), transaction.atomic(), connection.cursor() as db:
        db.execute(sql, parameters)
    assert queries.verify().verified


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_ledgerentry SET body = body WHERE seq = 2",
        "UPDATE audit_ledgerentry SET actor = 'user:eve'",
        "UPDATE audit_ledgerentry SET seq = 9 WHERE seq = 3",
        "DELETE FROM audit_ledgerentry WHERE seq = 3",
        "DELETE FROM audit_ledgerentry",
        "DELETE FROM audit_ledgerhead",
        "UPDATE audit_ledgerhead SET seq = 2",
        "UPDATE audit_ledgerhead SET seq = 4",
        "UPDATE audit_ledgerhead SET hash = 'x'",
        "UPDATE audit_ledgerhead SET id = 2",
        "INSERT INTO audit_ledgerhead (id, seq, hash) VALUES (1, 0, '')",
    ],
)
def test_a_raw_change_is_refused(change):
    refused(change)


@pytest.mark.parametrize("table", ["audit_ledgerentry", "audit_ledgerhead"])
def test_truncate_is_refused(table):
    if connection.vendor == "postgresql":
        refused(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("verb", ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "REPLACE"])
@pytest.mark.parametrize("same", ["seq", "prev", "hash"])
def test_an_entry_is_never_replaced(verb, same):
    if connection.vendor != "sqlite" and verb != "INSERT":
        pytest.skip("this statement is SQLite's own")
    victim, head = queries.get(2), queries.head()
    row = {"seq": head.seq + 1, "prev": head.hash, "body": b"{}", "hash": "f" * 64}
    row[same] = getattr(victim, same)
    refused(f"{verb} {INSERT}", [row["seq"], row["prev"], row["body"], row["hash"]])
    assert queries.get(2).hash == victim.hash


def test_the_head_is_never_replaced():
    if connection.vendor == "sqlite":
        refused("INSERT OR REPLACE INTO audit_ledgerhead (id, seq, hash) VALUES (1, 0, '')")


@pytest.mark.parametrize("ahead", [-1, 0, 2, 100])
def test_an_entry_out_of_order_is_refused(ahead):
    head = queries.head()
    refused(f"INSERT {INSERT}", [head.seq + ahead, head.hash, b"{}", "f" * 64])


@pytest.mark.parametrize("prev", [GENESIS_PREV[:-1] + "1", ""])
def test_an_entry_that_follows_nothing_is_refused(prev):
    refused(f"INSERT {INSERT}", [queries.head().seq + 1, prev, b"{}", "f" * 64])


def test_an_upsert_changes_nothing():
    digest = entry_hash(2, bytes(32), b"{}").hex()
    upsert = f"INSERT {INSERT} ON CONFLICT (seq) DO UPDATE SET body = excluded.body"
    refused(upsert, [2, GENESIS_PREV, b"{}", digest])


@pytest.mark.parametrize(
    "change",
    [
        lambda: LedgerEntry.objects.filter(seq=2).update(actor="user:eve"),
        lambda: LedgerEntry.objects.get(seq=2).save(),
        lambda: LedgerEntry.objects.get(seq=2).delete(),
        lambda: LedgerHead.objects.all().delete(),
        lambda: LedgerHead(id=1, seq=0, hash="").save(),
    ],
)
def test_the_orm_is_refused_as_well(change):
    with pytest.raises(DatabaseError), transaction.atomic():
        change()
    assert queries.verify().verified


def test_a_missing_trigger_is_named_and_can_be_put_back():
    assert missing(connection, LEDGER_TRIGGERS) == []
    remove(connection, LEDGER_TRIGGERS[:1])
    lost = "banyan_audit_ledgerentry_never_changed"
    assert queries.verify().unguarded == (lost,)
    install(connection, LEDGER_TRIGGERS)
    assert missing(connection, LEDGER_TRIGGERS) == []
