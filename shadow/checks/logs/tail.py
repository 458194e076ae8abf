"""Reads the end of a log file on this machine: only below allowed roots, only ordinary files."""

import os
import stat
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path

MAX_LINE = 16_384
MAX_BYTES = 4 * 1024 * 1024
OLD_BYTES = 256 * 1024


class TailError(Exception):
    """The file cannot be read; the text says why, and what to do."""


class Tail:
    """A log file, read from where it ended when this was made; survives rotation and truncation."""

    def __init__(self, path: str, *, roots: Collection[str]) -> None:
        """Find the present end; TailError when the file may not or cannot be read."""
        self._path = allowed(path, roots)
        with self._open() as file:
            found = os.fstat(file.fileno())
        self._inode, self._start, self._at = found.st_ino, found.st_size, found.st_size

    def new_lines(self) -> list[str]:
        """Return the whole lines that were written since the last call."""
        with self._open() as file:
            found = os.fstat(file.fileno())
            if found.st_ino != self._inode or found.st_size < self._at:
                self._inode, self._at = found.st_ino, 0
            file.seek(self._at)
            raw = file.read(MAX_BYTES)
        whole = raw.rfind(b"\n") + 1
        self._at += whole
        return lines_of(raw[:whole])

    def old_lines(self) -> list[str]:
        """Return the last whole lines from before this was made, at most OLD_BYTES of them."""
        with self._open() as file:
            end = min(self._start, os.fstat(file.fileno()).st_size)
            begin = max(0, end - OLD_BYTES)
            file.seek(begin)
            raw = file.read(end - begin)
        if begin:
            raw = raw[raw.find(b"\n") + 1 :]
        return lines_of(raw[: raw.rfind(b"\n") + 1])

    def _open(self) -> BufferedReader:
        # The path was resolved: a link put there since is not followed, a pipe not waited for.
        try:
            number = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as exc:
            raise TailError(f"{self._path} cannot be read: {exc.strerror}.") from exc
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise TailError(f"{self._path} is no ordinary file.")
        return os.fdopen(number, "rb")


def allowed(path: str, roots: Collection[str]) -> Path:
    """Return the resolved path, or raise TailError unless it lies below an allowed root."""
    if not roots:
        raise TailError(
            "No directory of log files is allowed here: set BANYAN_LOG_ROOTS for the workers, "
            "or post the lines."
        )
    try:
        resolved = Path(path).resolve(strict=True)
    except (OSError, RuntimeError) as exc:
        raise TailError(f"{path} is not there, or not for this worker to see.") from exc
    for root in roots:
        if resolved.is_relative_to(Path(root).resolve()):
            return resolved
    raise TailError(f"{path} lies outside BANYAN_LOG_ROOTS.")


def lines_of(raw: bytes) -> list[str]:
    """Return the lines that hold anything, each cut at MAX_LINE characters."""
    text = raw.decode("utf-8", errors="replace").replace("\x00", "\ufffd")
    return [line.rstrip("\r")[:MAX_LINE] for line in text.split("\n") if line.strip()]
