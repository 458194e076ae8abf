"""Stand-alone: kills what a supervisor that died (even by SIGKILL) has left behind.

`python -I -S guard.py RUN_ID` reads lines `+<session>` and `-<session>` from stdin. When stdin ends
the supervisor is gone: every process of a listed session, and every one whose environment carries
BANYAN_STACK_RUN=RUN_ID, gets SIGKILL. PR_SET_PDEATHSIG alone reaches direct children only; a pool
process of a worker would live on.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator

ROUNDS = 100
PAUSE_SECONDS = 0.02


def processes() -> Iterator[tuple[int, str, int]]:
    """Yield pid, state letter and session of every process."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - imported with -S, kept to the bare minimum
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                # The command may hold spaces and brackets; the last bracket ends it.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        yield int(name), fields[0].decode(), int(fields[3])


def is_marked(pid: int, mark: bytes) -> bool:
    """Tell whether the process was started with the run's mark in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return mark in file.read().split(b"\0")
    except OSError:
        return False


def kill_left_behind(sessions: set[int], mark: bytes) -> None:
    """SIGKILL until a whole pass over /proc finds nobody: a process may fork while we look."""
    for _ in range(ROUNDS):
        left = [
            pid
            for pid, state, session in processes()
            if pid != os.getpid()
            and state not in "ZX"
            and (session in sessions or is_marked(pid, mark))
        ]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE_SECONDS)


def main(run_id: str) -> None:
    """Follow the supervisor's list until it ends, then clear up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: set[int] = set()
    for line in sys.stdin:
        change = sessions.add if line[0] == "+" else sessions.discard
        change(int(line[1:]))
    kill_left_behind(sessions, f"BANYAN_STACK_RUN={run_id}".encode())


if __name__ == "__main__":
    main(sys.argv[1])
