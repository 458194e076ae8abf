"""Stand-alone: `launch.py PARENT_PID PROGRAM ARGS...` becomes PROGRAM and dies with its parent.

A wrapper instead of `preexec_fn`, so that no Python runs between fork and exec of the supervisor.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Ask for SIGKILL at the parent's death, then exec; 127 when the program cannot be run."""
    parent, program = int(arguments[0]), arguments[1]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the call above could have told us
        os._exit(1)
    # An exec hands on what is ignored: SIGPIPE by Python, SIGINT and SIGQUIT by a shell's `&`.
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(program, arguments[1:])  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.stderr.write(f"cannot run {program}: {error.strerror}\n")
        os._exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
