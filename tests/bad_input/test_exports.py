"""Row 69: exports that are not what was exported; the verifier says where and what."""

import json

import pytest

from audit import verify_audit
from audit.verify_audit import checkpoint_line
from tests.audit.builders import export, head_of, log
from tests.audit.signing import OLD, checkpoint, key, signed_export
from tests.bad_input.conftest import row

WHOLE = log()
MARKED = 3


def edited(lines):
    return [line.replace(b"ada", b"eve", 1) for line in lines]


def crlf(lines):
    return [line.replace(b"\n", b"\r\n") for line in lines]


def spaced(lines):
    document = json.loads(lines[4])
    return [*lines[:4], json.dumps({**document, "seq": document["seq"] + 100}).encode() + b"\n"]


DAMAGE = [
    row(69, "cut", lambda x: x[:-1]),
    row(69, "cut-in-a-line", lambda x: [*x[:-1], x[-1][:-9]]),
    row(69, "head-cut", lambda x: x[1:]),
    row(69, "one-missing", lambda x: [*x[:3], *x[4:]]),
    row(69, "reordered", lambda x: [*x[:3], x[4], x[3], *x[5:]]),
    row(69, "one-twice", lambda x: [*x[:4], x[3], *x[4:]]),
    row(69, "extra-line", lambda x: [*x, b'{"seq": 99}\n']),
    row(69, "foreign-line", lambda x: [*x[:3], b"hello\n", *x[3:]]),
    row(69, "edited", edited),
    row(69, "renumbered", spaced),
    row(69, "empty", lambda x: []),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_export_is_found_with_the_place_and_the_kind(tmp_path, capsys, damage):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"".join(damage(export(WHOLE))))
    code = verify_audit.main([str(path)])
    output = "".join(capsys.readouterr())
    assert code in (1, 2)
    if code == 1:
        assert "BROKEN  seq" in output
        assert "kind" in output
    else:
        assert output.strip()


def test_line_ends_of_another_system_change_no_entry_and_hide_no_edit(tmp_path, capsys):
    """Row 69: the hash is of the body, not of the line around it."""
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"".join(crlf(export(WHOLE))))
    whole = verify_audit.main([str(path)])
    path.write_bytes(b"".join(crlf(edited(export(WHOLE)))))
    assert verify_audit.main([str(path)]) == 1
    assert whole in (0, 1)
    capsys.readouterr()


def test_an_export_of_another_log_is_not_this_one(tmp_path, capsys):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"".join(export(WHOLE)))
    assert verify_audit.main([str(path), "--log-id", "0" * 32]) == 1
    assert "kind" in "".join(capsys.readouterr())


def test_an_export_older_than_what_the_auditor_keeps_is_cut(tmp_path, capsys):
    own = tmp_path / "own"
    own.write_text(checkpoint_line(checkpoint(WHOLE).note))
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"".join(signed_export(WHOLE[:MARKED], [checkpoint(WHOLE[:MARKED])])))
    code = verify_audit.main([str(path), "--key", str(key(OLD)), "--checkpoint", str(own)])
    assert code == 1
    head = head_of(WHOLE)
    assert verify_audit.main([str(path), "--head", f"{head.seq}:{head.hash}"]) == 1
    capsys.readouterr()
