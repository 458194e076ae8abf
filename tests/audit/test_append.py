from datetime import datetime

import pytest
from django.db import transaction

from audit import queries
from audit.chain import GENESIS_PREV
from audit.errors import DamagedLedgerError, NotCanonicalError, NotInTransactionError
from audit.models import LedgerEntry, LedgerHead
from audit.services import append
from tests.audit.builders import ADA, NOW
from tests.ledger import without_triggers


def note(text="x", **body):
    return append(actor=ADA, action="note:write", body={"text": text, **body}, now=NOW)


class RefusedError(Exception):
    """The business transaction fails after its entry was written."""


def fail_after_writing():
    with transaction.atomic():
        note("never was")
        raise RefusedError


@pytest.mark.django_db(transaction=True)
def test_an_entry_outside_a_transaction_is_refused():
    with pytest.raises(NotInTransactionError):
        note()
    assert not LedgerEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_transaction_leaves_no_gap_and_no_trace():
    with transaction.atomic():
        note("first")
    with pytest.raises(RefusedError):
        fail_after_writing()
    with transaction.atomic():
        last = note("second")
    assert last.seq == 3
    assert queries.verify().verified


@pytest.mark.django_db(transaction=True)
def test_the_very_first_append_rolled_back_leaves_an_empty_log():
    with pytest.raises(RefusedError):
        fail_after_writing()
    assert (queries.head().seq, queries.log_id()) == (0, "")
    report = queries.verify()
    assert (report.verified, report.entries) == (True, 0)


@pytest.mark.django_db
def test_a_rolled_back_savepoint_takes_its_entry_with_it():
    note("first")
    with pytest.raises(RefusedError):
        fail_after_writing()
    assert note("second").seq == 3
    assert queries.verify().verified


@pytest.mark.django_db
def test_the_log_begins_with_its_id_and_each_entry_follows_the_one_before():
    entry = note("hello", migration="embeddings")
    genesis = queries.get(1)
    assert (genesis.prev, genesis.action) == (GENESIS_PREV, "ledger:genesis")
    assert genesis.data["log_id"] == queries.log_id()
    assert (entry.seq, entry.prev) == (2, genesis.hash)
    assert (entry.actor, entry.subject, entry.at) == ("user:ada", "embeddings", NOW)
    assert queries.head() == (2, entry.hash)
    assert str(LedgerHead.objects.get()) == f"2:{entry.hash}"


@pytest.mark.django_db
def test_what_is_read_back_is_what_was_written():
    stored = queries.get(note("é \ud800 \x00", weight=5).seq)
    assert stored.data["text"] == "é \ufffd \x00"
    assert stored.data["weight"] == 5
    assert stored.who == ADA
    assert str(stored) == "2 note:write"
    assert queries.verify().verified


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [{"actor": "eve"}, {"rate": float("nan")}, {"at": NOW}, {"when": datetime(2026, 1, 1)}],  # noqa: DTZ001
)
def test_a_body_without_one_written_form_is_refused_and_writes_nothing(body):
    with pytest.raises(NotCanonicalError):
        append(actor=ADA, action="note:write", body=body, now=NOW)
    assert not LedgerEntry.objects.exists()


@pytest.mark.django_db
def test_nothing_is_appended_when_the_head_is_gone():
    note()
    with without_triggers():
        LedgerHead.objects.all().delete()
    with pytest.raises(DamagedLedgerError):
        note()


@pytest.mark.django_db
def test_nothing_is_appended_when_the_head_does_not_move_with_its_entry(monkeypatch):
    note()
    monkeypatch.setattr("audit.services._lock_head", lambda: queries.Head(7, "7" * 64))
    with without_triggers(), pytest.raises(DamagedLedgerError):
        note()
