"""One child process: how it is described, started, asked to end, and what it left in its log."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controlplane.stack import launch, proc

TAIL_BYTES = 4096
TAIL_LINES = 20

Probe = Callable[[int], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Spec:
    """What to run, after whom, and how to know that it really works.

    `probe` gets the child's pid (also its session) and answers whether this very child is ready;
    None means ready is ended with exit code 0 (a one-shot). `before` names what must come true
    ahead of the first start. Higher tiers are stopped first. `stdin` is fed at the start.
    """

    name: str
    argv: tuple[str, ...]
    probe: Probe | None
    tier: int = 0
    needs: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    stdin: bytes = b""
    before: tuple[str, Probe] | None = None
    stale: tuple[Path, ...] = ()  # removed before each start: readiness files, sockets
    ready_timeout_s: float = 30


class Child:
    """A running or ended process of a Spec, in a session of its own."""

    def __init__(self, spec: Spec, *, log: Path, env: Mapping[str, str]) -> None:
        """Start it now; must be called from the main thread, to which its death signal is bound."""
        for path in spec.stale:
            path.unlink(missing_ok=True)
        self.spec = spec
        self.is_ready = False
        self.started = time.monotonic()
        self._log = log
        with log.open("ab") as output:
            self._log_start = output.tell()
            # The launcher execs, so the pid stays: it leads a session and dies with us.
            self._process = subprocess.Popen(  # noqa: S603 - argv comes from our own specs
                [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *spec.argv],
                stdin=subprocess.PIPE if spec.stdin else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=spec.cwd,
                env={**env, **spec.env},
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._watch()
        self._feed()

    def _feed(self) -> None:
        if self._process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(self.spec.stdin)

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        handle = os.pidfd_open(self.pid)

        def on_exit() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            # Before the leader is reaped: until then nobody else can have got its number.
            proc.kill_session(self.pid)
            self.exited.set_result(self._process.wait())

        loop.add_reader(handle, on_exit)

    @property
    def uptime(self) -> float:
        """Return the seconds since its start."""
        return time.monotonic() - self.started

    def terminate(self) -> None:
        """Ask the leader to end; its own helpers are its business."""
        if not self.exited.done():
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL everything in its session."""
        if not self.exited.done():
            proc.kill_session(self.pid)

    def outcome(self) -> str:
        """Say how it ended, in words."""
        code = self.exited.result()
        if code >= 0:
            return f"ended with exit code {code}"
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"

    def tail(self) -> str:
        """Return the last lines it wrote since its start."""
        with self._log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, min(self._log_start, end), end - TAIL_BYTES))
            text = file.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-TAIL_LINES:])
