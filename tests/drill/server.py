"""A PostgreSQL server that can be stopped, killed and started again on the same data."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg

from tests.drill.database import Database, Row
from tests.drill.world import DrillError, lives

START_SECONDS = 20.0


class PostgresDatabase(Database):
    """The same questions, put to a server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, sql: str) -> list[Row]:
        """Return the rows of one question."""
        with psycopg.connect(self.url, connect_timeout=5) as link:
            return list(link.execute(sql.encode()).fetchall())

    def can_write(self) -> bool:
        """Whether nobody holds what a decision locks."""
        try:
            with psycopg.connect(self.url, connect_timeout=5) as link:
                link.execute("SET lock_timeout = 300")
                for table in ("rollout_servicemigration", "traffic_proxygroup", "audit_ledgerhead"):
                    link.execute(f"SELECT 1 FROM {table} FOR UPDATE".encode())
        except psycopg.OperationalError:
            return False
        return True


class Server:
    """Finds the server behind a URL of `tests.postgres`, and hands to hurt it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._place = Path(unquote(urlsplit(url).netloc.partition("@")[2]))
        self.pid = int((self._place / "data" / "postmaster.pid").read_text().split()[0])
        main = Path(f"/proc/{self.pid}")
        self._command = main.joinpath("cmdline").read_bytes().decode().rstrip("\0").split("\0")
        self._owner = main.stat()

    def processes(self) -> list[int]:
        """Return the postmaster and all its children, backends last."""
        children = [int(p.name) for p in Path("/proc").iterdir() if _parent(p) == self.pid]
        return [self.pid, *sorted(children)]

    def backends(self) -> list[int]:
        """Return the pids that serve clients."""
        sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        return [
            pid for (pid,) in PostgresDatabase(self.url).rows(f"{sql} AND pid <> pg_backend_pid()")
        ]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of them."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def limit_files(self, size: int) -> None:
        """Let no file that it or its children write grow past so many bytes."""
        for pid in self.processes():
            # As its owner: root may lack the right over another's limits.
            subprocess.run(
                ["prlimit", f"--pid={pid}", f"--fsize={size}:"],
                user=self._owner.st_uid,
                group=self._owner.st_gid,
                extra_groups=[],
                capture_output=True,
                check=pid == self.pid,
            )

    def alive(self) -> bool:
        """Whether the postmaster runs."""
        return lives(self.pid)

    def start(self) -> Callable[[], None]:
        """Start it again after a kill, as its owner would, and wait until it answers.

        Returns what ends it.
        """
        deadline = time.monotonic() + START_SECONDS
        with suppress(ChildProcessError):
            # While nobody has reaped the killed one, its number looks alive to the next.
            os.waitpid(self.pid, os.WNOHANG)
        started = self._launch()
        while time.monotonic() < deadline:
            if started.poll() is not None:
                # Children of the killed still held on to its memory.
                started = self._launch()
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=2).close()
                self.pid = started.pid
                return partial(_stop, started)
            time.sleep(0.05)
        _stop(started)
        raise DrillError("PostgreSQL did not start again")

    def _launch(self) -> "subprocess.Popen[bytes]":
        with (self._place / "log").open("ab") as log:
            return subprocess.Popen(
                self._command,
                cwd=self._place,
                stdout=log,
                stderr=log,
                user=self._owner.st_uid,
                group=self._owner.st_gid,
                extra_groups=[],
                start_new_session=True,
            )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGQUIT)
    process.wait(timeout=10)


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def connect(url: str) -> "psycopg.Connection[Any]":
    """Return a connection as a forgotten shell holds it."""
    return psycopg.connect(url, connect_timeout=5)
