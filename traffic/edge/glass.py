"""Records of broken glass on this host: signed, on disk before the roll back, kept for ever.

`glass/` holds what the control plane has not got yet, `glass/reported/` what it has. The key that
signs lies beside the state, readable by its owner alone, so that the command can sign as well when
the edge is dead. Nothing here ever stops a roll back: what goes wrong is said in the log.
"""

import contextlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from traffic.edge.fence import Hold, served_exposure
from traffic.edge.state import EdgeState, write_durably
from traffic.glass import (
    MAX_NAME,
    MAX_REASON,
    MAX_TEXT,
    BrokenGlass,
    Sealed,
    clean,
    moment_text,
    public_hex,
    seal,
)

Json = dict[str, Any]
log = logging.getLogger(__name__)

AT_ONCE = 10
"""Records in one report: they are rare and small, and a report has a limit."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose records these are: the proxy's id, and the key that signs them (None: unusable)."""

    proxy: str
    key: Ed25519PrivateKey | None


class GlassBox:
    """The records of one proxy, in `state_dir`/glass."""

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir / "glass"
        self._reported = self._directory / "reported"
        self._key = state_dir / "glass.key"

    def prepare(self, proxy: str) -> None:
        """Make directories and, once, the key; another proxy id is noted beside the same key."""
        self._reported.mkdir(parents=True, exist_ok=True, mode=0o750)
        known = self.identity()
        if known.key is None and self._key.exists():
            log.error("%s cannot be used; break-glass records will not be signed", self._key)
        elif known.key is None or known.proxy != proxy:
            self._write_key(proxy, known.key or Ed25519PrivateKey.generate())

    def identity(self) -> Identity:
        """Return who signs here; without a readable key nobody does."""
        try:
            value = json.loads(self._key.read_bytes())
            key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(value["key"]))
            return Identity(str(value["proxy"]), key)
        except (OSError, ValueError, KeyError, TypeError):
            return Identity("", None)

    @property
    def public_key(self) -> str:
        """The public half as reports tell it; empty without a key."""
        key = self.identity().key
        return public_hex(key) if key else ""

    def write(self, hold: Hold, before: EdgeState, by: str) -> None:
        """Put a signed record of `hold`, taken in the state `before`, durably on disk."""
        try:
            who, number = self.identity(), self._next_number()
            sealed = seal(_record(hold, before, by=by, proxy=who.proxy, number=number), who.key)
            self._reported.mkdir(parents=True, exist_ok=True, mode=0o750)
            write_durably(self._directory / f"{number:06d}-{hold.id}.json", sealed.to_wire())
        except (OSError, ValueError):
            log.exception("the record of hold %s could not be written", hold.id)

    def waiting(self) -> list[tuple[Path, Sealed]]:
        """Return what the control plane has not got yet, oldest first, at most `AT_ONCE`."""
        found = []
        for path in sorted(self._directory.glob("*.json"))[:AT_ONCE]:
            try:
                found.append((path, _read(path)))
            except (OSError, ValueError, KeyError, TypeError):
                log.exception("%s is no record of a broken glass; it is set aside", path.name)
                with contextlib.suppress(OSError):
                    path.rename(path.with_suffix(".corrupt"))
        return found

    def arrived(self, paths: list[Path]) -> None:
        """Note that these are safe with the control plane; they stay here to be compared."""
        for path in paths:
            # Where that fails it is told again, which changes nothing there.
            with contextlib.suppress(OSError):
                path.replace(self._reported / path.name)

    def _next_number(self) -> int:
        names = (
            path.name
            for directory in (self._directory, self._reported)
            for path in directory.glob("*-*.*")
        )
        return 1 + max((int(n[:6]) for n in names if n[:6].isdecimal()), default=0)

    def _write_key(self, proxy: str, key: Ed25519PrivateKey) -> None:
        temporary = self._key.with_name(".glass.key.tmp")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"proxy": proxy, "key": key.private_bytes_raw().hex()}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._key)


def _read(path: Path) -> Sealed:
    value = json.loads(path.read_bytes())
    sealed = Sealed(*(str(value[part]) for part in ("record", "signature", "key")))
    if len(sealed.text) > MAX_TEXT:
        raise ValueError(f"{len(sealed.text)} characters")
    return sealed


def _record(hold: Hold, before: EdgeState, *, by: str, proxy: str, number: int) -> BrokenGlass:
    position = before.position
    return BrokenGlass(
        proxy=clean(proxy, MAX_NAME),
        hold=hold.id,
        lineage=position.lineage if position else None,
        generation=hold.generation,
        exposure=dict(served_exposure(position, before.hold)),
        reason=clean(hold.reason, MAX_REASON),
        by=clean(by, MAX_NAME),
        at=moment_text(hold.at),
        number=number,
    )
