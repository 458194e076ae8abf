"""Runs a dummy stack as a real process and asks about it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent.parent
PATIENCE_SECONDS = 20
SLEEP = "import time; time.sleep(600)"


def wait_until(what: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Return the first true answer of `what`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := what():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


class Stack:
    """A running dummy stack."""

    def __init__(self, root: Path, items: list[dict[str, Any]]) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.controlplane.stack.dummies",
                str(root),
                json.dumps(items),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def published(self) -> dict[str, Any]:
        path = self.root / "stack.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def pids(self) -> dict[str, int]:
        return self.published()["pids"]

    def wait_ready(self) -> "Stack":
        wait_until(lambda: self.published().get("ready") or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.communicate()
        return self

    def pid_in(self, name: str) -> int:
        """Return the pid that a child wrote to the file `name` in the state directory."""
        path = self.root / name
        return int(wait_until(lambda: path.exists() and path.read_text().strip()))

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> tuple[int, str]:
        """Wait for its end; return exit code and all it printed."""
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        self.output = out + err
        return self.process.returncode, self.output


@contextmanager
def running(root: Path, *items: dict[str, Any]) -> Iterator[Stack]:
    """Run a stack and leave nothing of it behind."""
    stack = Stack(root, list(items))
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.process.kill()
            stack.process.communicate()
        stack.process.stdout.close()
        stack.process.stderr.close()


def with_grandchild(root: Path, *, own_session: bool = False) -> str:
    """Return code of a child whose own child sleeps and has its pid in <root>/grandchild."""
    code = "import time; time.sleep(600)"
    return (
        "import subprocess, sys, time, pathlib\n"
        f"p = subprocess.Popen([sys.executable, '-c', {code!r}], start_new_session={own_session})\n"
        f"pathlib.Path({str(root / 'grandchild')!r}).write_text(str(p.pid))\n"
        "time.sleep(600)\n"
    )
