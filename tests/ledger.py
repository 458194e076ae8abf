"""Let a test database be emptied between tests, although the ledger refuses to be.

Tests that commit (`transaction=True`) end with Django's flush, which the triggers would refuse.
`ledger_flush` takes them off for the flush alone and puts them and the head back. `own_anchor`
keeps the files beside the ledger apart. A conftest turns both on by importing the fixtures.
"""

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import TransactionTestCase

from audit.chain import GENESIS_PREV
from audit.models import HEAD_ID, LedgerHead
from audit.triggers import PREFIX


@contextlib.contextmanager
def without_triggers() -> Iterator[None]:
    """Take all of Banyan's triggers off this database, as one with the right to do so could."""
    put_back = _lift_sqlite() if connection.vendor == "sqlite" else _lift_postgresql()
    try:
        yield
    finally:
        _run(put_back)


def _lift_sqlite() -> list[str]:
    rows = _rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    ours = [(name, sql) for name, sql in rows if name.startswith(PREFIX)]
    _run([f'DROP TRIGGER "{name}"' for name, _ in ours])
    return [sql for _, sql in ours]


def _lift_postgresql() -> list[str]:
    rows = _rows("SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal")
    ours = [(name, table) for name, table in rows if name.startswith(PREFIX)]
    _run([f'ALTER TABLE {table} DISABLE TRIGGER "{name}"' for name, table in ours])
    return [f'ALTER TABLE {table} ENABLE TRIGGER "{name}"' for name, table in ours]


def _rows(sql: str) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _run(statements: list[str]) -> None:
    if connection.vendor == "postgresql":
        # PostgreSQL alters no table while a deferred foreign key is yet to be checked.
        settled = ["SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED"]
        statements = [*settled, *statements]
    with transaction.atomic(), connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)


@pytest.fixture(scope="session", autouse=True)
def ledger_flush() -> Iterator[None]:
    """Make Django's flush after a committing test work on a guarded database."""
    flush = TransactionTestCase._fixture_teardown

    def teardown(case: Any) -> None:
        with without_triggers():
            flush(case)
        LedgerHead.objects.get_or_create(id=HEAD_ID, defaults={"seq": 0, "hash": GENESIS_PREV})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield


@pytest.fixture(autouse=True)
def own_anchor(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give each test a key and an anchor of its own: its ledger begins empty."""
    place = tmp_path_factory.getbasetemp() / "ledgers" / uuid.uuid4().hex
    monkeypatch.setattr(settings, "BANYAN_LEDGER_KEY", str(place / "ledger.key"))
    monkeypatch.setattr(settings, "BANYAN_LEDGER_ANCHOR", str(place / "ledger.anchor"))
