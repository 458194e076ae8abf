"""Log files are read only where that is allowed, from where they ended, across rotation."""

import os

import pytest

from judge.verdict import Verdict
from shadow.checks.base import Route, Subject
from shadow.checks.logs import gathering
from shadow.checks.logs.check import LOG_FORMAT
from shadow.checks.logs.redaction import redacted_line
from shadow.checks.logs.tail import MAX_LINE, Tail, TailError
from tests.shadow.checks.log_lines import lines
from tests.shadow.checks.probed import serving


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "logs"
    root.mkdir()
    return root


def tail(path, root):
    return Tail(str(path), roots=[str(root)])


def test_only_whole_lines_written_since_are_new(root):
    file = root / "a.log"
    file.write_text("old\nhal")
    reading = tail(file, root)
    assert reading.new_lines() == []
    with file.open("a") as more:
        more.write("f\nnew\r\n\nlast without end")
    assert reading.new_lines() == ["f", "new"]
    with file.open("a") as more:
        more.write("!\n")
    assert reading.new_lines() == ["last without end!"]
    assert reading.old_lines() == ["old"]


def test_a_rotated_and_a_truncated_file_are_read_from_their_beginning(root):
    file = root / "a.log"
    file.write_text("old\n" * 50)
    reading = tail(file, root)
    file.rename(root / "a.log.1")
    file.write_text("rotated\n")
    assert reading.new_lines() == ["rotated"]
    os.truncate(file, 0)
    with file.open("a") as more:
        more.write("new\n")
    assert reading.new_lines() == ["new"]


def test_lines_are_cut_and_undecodable_bytes_shown(root):
    file = root / "a.log"
    file.write_bytes(b"")
    reading = tail(file, root)
    file.write_bytes(b"\xff\x00\n" + b"x" * 20_000 + b"\n")
    shown, cut = reading.new_lines()
    assert shown == "\ufffd\ufffd"
    assert len(cut) == MAX_LINE


def test_nothing_outside_the_allowed_directories_is_read(root, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x\n")
    (root / "link.log").symlink_to(secret)
    (root / "inner").mkdir()
    (tmp_path / "logs-not").mkdir()
    (tmp_path / "logs-not" / "a.log").write_text("x\n")
    os.mkfifo(root / "pipe.log")
    for path in (
        secret,
        root / ".." / "secret",
        root / "link.log",
        tmp_path / "logs-not" / "a.log",
        root / "inner",
        root / "pipe.log",
        root / "absent.log",
        "/proc/self/environ",
    ):
        with pytest.raises(TailError):
            tail(path, root)
    with pytest.raises(TailError, match="BANYAN_LOG_ROOTS"):
        Tail(str(secret), roots=[])


def test_a_link_within_the_allowed_directory_is_followed(root):
    (root / "a.log").write_text("x\n")
    (root / "link.log").symlink_to(root / "a.log")
    assert tail(root / "link.log", root).old_lines() == ["x"]


def subject(root, settings=None, **changes):
    values = {
        "name": "embeddings",
        "legacy_url": "http://127.0.0.1:9",
        "candidate_url": "http://127.0.0.1:9",
        "log_roots": (str(root),),
        "settings": {"ask": False, "wait_s": 0, **(settings or {})},
    }
    return Subject(**{**values, **changes})


def files(root):
    return {side: {"file": str(root / f"{side}.log")} for side in ("legacy", "candidate")}


def silent(share, words):
    """Progress that nobody hears."""


def test_a_quiet_service_is_judged_by_its_older_lines(root):
    (root / "legacy.log").write_text("\n".join(lines()) + "\n")
    (root / "candidate.log").write_text("\n".join(lines(duration_ms=None)) + "\n")
    result = LOG_FORMAT.run(subject(root, files(root)), silent)
    assert result.verdict is Verdict.FAIL
    assert result.details["sources"]["legacy"] == "file, older lines too"


def test_new_lines_count_alone_when_there_are_enough(root, monkeypatch):
    (root / "legacy.log").write_text("\n".join(lines()) + "\n")
    (root / "candidate.log").write_text("\n".join(lines(duration_ms=None)) + "\n")

    def write(subject):
        for side in ("legacy", "candidate"):
            with (root / f"{side}.log").open("a") as more:
                more.write("\n".join(lines()) + "\n")

    monkeypatch.setattr(gathering, "ask_both", write)
    result = LOG_FORMAT.run(subject(root, {**files(root), "ask": True}), silent)
    assert result.verdict is Verdict.PASS, result.sentence
    assert result.details["sources"] == dict.fromkeys(("legacy", "candidate"), "file, new lines")


def test_posted_lines_are_judged_where_no_file_is_named(root):
    logs = {"legacy": tuple(lines()), "candidate": tuple(lines())}
    assert LOG_FORMAT.run(subject(root, logs=logs), silent).verdict is Verdict.PASS


def test_without_lines_the_result_says_how_to_bring_some(root):
    result = LOG_FORMAT.run(subject(root), silent)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any("post some to logs/legacy/" in advice for advice in result.advice)
    outside = {"legacy": {"file": "/etc/hostname"}}
    result = LOG_FORMAT.run(subject(root, outside), silent)
    assert any("BANYAN_LOG_ROOTS" in advice for advice in result.advice)


@pytest.mark.enable_socket
def test_both_are_asked_the_same_and_only_safe_routes(root):
    with serving("legacy-1") as legacy, serving("candidate-1") as candidate:
        seen = {"a": [], "b": []}
        for name, service in (("a", legacy), ("b", candidate)):
            service.answers = _Noting(seen[name])
        routes = (Route("POST", "/pay", safe_to_duplicate=False),)
        urls = {"legacy_url": legacy.url, "candidate_url": candidate.url}
        gathering.ask_both(subject(root, routes=routes, **urls))
    assert sorted(seen["a"]) == sorted(seen["b"])
    assert {path for path in seen["a"] if isinstance(path, str)} == {"/healthz", gathering.NOWHERE}


class _Noting(dict):
    """Answers every path with 200 and notes what was asked."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def __contains__(self, key):
        self.seen.append(key if isinstance(key, str) else key[0])
        return True

    def __getitem__(self, key):
        return 200, {}


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (
            '{"authorization":"Bearer abc","status":200}',
            '{"authorization":"[redacted]","status":200}',
        ),
        ('{"req":{"headers":[{"cookie":"a=b"}]}}', '{"req":{"headers":[{"cookie":"[redacted]"}]}}'),
        ('{"user":"olga","n":1}', '{"user":"[redacted]","n":1}'),
        ("level=info api_key=abc123 took=3ms", "level=info api_key=[redacted] took=3ms"),
        ('user="olga m" n=1', 'user="[redacted]" n=1'),
        ("sent authorization: secret-thing, done", "sent authorization: [redacted], done"),
        ("header Bearer abcdefghi used", "header Bearer [redacted] used"),
        ("card 4111 1111 1111 1111", "card [redacted]"),
        ('{"status": 200}', '{"status": 200}'),
        ("an ordinary line", "an ordinary line"),
    ],
)
def test_secrets_are_replaced_and_other_lines_kept_as_they_are(line, kept):
    assert redacted_line(line, ["user"]) == kept
