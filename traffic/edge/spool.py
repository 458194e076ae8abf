"""Report entries that the control plane has not got yet, on disk: bounded, first in first out.

One file is one chunk of entries of one run of the edge (`boot`), small enough for one report. They
survive a restart. Beyond the bound the oldest chunk is dropped, and its entries counted as lost.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traffic.edge.book import Entry

MAX_BYTES = 32 << 20
CHUNK_BYTES = 512 << 10
KINDS = ("blocks", "routing", "taps")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Entries of one boot by kind; `path` is the token to drop it by."""

    path: Path
    boot: str
    entries: dict[str, list[dict[str, Any]]]


class Spool:
    """A directory of chunks. Errors of the disk are counted as loss, never raised."""

    def __init__(self, directory: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self.lost = 0
        directory.mkdir(parents=True, exist_ok=True)
        self._chunks = sorted(directory.glob("*.json"))
        self._next = 1 + max((_number(path) for path in self._chunks), default=0)

    def __len__(self) -> int:
        """Chunks that wait."""
        return len(self._chunks)

    def append(self, boot: str, entries: Iterable[Entry]) -> None:
        """Put entries behind the others."""
        chunk: list[Entry] = []
        size = 0
        for entry in entries:
            chunk.append(entry)
            size += len(json.dumps(entry.wire))
            if size > CHUNK_BYTES:
                self._write(boot, chunk)
                chunk, size = [], 0
        if chunk:
            self._write(boot, chunk)

    def first(self) -> Chunk | None:
        """Return the oldest chunk; one that can't be read is counted as lost and skipped."""
        while self._chunks:
            path = self._chunks[0]
            try:
                doc = json.loads(path.read_bytes())
                return Chunk(path, str(doc["boot"]), {kind: list(doc[kind]) for kind in KINDS})
            except (OSError, ValueError, KeyError, TypeError):
                self.lost += 1
                self.drop(path)
        return None

    def drop(self, path: Path) -> None:
        """Remove a chunk that arrived or is given up."""
        path.unlink(missing_ok=True)
        if path in self._chunks:
            self._chunks.remove(path)

    def _write(self, boot: str, entries: list[Entry]) -> None:
        doc: dict[str, Any] = {"boot": boot, **{kind: [] for kind in KINDS}}
        for entry in entries:
            doc[entry.kind].append(entry.wire)
        path = self._directory / f"{self._next:012d}.json"
        self._next += 1
        try:
            partial = path.with_suffix(".part")
            partial.write_text(json.dumps(doc, separators=(",", ":")))
            partial.rename(path)
        except OSError:
            self.lost += len(entries)
            return
        self._chunks.append(path)
        self._make_room()

    def _make_room(self) -> None:
        sizes = {path: path.stat().st_size for path in self._chunks if path.exists()}
        while len(self._chunks) > 1 and sum(sizes.values()) > self._max_bytes:
            chunk = self.first()
            if chunk is None:
                return
            self.lost += sum(len(entries) for entries in chunk.entries.values())
            sizes.pop(chunk.path, None)
            self.drop(chunk.path)


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdecimal() else 0
