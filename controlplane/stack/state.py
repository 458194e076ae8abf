"""The state directory: one lock, generated secrets, logs, and stack.json for programs."""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from controlplane.stack.errors import RefusedError
from controlplane.stack.files import PRIVATE_FILE, read_private, write_private

# A Unix socket's path holds 107 bytes; the longest of ours is `edge/admin.sock` and its like.
LONGEST_PATH_BYTES = 107 - len("/edge/access-log.sock")
PRIVATE_DIRECTORY = 0o700
LOCK_PATIENCE_SECONDS = 3.0


def _words() -> str:
    """Return a password of 96 random bits in four readable groups."""
    raw = secrets.token_hex(12)
    return "-".join(raw[i : i + 6] for i in range(0, len(raw), 6))


SECRETS: Mapping[str, Callable[[], str]] = {
    "secret_key": lambda: secrets.token_urlsafe(50),
    "redis_password": lambda: secrets.token_hex(24),
    "operator_password": _words,
    "viewer_password": _words,
    "operator_token": lambda: secrets.token_urlsafe(32),
    "viewer_token": lambda: secrets.token_urlsafe(32),
    "proxy_token": lambda: secrets.token_urlsafe(32),
}


class State:
    """A locked state directory. Whoever holds one is the only stack there."""

    def __init__(self, root: Path) -> None:
        """Create what is missing and take the lock; RefusedError when another stack has it."""
        self.root = root.absolute()
        if len(os.fsencode(self.root)) > LONGEST_PATH_BYTES:
            raise RefusedError(
                f"the path of the state directory is too long for the sockets in it "
                f"({LONGEST_PATH_BYTES} bytes at most): {self.root}"
            )
        self.logs, self.edge = self.root / "logs", self.root / "edge"
        self.hold, self.redis = self.root / "hold", self.root / "redis"
        self.pair_logs = self.logs / "pair"  # what the demo's services write, and workers may read
        try:
            mine = (self.root, self.logs, self.edge, self.hold, self.redis, self.pair_logs)
            for directory in mine:
                directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            self.lock = os.open(self.root / "stack.lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        except OSError as error:
            raise RefusedError(f"cannot use the state directory: {error}") from error
        self._take_lock()
        envoy = self.logs / "envoy.log"
        if not envoy.is_symlink():  # the edge reads there why Envoy refused something
            envoy.unlink(missing_ok=True)
            envoy.symlink_to(self.edge / "envoy.log")
        for left in self.hold.iterdir():  # a hold is for one run
            left.unlink()

    def _take_lock(self) -> None:
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                owner = os.pread(self.lock, 32, 0).decode().strip()
                # After a kill its guard holds the lock for the moment it needs to clear up.
                if _is_running(owner) or time.monotonic() > deadline:
                    os.close(self.lock)
                    message = f"another stack (process {owner or 'unknown'}) runs in {self.root}"
                    raise RefusedError(f"{message}: stop it or give another --state-dir") from error
                time.sleep(0.05)
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give the lock back."""
        os.close(self.lock)

    def secrets(self) -> dict[str, str]:
        """Return the generated secrets, the same at every start; made and kept at the first."""
        path = self.root / "secrets.json"
        known: dict[str, str] = read_private(path)
        missing = {name: make() for name, make in SECRETS.items() if name not in known}
        if missing:
            known |= missing
            write_private(path, known)
        return known

    def publish(self, document: Mapping[str, Any]) -> None:
        """Write stack.json: `ready`, addresses, sign-in, tokens, and the pid of each child."""
        write_private(self.root / "stack.json", document)


def _is_running(pid: str) -> bool:
    if not pid.isdigit():
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(pid), 0)
        return True
    return False
