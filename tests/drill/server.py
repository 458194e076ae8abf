"""A PostgreSQL server that can be stopped, killed and started again on the same data."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg

from tests.drill.database import Database, Row

START_SECONDS = 20.0


class PostgresDatabase(Database):
    """The same questions, put to a server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, sql: str) -> list[Row]:
        """Return the rows of one question."""
        with psycopg.connect(self.url, connect_timeout=5) as link:
            return list(link.execute(sql.encode()).fetchall())


class Server:
    """Finds the server behind a URL of `tests.postgres`, and hands to hurt it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._place = Path(unquote(urlsplit(url).netloc.partition("@")[2]))
        main = Path(f"/proc/{self.pid}")
        self._command = main.joinpath("cmdline").read_bytes().decode().rstrip("\0").split("\0")
        self._owner = main.stat()
        self._started: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The postmaster's present pid."""
        return int((self._place / "data" / "postmaster.pid").read_text().split()[0])

    def processes(self) -> list[int]:
        """Return the postmaster and all its children, backends last."""
        main = self.pid
        children = [int(p.name) for p in Path("/proc").iterdir() if _parent(p) == main]
        return [main, *sorted(children)]

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

    def start(self) -> None:
        """Start it again after a kill, as its owner would, and wait until it answers."""
        with (self._place / "log").open("ab") as log:
            self._started = subprocess.Popen(
                self._command,
                cwd=self._place,
                stdout=log,
                stderr=log,
                user=self._owner.st_uid,
                group=self._owner.st_gid,
                extra_groups=[],
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            time.sleep(0.05)
        raise TimeoutError("PostgreSQL did not start again")

    def stop(self) -> None:
        """End what was started here."""
        if self._started is not None:
            self._started.send_signal(signal.SIGQUIT)
            self._started.wait(timeout=10)


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def connect(url: str) -> "psycopg.Connection[Any]":
    """Return a connection as a forgotten shell holds it."""
    return psycopg.connect(url, connect_timeout=5)
