"""Who may drop the triggers can still not alter the ledger unseen."""

import io
from contextlib import redirect_stdout

import pytest
from django.core.management import call_command
from django.db import connection

from audit import queries
from audit.chain import entry_hash
from audit.verify_audit import Known, verify_export
from tests.audit.test_append import note
from tests.ledger import without_triggers

pytestmark = pytest.mark.django_db
HEAD_BACK_TO_3 = (
    "UPDATE audit_ledgerhead SET seq = 3, hash = (SELECT hash FROM audit_ledgerentry WHERE seq = 3)"
)


@pytest.fixture(autouse=True)
def five_entries():
    for number in range(4):
        note(f"note {number}", migration="embeddings")


def tamper(*statements):
    with without_triggers(), connection.cursor() as db:
        for sql, *parameters in statements:
            db.execute(sql, parameters)


def rewritten(seq):
    """An UPDATE that leaves the entry consistent in itself, hash and all."""
    entry = queries.get(seq)
    body = bytes(entry.body).replace(b'"note ', b'"Note ')
    digest = entry_hash(seq, bytes.fromhex(entry.prev), body).hex()
    return ("UPDATE audit_ledgerentry SET body = %s, hash = %s WHERE seq = %s", body, digest, seq)


@pytest.mark.parametrize(
    ("kind", "seq", "statements"),
    [
        ("edited", 3, ["UPDATE audit_ledgerentry SET body = '{}' WHERE seq = 3"]),
        ("edited", 3, ["UPDATE audit_ledgerentry SET hash = 'ab' WHERE seq = 3"]),
        ("edited", 3, ["UPDATE audit_ledgerentry SET prev = 'ab' WHERE seq = 3"]),
        ("edited", 2, ["UPDATE audit_ledgerentry SET actor = 'user:eve' WHERE seq = 2"]),
        ("edited", 2, ["UPDATE audit_ledgerentry SET action = 'note:read' WHERE seq = 2"]),
        ("edited", 2, ["UPDATE audit_ledgerentry SET subject = '' WHERE seq = 2"]),
        ("edited", 1, ["UPDATE audit_ledgerentry SET at = '2020-01-01 00:00:00+00'"]),
        ("missing", 1, ["DELETE FROM audit_ledgerentry WHERE seq = 1"]),
        ("missing", 3, ["DELETE FROM audit_ledgerentry WHERE seq = 3"]),
        ("cut", 5, ["DELETE FROM audit_ledgerentry WHERE seq = 5"]),
        ("cut", 1, ["DELETE FROM audit_ledgerentry"]),
        ("missing", 6, ["DELETE FROM audit_ledgerhead"]),
        ("uncovered", 4, [HEAD_BACK_TO_3]),
        ("forked", 5, ["UPDATE audit_ledgerhead SET hash = 'ab'"]),
        ("edited", 3, [
            "UPDATE audit_ledgerentry SET seq = 99 WHERE seq = 3",
            "UPDATE audit_ledgerentry SET seq = 3 WHERE seq = 4",
            "UPDATE audit_ledgerentry SET seq = 4 WHERE seq = 99"]),
    ],
)  # fmt: skip
def test_a_raw_change_is_found_at_its_place(kind, seq, statements):
    tamper(*[(sql,) for sql in statements])
    report = queries.verify()
    assert (report.verified, report.kind, report.first_bad_seq) == (False, kind, seq)
    assert report.entries <= seq - 1
    assert report.text


@pytest.mark.parametrize(("seq", "kind"), [(3, "edited"), (5, "forked")])
def test_an_entry_rewritten_with_its_hash_is_found(seq, kind):
    tamper(rewritten(seq))
    report = queries.verify()
    assert (report.kind, report.first_bad_seq) == (kind, seq)


def test_a_body_of_another_type_is_found():
    if connection.vendor == "sqlite":
        tamper(("UPDATE audit_ledgerentry SET body = CAST(body AS TEXT) WHERE seq = 4",))
        assert queries.verify().first_bad_seq == 4


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[]", b""])
def test_an_export_of_an_altered_ledger_is_still_written_and_tells(body):
    tamper(("UPDATE audit_ledgerentry SET body = %s WHERE seq IN (1, 3)", body))
    lines = [line.encode() for line in queries.export_lines()]
    assert len(lines) == 6
    assert verify_export(lines).finding.seq == 1


def exported(*arguments):
    printed = io.StringIO()
    with redirect_stdout(printed):
        call_command(*arguments, stdout=printed)
    return printed.getvalue()


def test_the_exported_ledger_is_verified_without_the_database():
    text = exported("audit_export")
    assert "\r" not in text
    result = verify_export(text.encode().splitlines(keepends=True), known=Known(queries.log_id()))
    assert result.finding is None
    assert result.checked.head == queries.head()


def test_the_command_exits_0_on_a_whole_ledger():
    assert "verified  5 entries" in exported("audit_verify")


def test_the_command_exits_1_and_says_where_and_what(capsys):
    tamper(("UPDATE audit_ledgerentry SET actor = 'user:eve' WHERE seq = 2",))
    with pytest.raises(SystemExit) as exit_:
        call_command("audit_verify")
    assert exit_.value.code == 1
    assert "BROKEN  seq 2  kind edited" in capsys.readouterr().out


def test_the_command_warns_of_a_missing_trigger(capsys):
    with without_triggers():
        call_command("audit_verify")
    assert "lacks the trigger banyan_audit_ledgerentry_never_changed" in capsys.readouterr().err


def test_the_admin_shows_the_ledger_and_lets_nobody_touch_it(rf):
    from django.contrib.admin import site

    from audit.models import LedgerEntry

    page = site.get_model_admin(LedgerEntry)
    request = rf.get("/")
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request, None)
    assert not page.has_delete_permission(request, None)
