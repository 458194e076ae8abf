"""The stack under the walkthrough: started in a directory of its own, watched, stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 120
EXAMPLES = ("legacy", "candidate", "traffic")


class WalkthroughError(RuntimeError):
    """What was expected did not happen; the text says what."""


class Stack:
    """A running stack, read from the file that the supervisor keeps up to date."""

    def __init__(self, state_dir: Path, process: "subprocess.Popen[bytes]") -> None:
        """Remember where it lives."""
        self.state_dir = state_dir
        self.process = process

    @property
    def facts(self) -> dict[str, Any]:
        """Return addresses, pids and sign-ins as they are now."""
        found: dict[str, Any] = json.loads((self.state_dir / "stack.json").read_text())
        return found

    def pid(self, name: str) -> int:
        """Return a child's present pid."""
        return int(self.facts["pids"][name])

    def kill(self, *names: str) -> None:
        """SIGKILL children and everything they started."""
        for name in names:
            os.killpg(self.pid(name), signal.SIGKILL)

    @contextmanager
    def unsupervised(self) -> Iterator[None]:
        """Stop the supervisor for a while, so that what is killed stays dead."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def log_tail(self, name: str, lines: int = 5) -> list[str]:
        """Return the last lines of a child's log."""
        path = self.state_dir / "logs" / f"{name}.log"
        return path.read_text(errors="replace").splitlines()[-lines:]

    def generator_stats(self) -> dict[str, Any]:
        """Return the traffic generator's newest line of counts."""
        for line in reversed(self.log_tail("traffic", 20)):
            if line.startswith("{") and "non_200_valid" in line:
                found: dict[str, Any] = json.loads(line)
                return found
        return {}

    def memory_mb(self) -> dict[str, float]:
        """Return the proportional set size of each child with all it started, in MB."""
        return {
            name: round(sum(_pss_kb(p) for p in _group(pid)) / 1024, 1)
            for name, pid in self.facts["pids"].items()
        }


@contextmanager
def running(state_dir: Path, *, scenario: str, rate: int) -> Iterator[Stack]:
    """Start a demo stack, wait until it is ready, and stop it with Ctrl-C afterwards."""
    command = [sys.executable, "-m", "controlplane.stack", "--demo", "--scenario", scenario]
    command += ["--state-dir", str(state_dir), "--rate", str(rate)]
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "console.log").open("wb") as console:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=console, stderr=console, start_new_session=True
        )
        stack = Stack(state_dir, process)
        try:
            _wait_ready(stack)
            yield stack
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_ready(stack: Stack) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if stack.process.poll() is not None:
            tail = (stack.state_dir / "console.log").read_text()[-2000:]
            raise WalkthroughError(f"the stack did not start:\n{tail}")
        try:
            if stack.facts.get("ready"):
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.1)
    raise WalkthroughError(f"the stack was not ready within {READY_SECONDS} s")


def _group(leader: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == leader:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


def _pss_kb(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
