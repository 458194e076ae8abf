"""The verifier as an auditor runs it: one copied file, nothing of Banyan beside it."""

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from audit import verify_audit
from audit.verify_audit import checkpoint_line
from tests.audit.builders import LIFE, LOG_ID, export, head_of, log
from tests.audit.signing import OLD, STRANGER, checkpoint, key, signed_export

WHOLE = log()
LAST = len(WHOLE)


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Call the verifier in this process; returns its exit code and all that it printed."""

    def call(lines, *arguments, through_stdin=False):
        path = tmp_path / "ledger.jsonl"
        path.write_bytes(b"".join(lines))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
        code = verify_audit.main(["-" if through_stdin else str(path), *arguments])
        return code, "".join(capsys.readouterr())

    return call


@pytest.mark.parametrize(("damage", "code"), [(b"ada", 0), (b"eve", 1)])
def test_the_file_runs_alone_on_a_bare_interpreter(tmp_path, damage, code):
    script = shutil.copy(verify_audit.__file__, tmp_path)
    lines = [line.replace(b"ada", damage) for line in export(WHOLE)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, "-"],
        input=b"".join(lines),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.parametrize("through_stdin", [False, True])
def test_a_whole_export_exits_0_and_says_what_was_checked(run, through_stdin):
    code, output = run(export(WHOLE), "--log-id", LOG_ID, through_stdin=through_stdin)
    assert code == 0
    assert f"{len(WHOLE)} entries" in output
    assert "4 moves of 1 migrations" in output
    assert "1 entries of an action without rules: token:issue" in output


def test_a_broken_one_exits_1_with_the_first_bad_number_and_the_kind(run):
    lines = export(WHOLE)
    code, output = run([*lines[:3], lines[3].replace(b"ada", b"eve"), *lines[4:]])
    assert code == 1
    assert "BROKEN  seq 3  kind edited" in output
    assert "2 entries before it hold" in output


def test_a_forbidden_move_exits_1(run):
    code, output = run(export(log([*LIFE[:2], {**LIFE[2], "verdicts": []}])))
    assert code == 1
    assert "BROKEN  seq 4  kind rule: promoted without a verdict" in output


def test_a_head_noted_earlier_must_still_be_in_it(run):
    short = export(WHOLE[:4])
    head = head_of(WHOLE)
    assert run(short, "--head", f"{head.seq}:{head.hash}")[0] == 1
    assert run(export(WHOLE), "--head", f"{head.seq}:{head.hash}")[0] == 0


def test_keys_and_checkpoints_noted_earlier_are_asked_for(run, tmp_path, capsys):
    own = tmp_path / "anchor"
    own.write_text(checkpoint_line(checkpoint(WHOLE[:6]).note))
    lines = signed_export(WHOLE, [checkpoint(WHOLE[:3])])
    code, output = run(lines, "--key", str(key(OLD)), "--checkpoint", str(own))
    assert code == 0
    assert f"signed by {key(OLD)}" in output
    assert "own word" not in output
    assert "own word" in run(lines)[1]
    code, output = run(lines, "--key", str(key(STRANGER)))
    assert code == 1
    assert "none of yours" in output
    with pytest.raises(SystemExit):
        run(lines, "--key", "nonsense")


def test_signatures_that_cannot_be_checked_exit_3(run, monkeypatch):
    monkeypatch.setattr(verify_audit, "find_verifier", lambda: None)
    code, output = run(signed_export(WHOLE, [checkpoint(WHOLE[:3])]))
    assert code == 3
    assert "UNCHECKED" in output


def test_a_declared_restore_is_listed(run):
    new = {"size": LAST, "head": WHOLE[-1].hash}
    body = {"old": {"size": 20, "head": "ab" * 32}, "new": new, "reason": "a disk died"}
    code, output = run(export(log([*LIFE, {"action": "ledger:restored", **body}])))
    assert code == 0
    assert f"entry {LAST + 1} declares a restore from a backup: a disk died" in output


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x00\xff\x00", b"{}\n"])
def test_what_is_no_export_exits_2(run, content):
    assert run([content])[0] == 2


def test_a_missing_file_or_a_malformed_head_exits_2(run, tmp_path, capsys):
    assert verify_audit.main([str(tmp_path / "nowhere.jsonl")]) == 2
    assert "unreadable" in capsys.readouterr().err
    with pytest.raises(SystemExit) as exit_:
        run(export(WHOLE), "--head", "12")
    assert exit_.value.code == 2


def test_it_imports_the_standard_library_only():
    text = Path(verify_audit.__file__).read_text()
    imported = {
        line.split()[1].split(".")[0]
        for line in text.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported <= set(sys.stdlib_module_names)
