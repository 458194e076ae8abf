"""A table that the ledger guards: its phase and weight change only with a new entry."""

import pytest
from django.db import DatabaseError, connection, transaction

from audit.triggers import entry_required, install
from tests.audit.test_append import note

pytestmark = pytest.mark.django_db
TABLE = "guarded_thing"
TRIGGERS = entry_required(
    table=TABLE, columns=["phase", "weight"], begins={"phase": "draft", "weight": 0}
)


@pytest.fixture(autouse=True)
def guarded():
    first = note()
    run(
        f"CREATE TABLE {TABLE} (id integer PRIMARY KEY, phase text, weight integer, title text,"
        " last_audit_seq bigint UNIQUE REFERENCES audit_ledgerentry (seq)"
        " DEFERRABLE INITIALLY DEFERRED)"
    )
    install(connection, TRIGGERS)
    run(f"INSERT INTO {TABLE} VALUES (1, 'draft', 0, 'x', {first.seq})")
    yield
    run("SET CONSTRAINTS ALL IMMEDIATE" if connection.vendor == "postgresql" else "SELECT 1")
    run(f"DROP TABLE {TABLE}")


def run(sql):
    with transaction.atomic(), connection.cursor() as db:
        db.execute(sql)
        if connection.vendor == "postgresql":
            db.execute("SET CONSTRAINTS ALL IMMEDIATE")
        connection.check_constraints()


def update(setting):
    run(f"UPDATE {TABLE} SET {setting} WHERE id = 1")


def test_a_change_with_a_new_entry_is_allowed():
    entry = note()
    update(f"weight = 5, phase = 'canary', last_audit_seq = {entry.seq}")


def test_other_columns_are_free():
    update("title = 'y'")
    update("title = 'z', weight = 0")


@pytest.mark.parametrize(
    "setting",
    [
        "weight = 5",
        "weight = NULL",
        "phase = 'full'",
        "weight = 5, last_audit_seq = last_audit_seq",
        "weight = 5, last_audit_seq = 1",
        "weight = 5, last_audit_seq = NULL",
        "last_audit_seq = 1",
        "last_audit_seq = NULL",
        "weight = 5, last_audit_seq = 999",
    ],
)
def test_a_change_without_an_entry_of_its_own_is_refused(setting):
    with pytest.raises(DatabaseError):
        update(setting)


def test_one_entry_serves_one_change_only():
    entry = note()
    run(f"INSERT INTO {TABLE} VALUES (2, 'draft', 0, 'x', NULL)")
    update(f"weight = 5, last_audit_seq = {entry.seq}")
    with pytest.raises(DatabaseError):
        run(f"UPDATE {TABLE} SET weight = 5, last_audit_seq = {entry.seq} WHERE id = 2")
    with pytest.raises(DatabaseError):
        update(f"weight = 25, last_audit_seq = {entry.seq}")


@pytest.mark.parametrize(
    "statement",
    [
        f"DELETE FROM {TABLE}",
        f"INSERT INTO {TABLE} VALUES (2, 'canary', 5, 'x', NULL)",
        f"INSERT INTO {TABLE} VALUES (2, 'draft', 5, 'x', NULL)",
        f"INSERT INTO {TABLE} VALUES (2, 'draft', NULL, 'x', NULL)",
        f"INSERT INTO {TABLE} VALUES (1, 'draft', 0, 'x', NULL)",
    ],
)
def test_a_row_is_never_deleted_and_begins_at_the_beginning(statement):
    with pytest.raises(DatabaseError):
        run(statement)


def test_a_row_is_never_replaced_or_truncated():
    ways = {
        "sqlite": f"INSERT OR REPLACE INTO {TABLE} VALUES (1, 'draft', 0, 'y', 2)",
        "postgresql": f"TRUNCATE {TABLE}",
    }
    with pytest.raises(DatabaseError):
        run(ways[connection.vendor])
