"""An export with checkpoints: who signed it, up to where, and what an auditor already knew."""

import json
import shutil
import subprocess
import sys

import pytest

from audit import verify_audit
from audit.verify_audit import (
    BAD_SIGNATURE,
    CUT,
    EDITED,
    FORKED,
    REORDERED,
    RULE,
    UNCOVERED,
    WRONG_LOG,
    Head,
    Known,
    UnreadableError,
    checkpoint_line,
    find_verifier,
    is_signed_by,
    read_checkpoint_line,
    read_checkpoints,
    read_key,
    read_note,
    verify_export,
    without_lost,
)
from tests.audit.builders import LIFE, bodies, head_of, linked, log
from tests.audit.signing import NEW, OLD, STRANGER, checkpoint, key, signed_export

WHOLE = log()  # nine entries
AT_3, AT_6 = checkpoint(WHOLE[:3]), checkpoint(WHOLE[:6])
BOTH = (AT_3, AT_6)
VERIFY = find_verifier()


def verified(lines, *, checkpoints=(), keys=(), heads=(), verify=VERIFY):
    known = Known(heads=heads, checkpoints=checkpoints, keys=keys)
    return verify_export(lines, known=known, verify=verify)


def found(lines, **options):
    finding = verified(lines, **options).finding
    return (finding.kind, finding.seq) if finding else None


def test_a_signed_export_is_verified_up_to_its_last_checkpoint():
    result = verified(signed_export(WHOLE, BOTH), keys=[key(OLD)], checkpoints=[AT_3])
    assert result.finding is None
    assert (result.coverage.covered, result.coverage.in_force) == (6, [key(OLD)])


def test_a_key_and_a_checkpoint_read_back_as_they_were_written():
    assert read_key(str(key(OLD))) == key(OLD)
    assert read_note(AT_6.note) == AT_6
    assert read_note(AT_6.note).newest == head_of(WHOLE[:6])
    again = checkpoint(WHOLE[:6], lost=Head(9, "ab" * 32), kept=3)
    assert read_note(again.note) == again
    assert "restored 9 " in again.text


def test_the_note_is_one_that_other_tools_of_c2sp_read():
    lines = AT_6.note.split("\n")
    assert lines[0] == "banyan.ledger/" + "5d0e" * 8
    assert lines[1] == "6"
    assert lines[5] == ""
    assert lines[6].startswith(f"— {lines[0]} ")


@pytest.mark.parametrize("text", ["", "a+b+c", str(key(OLD))[:-2], str(key(OLD)).replace("+", "-"),
                                  "x" + str(key(OLD))])  # fmt: skip
def test_what_is_no_key_is_unreadable(text):
    with pytest.raises(UnreadableError):
        read_key(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n6\n", "\n06\n"), ("\n6\n", "\n-6\n"), ("\n6\n", "\n0\n"), ("head ", "heap "),
        ("time ", "at "), ("\n\n", "\n"), ("—", "-"), ("banyan.ledger/", "elsewhere/"),
        ("\n", "\r\n"), ("=\n", "\n"),
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_unreadable(old, new):
    note = AT_6.note.replace(old, new, 1)
    assert note != AT_6.note
    with pytest.raises(UnreadableError):
        read_note(note)
    assert found([*signed_export(WHOLE, BOTH)[:2], checkpoint_line(note).encode()]) == (EDITED, 3)


def test_a_root_with_loose_last_bits_is_not_the_one_that_was_written():
    root = AT_6.note.split("\n")[2]
    loose = root[:-2] + chr(ord(root[-2]) + 1) + "="
    with pytest.raises(UnreadableError):
        read_note(AT_6.note.replace(root, loose))


def test_a_signature_of_nobody_is_nobodys():
    torn = AT_6._replace(signatures=(AT_6.signatures[0][:-8],))
    assert not is_signed_by(torn, key(OLD), VERIFY)
    assert not is_signed_by(AT_6, key(STRANGER), VERIFY)


@pytest.mark.parametrize(
    "changes",
    [{"root": "ab" * 32}, {"at": "2026-02-02T00:00:00.000000Z"}, {"head": "cd" * 32}, {"size": 5},
     {"lost": Head(9, "ab" * 32)}],
)  # fmt: skip
def test_an_altered_checkpoint_has_no_signature(changes):
    altered = AT_6._replace(**changes)
    assert found(signed_export(WHOLE, [AT_3, altered])) == (BAD_SIGNATURE, altered.size)


def test_a_checkpoint_by_another_key_is_not_the_ledgers():
    by_other = checkpoint(WHOLE[:6], STRANGER)
    assert found(signed_export(WHOLE, [AT_3, by_other])) == (BAD_SIGNATURE, 6)
    assert found(signed_export(WHOLE, [AT_3, by_other], keys=[OLD, STRANGER])) == (BAD_SIGNATURE, 6)
    assert found(signed_export(WHOLE, [by_other])) == (BAD_SIGNATURE, 6)


def test_a_checkpoint_of_another_log_is_not_of_this_one():
    other = log(log_id="beef" * 8)
    foreign = checkpoint(other[:6], log_id="beef" * 8)
    assert found(signed_export(WHOLE, [AT_3, foreign])) == (WRONG_LOG, 6)


def rewritten(first):
    """The same log, rewritten with all its hashes from entry `first` on."""
    texts = bodies()
    changed = [text.replace(b"ada", b"eve") for text in texts[first - 1 :]]
    return linked([*texts[: first - 1], *changed])


@pytest.mark.parametrize(("first", "seq"), [(2, 3), (3, 3), (4, 6), (5, 6), (6, 6)])
def test_a_history_rewritten_to_its_end_contradicts_the_next_checkpoint(first, seq):
    finding = verified(signed_export(rewritten(first), BOTH)).finding
    assert (finding.kind, finding.seq) == (FORKED, seq)
    assert finding.first <= first <= finding.seq
    assert (f"somewhere in {finding.first} to {seq}" in finding.text) == (finding.first < seq)


def test_a_history_rewritten_after_the_last_checkpoint_is_found_by_a_later_one_kept_elsewhere():
    forged = rewritten(8)
    assert found(signed_export(forged, BOTH)) is None
    mine = checkpoint(WHOLE)
    assert found(signed_export(forged, BOTH), checkpoints=[mine]) == (FORKED, 9)


@pytest.mark.parametrize("kept", [3, 5])
def test_a_tail_cut_below_a_checkpoint_is_found(kept):
    assert found(signed_export(WHOLE[:kept], BOTH)) == (CUT, kept + 1)
    # Without that checkpoint in it the export looks whole, save for who kept one.
    alone = signed_export(WHOLE[:kept], [AT_3])
    assert found(alone) is None
    assert found(alone, checkpoints=[AT_6]) == (CUT, kept + 1)


def test_a_root_that_is_not_the_trees_is_found_though_it_was_signed():
    wrong = checkpoint(WHOLE[:6], root="ab" * 32)
    assert found(signed_export(WHOLE, [AT_3, wrong])) == (FORKED, 6)


def test_two_signed_views_of_one_size_cannot_both_be_this_log():
    forged = checkpoint(rewritten(4)[:6])
    assert found(signed_export(WHOLE, BOTH), checkpoints=[forged]) == (FORKED, 6)


def test_a_rule_broken_before_a_checkpoint_is_named_first():
    links = log([*LIFE[:2], {**LIFE[2], "verdicts": []}, *LIFE[3:4]])
    assert found(signed_export(links, [checkpoint(links)])) == (RULE, 4)
    # A checkpoint of another history says more: somewhere up to it the log was rewritten.
    assert found(signed_export(links, [checkpoint(WHOLE[:5])])) == (FORKED, 5)


def test_checkpoints_out_of_order_twice_or_too_few_are_found():
    assert found(signed_export(WHOLE, BOTH[::-1])) == (REORDERED, 0)
    assert found(signed_export(WHOLE, [AT_3, AT_3])) == (REORDERED, 0)
    lines = signed_export(WHOLE, BOTH)
    assert found([*lines[:2], *lines[3:]]) == (EDITED, 3)
    assert found([lines[0], *lines[3:]]) == (EDITED, 0)
    assert found([*lines[:3], lines[2], *lines[3:]]) == (EDITED, 1)


def test_a_checkpoint_written_another_way_is_an_edit():
    line = json.dumps({"checkpoint": AT_6.note}).encode() + b"\n"
    with pytest.raises(UnreadableError, match="rewritten"):
        read_checkpoint_line(line)


def test_an_auditors_own_key_must_have_signed():
    lines = signed_export(WHOLE, BOTH)
    assert found(lines, keys=[key(OLD)]) is None
    assert found(lines, keys=[key(STRANGER)]) == (BAD_SIGNATURE, 6)
    assert found(signed_export(WHOLE, []), keys=[key(OLD)]) == (UNCOVERED, 1)
    forged = [checkpoint(WHOLE[:3], STRANGER)]
    assert found(signed_export(WHOLE, forged, keys=[STRANGER])) is None
    assert found(signed_export(WHOLE, forged, keys=[STRANGER]), keys=[key(OLD)])


def rotation(**more):
    body = {"old": str(key(OLD)), "new": str(key(NEW)), "lost": False, "reason": "yearly"}
    return {"action": "ledger:rotate_key", **body, **more}


def rotated(**more):
    """Entry 4 changes the key."""
    return log([*LIFE[:2], rotation(**more), *LIFE[2:6]])


TURNED = rotated()
HANDOVER = [checkpoint(TURNED[:3]), checkpoint(TURNED[:5], OLD, NEW), checkpoint(TURNED[:6], NEW)]


def test_a_rotation_is_followed_when_both_keys_signed_it():
    lines = signed_export(TURNED, HANDOVER, keys=[OLD, NEW])
    for mine in ([], [key(OLD)], [key(NEW)]):
        result = verified(lines, keys=mine)
        assert result.finding is None
        assert result.coverage.in_force == [key(OLD), key(NEW)]


@pytest.mark.parametrize(
    ("signers", "size"),
    [
        ([(OLD,), (NEW,), (NEW,)], 5),  # the old key did not hand over
        ([(OLD,), (OLD,), (NEW,)], 5),  # the new one did not take over
        ([(OLD,), (OLD, NEW), (OLD,)], 6),  # the old key signs beyond its end
        ([(NEW,), (OLD, NEW), (NEW,)], 4),  # the new key signed before its time
        ([(OLD,), (OLD, STRANGER), (NEW,)], 5),
    ],
)
def test_a_key_signs_only_within_its_time(signers, size):
    sizes = (3, 5, 6)
    made = [checkpoint(TURNED[:end], *by) for end, by in zip(sizes, signers, strict=True)]
    assert found(signed_export(TURNED, made, keys=[OLD, NEW])) == (BAD_SIGNATURE, size)


def test_a_key_after_a_lost_one_is_believed_only_when_the_auditor_knows_it():
    links = rotated(lost=True)
    made = [checkpoint(links[:3]), checkpoint(links[:5], NEW)]
    lines = signed_export(links, made, keys=[OLD, NEW])
    assert found(lines) == (BAD_SIGNATURE, 4)
    assert found(lines, keys=[key(OLD)]) == (BAD_SIGNATURE, 4)
    assert found(lines, keys=[key(NEW)]) is None


def test_a_rotation_to_no_key_at_all_is_found():
    links = rotated(new="none")
    assert found(signed_export(links, HANDOVER[:1])) == (BAD_SIGNATURE, 4)


def test_a_rotation_before_the_first_checkpoint_needs_no_old_signature():
    links = rotated()
    assert found(signed_export(links, [checkpoint(links, NEW)], keys=[NEW])) is None


def test_a_key_that_a_forged_history_only_names_has_not_signed_it():
    forged = [*LIFE[:4], rotation(old=str(key(STRANGER)), new=str(key(OLD)))]
    links = log(forged)
    lines = signed_export(links, [checkpoint(links[:4], STRANGER)], keys=[STRANGER, OLD])
    assert found(lines) is None
    assert found(lines, keys=[key(OLD)]) == (BAD_SIGNATURE, 4)


def test_of_a_rotation_nothing_is_said_where_signatures_cannot_be_checked():
    lines = signed_export(rotated(lost=True), [], keys=[OLD])
    assert found(lines, verify=None) is None


def test_a_checkpoint_beyond_the_end_that_nobody_signed_is_named_as_such():
    forged = checkpoint(WHOLE, STRANGER)
    assert found(signed_export(WHOLE[:6], BOTH), checkpoints=[forged]) == (BAD_SIGNATURE, 9)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_and_cryptography_agree(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    by_openssl = find_verifier()
    assert by_openssl is not VERIFY
    assert found(signed_export(WHOLE, BOTH), verify=by_openssl) is None
    altered = AT_6._replace(at="2026-02-02T00:00:00.000000Z")
    assert found(signed_export(WHOLE, [AT_3, altered]), verify=by_openssl) == (BAD_SIGNATURE, 6)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert find_verifier() is None


def test_a_public_key_of_no_curve_point_verifies_nothing():
    assert not VERIFY(b"\xff" * 31, b"\x00" * 64, b"")
    assert not VERIFY(key(OLD).public, b"\x00" * 64, b"")


def test_words_about_a_rotation_in_another_entry_change_no_key():
    note = {"action": "note:write", "text": "ledger:rotate_key", "new": str(key(NEW))}
    links = log([*LIFE[:2], note, *LIFE[2:]])
    assert found(signed_export(links, [checkpoint(links[:3]), checkpoint(links)])) is None


def test_what_a_restore_gave_up_is_told_beside_what_is_missing():
    old, head = WHOLE[:6], WHOLE[:4]
    body = {
        "action": "ledger:restored",
        "old": {"size": 6, "head": old[-1].hash},
        "new": {"size": 4, "head": head[-1].hash},
        "reason": "db1 died",
    }
    links = [*head, *linked([bodies([body])[1]], after=head_of(head))]
    after = checkpoint(links, lost=head_of(old), kept=3)
    lines = signed_export(links, [AT_3, after])
    assert found(lines) is None
    finding = verified(lines, checkpoints=[AT_6]).finding
    assert (finding.kind, finding.seq) == (CUT, 6)
    assert "entry 5 declares a restore" in finding.text
    assert "db1 died" in finding.text
    # The anchor's own lines say which of them were given up.
    assert without_lost([AT_3, AT_6, after]) == [AT_3, after]
    assert found(lines, checkpoints=without_lost([AT_3, AT_6, after])) is None
    assert without_lost([AT_3, after]) == [AT_3, after]


def test_without_ed25519_everything_else_is_still_checked():
    result = verified(signed_export(WHOLE, BOTH), verify=None)
    assert (result.finding, result.signed, result.coverage.covered) == (None, False, 6)
    assert found(signed_export(rewritten(4), BOTH), verify=None) == (FORKED, 6)


def test_a_file_of_checkpoints_is_one_note_or_lines_of_an_anchor():
    lines = "".join(checkpoint_line(each.note) for each in BOTH).encode()
    assert read_checkpoints(lines) == [*BOTH]
    assert read_checkpoints(lines + b'{"checkp') == [*BOTH]
    assert read_checkpoints(AT_6.note.encode()) == [AT_6]
    for text in (b"hello\n", b"\xff\n", b"{}\n"):
        with pytest.raises(UnreadableError):
            read_checkpoints(text)


def run(tmp_path, *arguments, lines, isolated=False, path=None):
    export = tmp_path / "ledger.jsonl"
    export.write_bytes(b"".join(lines))
    script = shutil.copy(verify_audit.__file__, tmp_path)
    flags = ["-I", "-S"] if isolated else []
    return subprocess.run(
        [sys.executable, *flags, script, str(export), *arguments],
        capture_output=True,
        check=False,
        text=True,
        env={"PATH": path} if path else None,
    )


@pytest.fixture
def anchor(tmp_path):
    place = tmp_path / "anchor"
    place.write_text("".join(checkpoint_line(each.note) for each in BOTH))
    return str(place)


def test_the_script_checks_signatures_with_what_it_finds(tmp_path, anchor):
    lines, mine = signed_export(WHOLE, BOTH), ("--key", str(key(OLD)), "--checkpoint", anchor)
    done = run(tmp_path, *mine, lines=lines)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cover it up to 6; the 3 after that" in done.stdout
    assert "own word" not in done.stdout
    assert "own word" in run(tmp_path, lines=lines).stdout
    # A bare interpreter has no `cryptography`: openssl, or else it says what it could not do.
    with_openssl = run(tmp_path, *mine, lines=lines, isolated=True)
    assert with_openssl.returncode == (0 if shutil.which("openssl") else 3)
    without = run(tmp_path, *mine, lines=lines, isolated=True, path="/nowhere")
    assert without.returncode == 3
    assert "UNCHECKED" in without.stdout


def test_the_script_finds_a_forged_signature_with_openssl_too(tmp_path):
    lines = signed_export(WHOLE, [AT_3, AT_6._replace(at="2026-02-02T00:00:00.000000Z")])
    for isolated in (False, True):
        done = run(tmp_path, lines=lines, isolated=isolated and bool(shutil.which("openssl")))
        assert done.returncode == 1
        assert "seq 6  kind bad_signature" in done.stdout


def test_the_script_says_when_what_it_was_given_is_no_key_or_checkpoint(tmp_path):
    lines = signed_export(WHOLE, BOTH)
    assert run(tmp_path, "--key", "x", lines=lines).returncode == 2
    assert run(tmp_path, "--checkpoint", str(tmp_path / "none"), lines=lines).returncode == 2
    (tmp_path / "bad").write_text("hello\n")
    assert run(tmp_path, "--checkpoint", str(tmp_path / "bad"), lines=lines).returncode == 2


def test_the_script_lists_restores_and_needs_no_checkpoint(tmp_path):
    done = run(tmp_path, lines=signed_export(WHOLE, []))
    assert done.returncode == 0
    assert "0 checkpoints cover it up to 0" in done.stdout
