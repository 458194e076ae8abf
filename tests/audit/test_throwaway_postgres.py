"""The throw-away PostgreSQL of the test suite comes up, answers, and leaves nothing behind."""

import contextlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests import postgres

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]


def start(*command):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.postgres", "--", *command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def servers():
    """Directories of throw-away servers that some process still names."""
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return {part for line in commands for part in line.split(b"\x00") if b"banyan-pg-" in part}


def test_it_serves_on_a_socket_only_and_is_gone_afterwards():
    with postgres.throwaway_postgres() as url:
        with psycopg.connect(url.replace("postgres://", "postgresql://")) as db:
            assert db.execute("SHOW listen_addresses").fetchone() == ("",)
            assert db.execute("SHOW server_encoding").fetchone() == ("UTF8",)
            directory = Path(db.execute("SHOW unix_socket_directories").fetchone()[0])
        assert directory.exists()
    assert not directory.exists()
    assert not any(str(directory).encode() in line for line in servers())


@pytest.mark.parametrize("code", [0, 7])
def test_the_command_sees_the_database_and_its_exit_code_is_passed_on(code):
    program = f"import os, sys; print(os.environ['BANYAN_DATABASE_URL']); sys.exit({code})"
    process = start(sys.executable, "-c", program)
    out, _ = process.communicate(timeout=60)
    assert out.startswith("postgres://banyan@%2F")
    assert process.returncode == code


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_does_not_outlive_its_caller(how):
    program = "import os, sys; print(os.environ['BANYAN_DATABASE_URL']); sys.stdin.read()"
    with start(sys.executable, "-u", "-c", program) as process:
        url = process.stdout.readline().strip().replace("postgres://", "postgresql://")
        with contextlib.closing(psycopg.connect(url, autocommit=True)) as db:
            process.send_signal(how)
            with pytest.raises(psycopg.OperationalError):
                ask_until_gone(db)
            # A caller that was killed outright left its directory; the server may still tidy up.
            shutil.rmtree(db.info.host, ignore_errors=True)


def ask_until_gone(db):
    while True:
        db.execute("SELECT pg_sleep(0.02)")


def test_without_postgres_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(postgres.shutil, "which", lambda name: None)
    monkeypatch.setattr(postgres.Path, "glob", lambda *_: iter(()))
    with pytest.raises(postgres.NoPostgresError, match="apt-get install postgresql"):
        postgres.find_program("initdb")


def test_no_command_is_a_usage_error():
    assert postgres.main([]) == 2
