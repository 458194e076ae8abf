"""The supervisor's small chores: the guard process beside it, and logs that don't grow for ever."""

import contextlib
import subprocess
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path

from controlplane.stack import guard

LOG_LIMIT_BYTES = 20_000_000
LOG_KEEP_BYTES = 1_000_000


class Guard:
    """The process that clears up when this one dies. It is told every session we open and close.

    `lock` is the descriptor of the state directory's lock: the guard holds it too, so a next stack
    cannot start before the remains of this one are gone.
    """

    def __init__(self, *, lock: int | None = None) -> None:
        """Start it."""
        self.run_id = uuid.uuid4().hex
        self._lock = lock
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", guard.__file__, self.run_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=() if self._lock is None else (self._lock,),
        )

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    def _tell(self, line: str) -> None:
        pipe = self._process.stdin
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.write(line.encode())
                pipe.flush()

    def opened(self, session: int) -> None:
        """Add a session to what dies with us."""
        self._tell(f"+{session}\n")

    def closed(self, session: int) -> None:
        """Take an ended session off the list: its number may be given to somebody else."""
        self._tell(f"-{session}\n")

    def renew(self, sessions: Iterable[int]) -> bool:
        """Start a new guard when somebody ended it; tell whether that was needed."""
        if self._process.poll() is None:
            return False
        self._close_pipe()
        self._process = self._start()
        for session in sessions:
            self.opened(session)
        return True

    def _close_pipe(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def finish(self) -> None:
        """Let it look for remains one last time and wait for its end."""
        self._close_pipe()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def trim_log(log: Path, *, limit: int = LOG_LIMIT_BYTES, keep: int = LOG_KEEP_BYTES) -> bool:
    """Empty a log beyond `limit` bytes and leave its last `keep` bytes beside it as `<name>.1`.

    Children write in append mode, so they go on at the new end. Tells whether it was trimmed.
    """
    with contextlib.suppress(FileNotFoundError), log.open("r+b") as file:
        size = file.seek(0, 2)
        if size <= limit:
            return False
        file.seek(size - keep)
        log.with_suffix(log.suffix + ".1").write_bytes(file.read())
        file.truncate(0)
        return True
    return False
