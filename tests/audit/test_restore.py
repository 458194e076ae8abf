"""A database older than its anchor: promotion freezes, a person declares it, the log goes on."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit import conf, keys, queries
from audit.anchors import main_anchor
from audit.chain import entry_hash
from audit.checkpoints import checkpoint_now, declare_restore
from audit.errors import NothingToRestoreError
from audit.verify_audit import Known, find_verifier, verify_export, without_lost
from tests.audit.builders import ADA, NOW
from tests.audit.test_append import note
from tests.ledger import without_triggers

pytestmark = pytest.mark.django_db
SOON = NOW + timedelta(seconds=5)


@pytest.fixture(autouse=True)
def grown():
    """Five entries; checkpoints at 3 and 5."""
    note("one")
    note("two")
    checkpoint_now(now=NOW)
    note("three")
    note("four")
    checkpoint_now(now=NOW)


def restore_to(seq):
    """Put the database back to where it had `seq` entries, as a backup would."""
    with without_triggers(), connection.cursor() as db:
        db.execute("DELETE FROM audit_checkpoint WHERE size > %s", [seq])
        db.execute("DELETE FROM audit_ledgerentry WHERE seq > %s", [seq])
        hash_ = f"COALESCE((SELECT hash FROM audit_ledgerentry WHERE seq = {seq}), '{'0' * 64}')"
        db.execute(f"UPDATE audit_ledgerhead SET seq = %s, hash = {hash_}", [seq])


def freeze():
    state = queries.anchored(now=SOON)
    assert state.state == "freeze"
    assert state.promotion_closed == state.reason
    return state.reason


def declare(reason="db1 died"):
    return declare_restore(actor=ADA, reason=reason, now=SOON)


def test_a_restored_database_freezes_and_is_not_signed():
    restore_to(4)
    assert "vouches for 5 entries" in freeze()
    assert checkpoint_now(now=SOON).state == "freeze"
    assert main_anchor().newest().size == 5
    report = queries.verify()
    assert (report.kind, report.first_bad_seq, report.entries) == ("cut", 5, 4)


def test_a_restored_database_that_grew_past_its_anchor_is_still_found():
    restore_to(4)
    for number in range(3):
        note(f"after {number}")
    assert "entry 5 is another one" in freeze()
    report = queries.verify()
    assert (report.kind, report.first_bad_seq) == ("forked", 5)


def test_a_database_that_was_replaced_is_found():
    restore_to(0)
    assert "keeps another log" in freeze()
    note("new")
    assert "the database was replaced" in freeze()


def test_an_anchor_line_that_nobody_signed_freezes_rather_than_hides_what_is_behind_it():
    forged = main_anchor().newest()._replace(size=99)
    main_anchor().push(forged)
    assert "signed by no key" in freeze()


def test_a_rewritten_entry_under_the_anchor_freezes():
    entry = queries.get(5)
    body = bytes(entry.body).replace(b"four", b"five")
    digest = entry_hash(5, bytes.fromhex(entry.prev), body).hex()
    with without_triggers(), connection.cursor() as db:
        db.execute("UPDATE audit_ledgerentry SET body = %s, hash = %s WHERE seq = 5",
                   [body, digest])  # fmt: skip
        db.execute("UPDATE audit_ledgerhead SET hash = %s", [digest])
    assert "it was rewritten" in freeze()
    report = queries.verify()
    assert (report.kind, report.first_bad_seq) == ("forked", 5)


@pytest.mark.parametrize(("kept", "grew"), [(4, 0), (3, 0), (4, 4), (2, 0), (0, 0)])
def test_a_declared_restore_goes_on_and_shows_what_was_lost(kept, grew):
    restore_to(kept)
    for number in range(grew):
        note(f"after {number}")
    before, lost = queries.head(), main_anchor().newest()
    entry, state = declare()
    first = max(before.seq, 1)  # a log begins with its id
    assert entry.seq == first + 1
    assert entry.data["old"]["head"] == lost.head
    assert entry.data["new"]["size"] == first
    assert (state.state, state.size, state.reason) == ("anchored", entry.seq, "")
    newest = main_anchor().newest()
    assert (newest.size, newest.lost) == (entry.seq, lost.newest)
    report = queries.verify()
    assert report.verified, report.text
    assert report.covered == entry.seq
    note("onwards")
    assert checkpoint_now(now=SOON).reason == ""
    assert main_anchor().newest().lost is None
    assert queries.verify().verified


def test_who_kept_a_lost_checkpoint_is_told_of_the_restore():
    kept = main_anchor().newest()
    restore_to(4)
    declare("db1 died")
    lines = [line.encode() for line in queries.export_lines()]
    mine = Known(checkpoints=[kept])
    finding = verify_export(lines, known=mine, verify=find_verifier()).finding
    assert (finding.kind, finding.seq) == ("forked", 5)
    assert "db1 died" in finding.text
    whole = Known(checkpoints=without_lost(main_anchor().read()[0]))
    assert verify_export(lines, known=whole, verify=find_verifier()).finding is None


def test_between_the_entry_and_its_checkpoint_the_declaration_counts_already():
    restore_to(4)
    conf.key_path().rename(hidden := conf.key_path().with_name("hidden"))
    _, state = declare()
    assert state.state == "unanchored"
    assert "is missing" in state.reason
    assert (state.size, state.entries) == (3, 5)
    hidden.rename(conf.key_path())
    assert checkpoint_now(now=SOON).reason == ""


def test_a_second_restore_can_be_declared_as_well():
    restore_to(4)
    declare()
    note("more")
    checkpoint_now(now=SOON)
    restore_to(3)
    freeze()
    declare("again")
    assert queries.verify().verified
    assert queries.anchored(now=SOON).state == "anchored"


def test_nothing_is_declared_while_database_and_anchor_agree():
    with pytest.raises(NothingToRestoreError):
        declare()
    conf.anchor_path().unlink()
    with pytest.raises(NothingToRestoreError):
        declare()


def test_the_command_declares_it_and_says_what_was_given_up(capsys):
    with pytest.raises(CommandError, match="agree"):
        call_command("audit_restore", reason="x")
    restore_to(4)
    call_command("audit_restore", reason="db1 died")
    printed = capsys.readouterr().out
    assert "entry 5: the log goes on after 4; what the anchor has up to 5 is given up" in printed
    assert "anchored: 5 of 5" in printed
    restore_to(4)
    conf.key_path().chmod(0o644)
    call_command("audit_restore", reason="once more")
    assert "chmod 600" in capsys.readouterr().err


def test_a_restore_to_before_a_rotation_needs_the_key_changed_once_more():
    from audit.checkpoints import rotate_key

    rotate_key(actor=ADA, reason="yearly", now=NOW)
    restore_to(4)
    _, state = declare()
    assert "not the one in force" in state.reason
    new, state = rotate_key(actor=ADA, reason="after the restore", now=SOON, lost=True)
    assert state.reason == ""
    assert keys.public_key(keys.load(conf.key_path()), new.name) == new
    assert queries.verify().verified
