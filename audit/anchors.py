"""Places outside the database that keep checkpoints, so that a rewritten ledger is found out.

The first is a file that only grows. Further ones are named in BANYAN_LEDGER_ANCHORS and should be
under another administrator: a file on a disk elsewhere, a bucket that keeps what it got, a witness.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from django.utils.module_loading import import_string

from audit import conf
from audit.errors import AnchorProblemError
from audit.verify_audit import (
    Checkpoint,
    UnreadableError,
    checkpoint_line,
    read_checkpoint_line,
)

TAIL_BYTES = 64 * 1024
Answer = TypeVar("Answer")


class Anchor(Protocol):
    """Keeps checkpoints. Both methods raise AnchorProblemError, and end in their own time."""

    name: str

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint it holds; None when it holds none, or cannot be asked."""

    def push(self, checkpoint: Checkpoint) -> None:
        """Keep a signed checkpoint; one that it has, or that is older than its newest, is no news.

        After a restore a checkpoint may be smaller: it then names the one that it gives up.
        """


class FileAnchor:
    """A file with a line for each checkpoint, locked while it grows, and on disk when it has."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self.path, self.name = path, f"file {path}"

    def newest(self) -> Checkpoint | None:
        """Return the last whole line's checkpoint; a torn or foreign line is passed over."""
        try:
            with self.path.open("rb") as file:
                return _last(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AnchorProblemError(f"the anchor {self.path}: {error.strerror}") from error

    def push(self, checkpoint: Checkpoint) -> None:
        """Append a line, unless a newer checkpoint stands there by now."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                _lock(file)
                if not _is_news(checkpoint, _last(file)):
                    return
                self._append(file, checkpoint_line(checkpoint.note).encode())
        except OSError as error:
            raise AnchorProblemError(f"the anchor {self.path}: {error.strerror}") from error

    def _append(self, file: BinaryIO, line: bytes) -> None:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            # A line torn by a power failure stays alone; ours begins a new one.
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())

    def read(self) -> tuple[list[Checkpoint], int]:
        """Return all checkpoints in the order in which they came, and how many lines are none."""
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return [], 0
        except OSError as error:
            raise AnchorProblemError(f"the anchor {self.path}: {error.strerror}") from error
        found = list(_readable(lines))
        return found, len(lines) - len(found)


def _lock(file: BinaryIO) -> None:
    """Wait for the file's lock, but not for ever: who holds it may hang on a dead disk."""
    ends = time.monotonic() + conf.IO_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends:
                raise AnchorProblemError("the anchor is locked by another process") from None
            time.sleep(0.005)
        else:
            return


def _last(file: BinaryIO) -> Checkpoint | None:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - TAIL_BYTES, 0))
    found = list(_readable(file.read().splitlines(keepends=True)))
    return found[-1] if found else None


def _readable(lines: Iterable[bytes]) -> Iterable[Checkpoint]:
    for line in lines:
        try:
            yield read_checkpoint_line(line)
        except UnreadableError:
            continue


def _is_news(checkpoint: Checkpoint, newest: Checkpoint | None) -> bool:
    if newest is None or checkpoint.size > newest.size:
        return True
    return checkpoint.lost == newest.newest


def main_anchor() -> FileAnchor:
    """Return the file anchor of this installation."""
    return FileAnchor(conf.anchor_path())


def further_anchors() -> list[Anchor]:
    """Make the anchors named in the settings. Raises AnchorProblemError for a wrong name."""
    try:
        return [
            FileAnchor(Path(name)) if name.startswith("/") else import_string(name)()
            for name in conf.further_anchors()
        ]
    except ImportError as error:
        raise AnchorProblemError(f"BANYAN_LEDGER_ANCHORS: {error}") from error


def within(seconds: float, work: Callable[[], Answer]) -> Answer:
    """Return what `work` returns, or raise what it raises; AnchorProblemError when it takes longer.

    A disk can hang in a way that no timeout of ours reaches, so the work is left to a thread that
    nobody waits for any more.
    """
    found: list[Answer] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            failed.append(error)

    thread = threading.Thread(target=run, name="ledger-anchor", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise AnchorProblemError(f"no answer from the signing key or the anchor in {seconds:g} s")
    return found[0]
