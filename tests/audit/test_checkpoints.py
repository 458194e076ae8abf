"""Signing and anchoring the stored ledger, and what is said when that cannot be done."""

import json
import os
import threading
from datetime import timedelta
from typing import ClassVar

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit import checkpoints, conf, keys, proofs, queries, stored
from audit.anchors import FileAnchor, main_anchor, within
from audit.checkpoints import checkpoint_now, rotate_key
from audit.errors import AnchorProblemError, KeyProblemError
from audit.models import Checkpoint, LedgerEntry, LedgerHead
from audit.tasks import checkpoint
from audit.verify_audit import (
    Inclusion,
    Known,
    find_verifier,
    read_key,
    read_note,
    verify_export,
    verify_inclusion,
)
from tests.audit.builders import ADA, NOW
from tests.audit.test_append import note
from tests.ledger import without_triggers

pytestmark = pytest.mark.django_db
REST = "root, head, at, key, note, nodes"
SOON, LATE = NOW + timedelta(seconds=5), NOW + timedelta(seconds=400)


@pytest.fixture(autouse=True)
def entries():
    with transaction.atomic():
        note("one")
        note("two")


def exported(**known):
    lines = [line.encode() for line in queries.export_lines()]
    return verify_export(lines, known=Known(**known), verify=find_verifier())


def anchored_sizes():
    return [each.size for each in main_anchor().read()[0]]


def test_everything_committed_is_signed_anchored_and_kept():
    state = checkpoint_now(now=SOON)
    assert (state.state, state.size, state.entries, state.reason) == ("anchored", 3, 3, "")
    assert (state.at, state.unanchored_s, state.promotion_closed) == (SOON, 0, "")
    assert anchored_sizes() == [3]
    row = stored.newest_checkpoint()
    assert (row.size, row.head, row.at) == (3, queries.head().hash, SOON)
    assert str(row) == f"3 {row.root}"
    assert read_note(row.note) == main_anchor().newest()
    result = exported(keys=[read_key(row.key)])
    assert (result.finding, result.coverage.covered) == (None, 3)
    report = queries.verify()
    assert (report.verified, report.covered, report.warnings) == (True, 3, ())


def test_the_tree_goes_on_from_where_the_last_checkpoint_stood():
    for number in range(5):
        checkpoint_now(now=SOON)
        note(f"more {number}")
    assert anchored_sizes() == [3, 4, 5, 6, 7]
    assert exported().finding is None
    assert exported().coverage.covered == 7


def test_a_log_that_did_not_grow_gets_no_second_checkpoint():
    checkpoint_now(now=SOON)
    checkpoint_now(now=SOON)
    assert anchored_sizes() == [3]
    assert Checkpoint.objects.count() == 1


def test_an_empty_log_is_not_signed():
    with without_triggers():
        LedgerEntry.objects.all().delete()
        LedgerHead.objects.update(seq=0, hash="0" * 64)
    assert checkpoint_now(now=SOON).state == "anchored"
    assert not conf.key_path().exists()


def test_the_key_is_made_on_first_use_for_its_owner_alone():
    checkpoint_now(now=SOON)
    assert conf.key_path().stat().st_mode & 0o777 == 0o600
    assert conf.key_path().parent.exists()
    assert not list(conf.key_path().parent.glob(".*"))


def test_two_who_make_the_key_at_once_get_the_same(tmp_path):
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(keys.create(tmp_path / "key")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key.public_key().public_bytes_raw() for key in made}) == 1


def spoil_mode(path):
    path.chmod(0o644)


def spoil_text(path):
    path.write_text("no key")


def spoil_kind(path):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    forms = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(*forms, serialization.NoEncryption())
    )


def spoil_owner(path):
    path.unlink()
    keys.create(path)


def spoil_path(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "is missing"),
        (spoil_mode, "open to others: chmod 600"),
        (spoil_text, "holds no private key"),
        (spoil_kind, "not an Ed25519 key"),
        (spoil_owner, "not the one in force"),
        (spoil_path, "directory"),
    ],
)
def test_decisions_go_on_without_the_key_and_it_is_said(spoil, words):
    checkpoint_now(now=NOW)
    spoil(conf.key_path())
    note("decided")
    state = checkpoint_now(now=SOON)
    assert (state.state, state.size, state.entries) == ("unanchored", 3, 4)
    assert state.reason.startswith("unanchored for 5 s: ")
    assert words in state.reason
    assert state.promotion_closed == ""
    later = checkpoint_now(now=LATE)
    assert later.unanchored_s == 400
    assert words in later.promotion_closed


def test_a_key_problem_is_told_before_anything_waits_for_it():
    checkpoint_now(now=NOW)
    conf.key_path().chmod(0o644)
    state = queries.anchored(now=SOON)
    assert (state.state, state.promotion_closed) == ("anchored", "")
    assert "chmod 600" in state.reason


def test_a_missed_checkpoint_becomes_news_after_two_minutes():
    assert queries.anchored(now=NOW + timedelta(seconds=119)).state == "anchored"
    state = queries.anchored(now=NOW + timedelta(seconds=121))
    assert (state.state, state.reason) == (
        "unanchored",
        "unanchored for 121 s: no checkpoint was made",
    )


def test_an_anchor_that_hangs_costs_seconds_and_no_decision(settings, monkeypatch):
    checkpoint_now(now=NOW)
    note("decided")
    monkeypatch.setattr(conf, "IO_SECONDS", 0.05)
    released = threading.Event()
    monkeypatch.setattr(FileAnchor, "push", lambda *_: released.wait(10))
    state = checkpoint_now(now=SOON)
    released.set()
    assert state.state == "unanchored"
    assert "no answer from the signing key or the anchor in 0.05 s" in state.reason


def test_an_anchor_that_cannot_even_be_read_leaves_what_the_database_knows(monkeypatch):
    checkpoint_now(now=NOW)
    note("decided")
    conf.anchor_path().unlink()
    conf.anchor_path().mkdir()
    state = queries.anchored(now=SOON)
    assert (state.state, state.size) == ("unanchored", 3)
    assert "Is a directory" in state.reason
    report = queries.verify()
    assert report.verified
    assert "was not looked at" in report.warnings[0]
    assert "directory" in checkpoint_now(now=SOON).reason


def test_work_within_a_time_gives_its_answer_or_its_error():
    assert within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
    with pytest.raises(AnchorProblemError):
        within(0.01, threading.Event().wait)


def test_a_lost_anchor_is_written_again():
    checkpoint_now(now=NOW)
    conf.anchor_path().unlink()
    assert queries.anchored(now=SOON).size == 0
    assert checkpoint_now(now=SOON).size == 3
    assert anchored_sizes() == [3]


def test_a_line_torn_by_a_power_failure_stays_alone_and_is_told():
    checkpoint_now(now=NOW)
    with conf.anchor_path().open("ab") as file:
        file.write(b'{"checkpoint":"banyan.led')
    note("more")
    assert checkpoint_now(now=SOON).size == 4
    assert anchored_sizes() == [3, 4]
    assert queries.verify().warnings == ("the anchor has 1 lines that are no checkpoints",)


def test_an_older_checkpoint_is_no_news_to_the_anchor():
    checkpoint_now(now=NOW)
    first = main_anchor().newest()
    note("more")
    checkpoint_now(now=NOW)
    main_anchor().push(first)
    assert anchored_sizes() == [3, 4]


def test_a_locked_anchor_is_waited_for_a_while(monkeypatch):
    import fcntl

    checkpoint_now(now=NOW)
    note("more")
    monkeypatch.setattr(conf, "IO_SECONDS", 0.05)
    with conf.anchor_path().open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        newest = main_anchor().newest()._replace(size=99)
        with pytest.raises(AnchorProblemError, match="locked by another"):
            main_anchor().push(newest)


def test_of_two_who_sign_the_same_size_the_second_changes_nothing(monkeypatch):
    checkpoint_now(now=NOW)
    note("more")
    plan = checkpoints._plan()
    checkpoint_now(now=NOW)
    checkpoints._carry_out(plan, SOON)
    assert anchored_sizes() == [3, 4]
    assert stored.newest_checkpoint().at == NOW
    assert exported().finding is None


class Refusing:
    name = "the bucket"

    def newest(self):
        return None

    def push(self, _checkpoint):
        raise OSError("403")


class Keeping(Refusing):
    kept: ClassVar[list[int]] = []

    def push(self, checkpoint):
        self.kept.append(checkpoint.size)


def test_further_anchors_get_it_too_and_one_that_fails_is_named(settings):
    names = [f"{__name__}.{each.__name__}" for each in (Refusing, Keeping)]
    settings.BANYAN_LEDGER_ANCHORS = names
    Keeping.kept = []
    state = checkpoint_now(now=SOON)
    assert (state.size, Keeping.kept) == (3, [3])
    assert state.reason == "further anchors failed: the bucket: 403"
    settings.BANYAN_LEDGER_ANCHORS = ["nowhere.at_all"]
    assert "BANYAN_LEDGER_ANCHORS" in checkpoint_now(now=SOON).reason


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_nothing_is_signed():
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        checkpoint_now(now=NOW)
    assert anchored_sizes() == []


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE audit_ledgerentry SET actor = 'user:eve' WHERE seq = 4", "entry 4 does not hold"),
        ("DELETE FROM audit_ledgerentry WHERE seq = 4", "entry 4 does not hold"),
        ("UPDATE audit_ledgerhead SET hash = 'ab'", "the head is not the last entry"),
        ("UPDATE audit_checkpoint SET nodes = '" + "ab" * 64 + "'", "checkpoint was altered"),
        ("UPDATE audit_checkpoint SET nodes = 'x'", "checkpoint was altered"),
        ("UPDATE audit_checkpoint SET note = 'x'", "checkpoint was altered"),
    ],
)
def test_what_does_not_hold_is_never_signed(sql, words):
    checkpoint_now(now=NOW)
    note("three")
    note("four")
    with without_triggers(), connection.cursor() as db:
        db.execute(sql)
    state = checkpoint_now(now=SOON)
    assert state.size == 3
    assert words in state.reason
    assert anchored_sizes() == [3]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_checkpoint SET at = at",
        "DELETE FROM audit_checkpoint",
        f"INSERT INTO audit_checkpoint SELECT 2, {REST} FROM audit_checkpoint",
        f"INSERT INTO audit_checkpoint SELECT 9, {REST} FROM audit_checkpoint",
    ],
)
def test_the_database_refuses_to_alter_checkpoints(sql):
    checkpoint_now(now=NOW)
    with pytest.raises(DatabaseError, match="ledger:"), transaction.atomic():
        connection.cursor().execute(sql)


def test_the_database_refuses_to_replace_or_empty_checkpoints():
    checkpoint_now(now=NOW)
    sql = "TRUNCATE audit_checkpoint"
    if connection.vendor == "sqlite":
        sql = "INSERT OR REPLACE INTO audit_checkpoint SELECT * FROM audit_checkpoint"
    with pytest.raises(DatabaseError, match="ledger:"), transaction.atomic():
        connection.cursor().execute(sql)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("UPDATE audit_checkpoint SET root = 'ab'", "edited"),
        ("UPDATE audit_checkpoint SET note = 'hello'", "edited"),
        ("UPDATE audit_checkpoint SET note = replace(note, 'time 2026', 'time 2025')",
         "bad_signature"),
        ("UPDATE audit_checkpoint SET key = 'none'", None),  # the key file still says which
        ("DELETE FROM audit_checkpoint", None),  # the anchor still has it
    ],
)  # fmt: skip
def test_an_altered_checkpoint_is_found(sql, kind):
    checkpoint_now(now=NOW)
    with without_triggers(), connection.cursor() as db:
        db.execute(sql)
    report = queries.verify()
    assert report.kind == kind
    assert report.first_bad_seq == (3 if kind else None)


def test_a_key_that_never_signed_is_not_the_ledgers():
    checkpoint_now(now=NOW)
    spoil_owner(conf.key_path())
    assert queries.verify().kind == "bad_signature"


def test_the_task_makes_a_checkpoint_and_says_how_it_went():
    assert checkpoint().startswith("anchored 3/3")
    conf.key_path().chmod(0o644)
    note("more")
    assert "unanchored 3/4 unanchored for" in checkpoint()


def test_after_a_rotation_both_keys_sign_once_and_then_the_new_one_alone():
    checkpoint_now(now=NOW)
    old = keys.load(conf.key_path())
    new, state = rotate_key(actor=ADA, reason="yearly", now=SOON)
    assert (state.size, state.reason) == (4, "")
    assert keys.public_key(keys.load(conf.key_path()), new.name) == new
    assert not keys.next_path(conf.key_path()).exists()
    note("after")
    checkpoint_now(now=SOON)
    assert [len(each.signatures) for each in main_anchor().read()[0]] == [1, 2, 1]
    for trusted in (new, keys.public_key(old, new.name)):
        assert exported(keys=[trusted]).finding is None
    assert queries.verify().verified
    assert stored.keys() == [keys.public_key(old, new.name), new]


def test_a_rotation_that_was_interrupted_is_finished_by_the_next_checkpoint(monkeypatch):
    checkpoint_now(now=NOW)
    with monkeypatch.context() as broken:
        broken.setattr(FileAnchor, "push", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            rotate_key(actor=ADA, reason="yearly", now=NOW)
    with monkeypatch.context() as broken:
        broken.setattr(checkpoints, "_retire", lambda _key: None)
        assert checkpoint_now(now=SOON).size == 4
    assert keys.next_path(conf.key_path()).exists()
    note("after")
    assert checkpoint_now(now=SOON).reason == ""
    assert not keys.next_path(conf.key_path()).exists()
    assert [len(each.signatures) for each in main_anchor().read()[0]] == [1, 2, 1]
    assert queries.verify().verified


def test_a_lost_key_is_followed_by_one_that_others_must_be_told():
    checkpoint_now(now=NOW)
    conf.key_path().unlink()
    with pytest.raises(KeyProblemError):
        rotate_key(actor=ADA, reason="yearly", now=SOON)
    new, state = rotate_key(actor=ADA, reason="disk died", now=SOON, lost=True)
    assert (state.size, state.reason) == (4, "")
    assert exported().finding.kind == "bad_signature"
    assert exported(keys=[new]).finding is None
    assert queries.verify().verified


def test_there_is_nothing_to_rotate_before_the_first_checkpoint():
    with pytest.raises(KeyProblemError, match="nothing to rotate"):
        rotate_key(actor=ADA, reason="x", now=NOW)


def test_a_key_that_is_not_in_force_cannot_hand_over():
    checkpoint_now(now=NOW)
    spoil_owner(conf.key_path())
    with pytest.raises(KeyProblemError, match="not the one in force"):
        rotate_key(actor=ADA, reason="x", now=NOW)


def test_the_command_rotates_and_prints_the_new_key(capsys):
    with pytest.raises(CommandError, match="nothing to rotate"):
        call_command("audit_rotate_key", reason="yearly")
    checkpoint_now(now=NOW)
    call_command("audit_rotate_key", reason="yearly")
    assert str(stored.keys()[-1]) in capsys.readouterr().out
    conf.anchor_path().unlink()
    conf.anchor_path().mkdir()
    call_command("audit_rotate_key", reason="again")
    assert "warning: unanchored" in capsys.readouterr().err


def test_the_commands_warn_when_nothing_could_be_signed(capsys):
    with without_triggers(), connection.cursor() as db:
        db.execute("UPDATE audit_ledgerentry SET actor = '' WHERE seq = 2")
    with pytest.raises(CommandError, match="no checkpoint yet"):
        call_command("audit_checkpoint")
    printed = capsys.readouterr().err
    assert "warning: unanchored" in printed
    assert "entry 2 does not hold" in printed


def test_an_entry_is_proved_to_be_in_the_signed_tree():
    checkpoint_now(now=NOW)
    row, entry = stored.newest_checkpoint(), queries.get(2)
    claim = Inclusion(1, row.size, bytes.fromhex(entry.hash), bytes.fromhex(row.root))
    assert verify_inclusion(claim, proofs.inclusion(seq=2, size=row.size))
    assert proofs.consistency(old=0, new=3) == []
    with pytest.raises(IndexError):
        proofs.inclusion(seq=2, size=4)


def test_a_successor_that_belongs_to_no_rotation_signs_nothing():
    checkpoint_now(now=NOW)
    rotate_key(actor=ADA, reason="yearly", now=NOW)
    keys.create(keys.next_path(conf.key_path()))
    note("more")
    assert checkpoint_now(now=SOON).reason == ""
    assert main_anchor().newest().size == 5


def test_the_command_prints_a_checkpoint_or_a_line_for_the_witness(capsys):
    call_command("audit_checkpoint")
    assert read_note(capsys.readouterr().out).size == 3
    note("more")
    call_command("audit_checkpoint", since=3)
    line = json.loads(capsys.readouterr().out)
    assert read_note(line["checkpoint"]).size == 4
    assert len(line["proof"]) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a file unreadable to itself")
def test_a_key_of_mode_000_is_no_problem_for_root_but_is_one_for_others():
    checkpoint_now(now=NOW)
    conf.key_path().chmod(0)
    assert queries.anchored(now=SOON).state == "anchored"


def test_a_key_that_cannot_be_read_is_said(monkeypatch, tmp_path):
    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(KeyProblemError, match="Permission denied"):
        keys.load(tmp_path / "key")


@pytest.mark.parametrize("verb", [keys.create, keys.create_anew])
def test_a_key_that_cannot_be_written_is_said(verb, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(KeyProblemError, match=r"Not a directory|File exists"):
        verb(tmp_path / "file" / "key")


def test_a_successor_that_cannot_take_its_place_is_said(tmp_path):
    with pytest.raises(KeyProblemError, match="No such file"):
        keys.replace(tmp_path / "key", tmp_path / "none")


def test_the_start_warns_of_a_key_open_to_others_and_of_an_anchor_that_is_none(settings):
    def warned():
        return [each.id for each in run_checks(tags=["audit"])]

    assert warned() == []
    checkpoint_now(now=NOW)
    assert warned() == []
    conf.key_path().chmod(0o644)
    settings.BANYAN_LEDGER_ANCHORS = ["nowhere.at_all"]
    assert warned() == ["audit.W001", "audit.W002"]
