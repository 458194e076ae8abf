"""The witness: a checkpoint that shrinks, or does not contain the last, is refused."""

import io
import json
import shutil
import subprocess
import sys

import pytest

from audit import verify_audit, witness
from audit.verify_audit import consistency_proof, read_note
from audit.witness import main, refusal
from tests.audit.builders import bodies, linked, log
from tests.audit.signing import OLD, STRANGER, checkpoint, key, leaves

WHOLE = log()
FORGED = linked([text.replace(b"ada", b"eve") for text in bodies()])
AT_3, AT_6, AT_9 = (checkpoint(WHOLE[:size]) for size in (3, 6, 9))


def proof(links, old):
    return consistency_proof(leaves(links), old)


@pytest.mark.parametrize(
    ("words", "last", "new", "nodes"),
    [
        ("", None, AT_3, []),
        ("", AT_3, AT_6, proof(WHOLE[:6], 3)),
        ("", AT_6, AT_6, []),
        ("shrank from 6 to 3", AT_6, AT_3, []),
        ("do not begin with the 3", AT_3, AT_6, []),
        ("do not begin with the 3", AT_3, AT_6, proof(WHOLE, 3)),
        ("do not begin with the 3", AT_3, checkpoint(FORGED[:6]), proof(FORGED[:6], 3)),
        ("do not begin with the 6", AT_6, checkpoint(FORGED[:6]), []),
        ("not signed by", None, checkpoint(WHOLE, STRANGER), []),
        ("not signed by", None, checkpoint(log(log_id="beef"), log_id="beef"), []),
    ],
)
def test_a_checkpoint_is_accepted_only_when_it_grew_out_of_the_last(words, last, new, nodes):
    said = refusal(last, new, nodes, key(OLD))
    assert words in said
    assert bool(words) == bool(said)


def test_without_ed25519_nothing_is_accepted(monkeypatch):
    monkeypatch.setattr(verify_audit, "find_verifier", lambda: None)
    assert "openssl" in refusal(None, AT_3, [], key(OLD))


@pytest.fixture
def told(tmp_path, monkeypatch):
    place = tmp_path / "last.txt"

    def tell(new, nodes=(), *, line=None):
        text = {"checkpoint": new.note, "proof": [node.hex() for node in nodes]}
        monkeypatch.setattr(sys, "stdin", io.StringIO(line or json.dumps(text)))
        return main([str(key(OLD)), str(place)]), place

    return tell


def test_the_program_keeps_what_it_accepted_and_goes_on_from_there(told, capsys):
    assert told(AT_3)[0] == 0
    assert told(AT_6, proof(WHOLE[:6], 3))[0] == 0
    code, place = told(AT_3)
    assert code == 1
    assert "REFUSED it shrank" in capsys.readouterr().err
    assert read_note(place.read_text()) == AT_6


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"checkpoint":"x","proof":[]}',
                                  '{"checkpoint":1,"proof":[]}'])  # fmt: skip
def test_what_is_no_checkpoint_is_refused(told, line, capsys):
    assert told(AT_3, line=line or " ")[0] == 1
    assert "unreadable" in capsys.readouterr().err


def test_it_runs_from_two_copied_files(tmp_path):
    for module in (witness, verify_audit):
        shutil.copy(module.__file__, tmp_path)
    line = json.dumps({"checkpoint": AT_3.note, "proof": []})
    done = subprocess.run(
        [sys.executable, "witness.py", str(key(OLD)), "last.txt"],
        input=line,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert read_note((tmp_path / "last.txt").read_text()) == AT_3
