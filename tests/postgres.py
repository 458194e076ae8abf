"""A throw-away PostgreSQL: in a temporary directory, on a unix socket, gone afterwards.

    python -m tests.postgres -- pytest tests/audit

starts one, sets BANYAN_DATABASE_URL, runs the command and exits with its code. Durability is off.
PostgreSQL refuses to run as root, so a root caller's server runs as `postgres`, or else `nobody`.
"""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote

import psycopg

START_SECONDS = 30
PR_SET_PDEATHSIG = 1
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=")
# What was acknowledged survives a kill of the server, though not of the machine.
SURE = ("fsync=off", "synchronous_commit=on", "full_page_writes=off", "listen_addresses=")


class NoPostgresError(Exception):
    """PostgreSQL is not installed, or did not start; the message says which."""


def find_program(name: str) -> Path:
    """Find a PostgreSQL program on the PATH or where Debian puts them, the newest version first."""
    if on_path := shutil.which(name):
        return Path(on_path).resolve()
    installed = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    if found := sorted(installed, key=lambda path: int(path.parts[-3]), reverse=True):
        return found[0]
    raise NoPostgresError(f"{name} is not installed (apt-get install postgresql)")


@contextlib.contextmanager
def throwaway_postgres(settings: Sequence[str] = FAST) -> Iterator[str]:
    """Run a server for the length of the block; yields its URL, for BANYAN_DATABASE_URL."""
    initdb, postgres = find_program("initdb"), find_program("postgres")
    with tempfile.TemporaryDirectory(prefix="banyan-pg-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        run_as = _unprivileged(place)
        _create(initdb, place, run_as)
        server = _start(postgres, place, run_as, settings)
        try:
            _wait(server, place)
            yield f"postgres://banyan@{quote(name, safe='')}/postgres"
        finally:
            _stop(server)


def _unprivileged(place: Path) -> dict[str, Any]:
    """Choose whom to run as (keywords for a subprocess), and give that user the directory."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(place, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _create(initdb: Path, place: Path, run_as: dict[str, Any]) -> None:
    command: list[str | Path] = [
        initdb,
        "-D",
        place / "data",
        "-U",
        "banyan",
        "-A",
        "trust",
        "--no-sync",
    ]
    command += ["--encoding=UTF8", "--locale=C"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, **run_as)
    if done.returncode:
        raise NoPostgresError(f"initdb failed: {done.stderr[-2000:]}")


def _start(
    postgres: Path, place: Path, run_as: dict[str, Any], settings: Sequence[str]
) -> subprocess.Popen[Any]:
    command: list[str | Path] = [postgres, "-D", place / "data", "-k", place]
    for setting in settings:
        command += ["-c", setting]
    with (place / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=place,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the command; the server is stopped after it
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock is taken
            **run_as,
        )


def _die_with_parent() -> None:
    """Ask Linux to end the server when this process is killed with SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _wait(server: subprocess.Popen[Any], place: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(host=str(place), user="banyan", dbname="postgres").close()
            return
        time.sleep(0.05)
    raise NoPostgresError(f"it did not start: {(place / 'log').read_text()[-2000:]}")


def _stop(server: subprocess.Popen[Any]) -> None:
    """Stop without ceremony: immediate shutdown, then SIGKILL."""
    server.send_signal(signal.SIGQUIT)
    try:
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(argv: Sequence[str]) -> int:
    """Run the command after `--` beside a server; returns the command's exit code."""
    command = list(argv[1:] if argv[:1] == ["--"] else argv)
    if not command:
        sys.stderr.write(__doc__ or "")
        return 2
    signal.signal(signal.SIGTERM, _leave)
    try:
        with throwaway_postgres() as url:
            return _run(command, {**os.environ, "BANYAN_DATABASE_URL": url})
    except NoPostgresError as error:
        sys.stderr.write(f"tests.postgres: {error}\n")
        return 3


def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    running = subprocess.Popen(command, env=environment)
    try:
        return running.wait()
    except (KeyboardInterrupt, SystemExit):
        running.terminate()
        running.wait()
        raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
