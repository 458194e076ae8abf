"""What the edge knows across restarts: where it stands, a hold, and the documents to serve.

`state.json` is the truth and is written before Envoy's files. `pending.json` is the document being
applied; once Envoy accepted it, it is renamed to `last-good.json`. The latter carries the safe
routes too, so break-glass builds nothing. A file that cannot be read is set aside, never deleted.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from traffic.edge.document import SnapshotError, check_document
from traffic.edge.fence import Hold, Position

Json = dict[str, Any]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EdgeState:
    """Where this proxy stands. `applied` turns true when Envoy accepted the position."""

    position: Position | None = None
    hold: Hold | None = None
    applied: bool = True

    def to_dict(self) -> Json:
        """Return the shape of `state.json`."""
        position = self.position
        return {
            "lineage": position.lineage if position else None,
            "generation": position.generation if position else 0,
            "sha256": position.sha256 if position else None,
            "exposure": dict(position.exposure) if position else {},
            "hold": asdict(self.hold) if self.hold else None,
            "applied": self.applied,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "EdgeState":
        """Read the shape of `state.json`; raises KeyError, TypeError or ValueError."""
        position = None
        if value["lineage"] is not None:
            position = Position(
                lineage=str(value["lineage"]),
                generation=int(value["generation"]),
                sha256=str(value["sha256"]),
                exposure={str(split): int(tth) for split, tth in value["exposure"].items()},
            )
        hold = Hold(**value["hold"]) if value["hold"] is not None else None
        return cls(position=position, hold=hold, applied=bool(value["applied"]))


def position_of(doc: Mapping[str, Any]) -> Position:
    """Return the position that applying `doc` leads to."""
    return Position(doc["lineage"], doc["generation"], doc["sha256"], dict(doc["exposure"]))


class StateStore:
    """The three files, in `directory`. Every write is fsynced and renamed into place."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._state = directory / "state.json"
        self._pending = directory / "pending.json"
        self._last_good = directory / "last-good.json"

    def load(self) -> EdgeState:
        """Read the state from disk, which another program may have changed (break-glass)."""
        value = self._read(self._state)
        if value is not None:
            try:
                return EdgeState.from_dict(value)
            except (AttributeError, KeyError, TypeError, ValueError):
                self._set_aside(self._state)
        recovered = self._recovered()
        if recovered.position is not None:
            self.save(recovered)
        return recovered

    def save(self, state: EdgeState) -> None:
        """Make `state` durable."""
        write_durably(self._state, state.to_dict())

    def begin(self, state: EdgeState, doc: Json) -> None:
        """Make the document durable, then the state that points at it."""
        write_durably(self._pending, doc)
        self.save(state)

    def commit(self, state: EdgeState) -> None:
        """Turn the pending document into the last known good one."""
        if self._pending.exists():
            self._pending.replace(self._last_good)
        self.save(state)

    def abort(self, state: EdgeState) -> None:
        """Go back to `state`; the pending document is forgotten."""
        self.save(state)
        self._pending.unlink(missing_ok=True)

    def last_good(self) -> Json | None:
        """Return the last document Envoy accepted."""
        return self._document(self._last_good)

    def document(self, state: EdgeState) -> Json | None:
        """Return the document that `state` stands on, pending or accepted."""
        for path in (self._last_good, self._pending):
            doc = self._document(path)
            if doc and state.position and doc["sha256"] == state.position.sha256:
                return doc
        return None

    def _recovered(self) -> EdgeState:
        """Without a state, stand on the last good document; a hold shows in the routes file.

        Forgetting a hold would let a returning control plane raise the share.
        """
        doc = self.last_good()
        if doc is None:
            return EdgeState()
        return EdgeState(position_of(doc), self._hold_in_routes(doc), applied=True)

    def _hold_in_routes(self, doc: Json) -> Hold | None:
        routes = self._read(self.directory / "xds" / "routes" / "routes.json")
        generation, _, suffix = str((routes or {}).get("version_info", "")).partition("-")
        if generation != str(doc["generation"]) or not suffix.startswith("h"):
            return None
        return Hold(
            suffix, 0, "found in the routes file; state.json was lost", 0.0, int(generation)
        )

    def _document(self, path: Path) -> Json | None:
        value = self._read(path)
        if value is None:
            return None
        try:
            return check_document(value)
        except SnapshotError:
            self._set_aside(path)
            return None

    def _read(self, path: Path) -> Json | None:
        try:
            value = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            self._set_aside(path)
            return None
        if not isinstance(value, dict):
            self._set_aside(path)
            return None
        return value

    @staticmethod
    def _set_aside(path: Path) -> None:
        number = 1
        while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
            number += 1
        log.error("%s cannot be read; kept as %s", path.name, aside.name)
        path.rename(aside)


def write_durably(path: Path, value: Json) -> None:
    """Write JSON so that after a crash the file is either the old one or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(json.dumps(value).encode())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
