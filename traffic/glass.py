"""The record of a broken glass: written and signed on the proxy's host, checked where it arrives.

Pure, without Django: both sides use it. The text is signed byte for byte (Ed25519) and is never
written anew, so its SHA-256 names the record for ever.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

Json = dict[str, Any]

SCHEMA = 1
KIND = "break_glass"
MAX_TEXT = 8192
MAX_REASON = 2000
MAX_NAME = 100
HOLD_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
# What no database, page or terminal should be given.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


class GlassError(ValueError):
    """A text that is no record; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenGlass:
    """One host's roll back on its own.

    `hold` is the hold's id, `exposure` what users got before by split in ten-thousandths, `at` a
    UTC text with microseconds, `number` counts the records of this host, from 1.
    """

    proxy: str
    hold: str
    lineage: str | None
    generation: int
    exposure: Mapping[str, int]
    reason: str
    by: str
    at: str
    number: int

    def text(self) -> str:
        """Write the record in the only way that is ever signed: sorted keys, no spaces, ASCII."""
        body = {**asdict(self), "schema": SCHEMA, "kind": KIND}
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @property
    def moment(self) -> datetime:
        """When the host says that it happened."""
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record as it travels: its text, the signature and the public key, both in hex."""

    text: str
    signature: str
    key: str

    @property
    def sha256(self) -> str:
        """The hash that names the record."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def to_wire(self) -> Json:
        """Return the shape in a report."""
        return {"record": self.text, "signature": self.signature, "key": self.key}

    def holds(self) -> bool:
        """Whether the key signed exactly this text."""
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key))
            public.verify(bytes.fromhex(self.signature), self.text.encode())
        except (ValueError, InvalidSignature):
            return False
        return True


def seal(record: BrokenGlass, key: Ed25519PrivateKey | None) -> Sealed:
    """Sign a record; without a key it travels unsigned, and will not be believed."""
    text = record.text()
    if key is None:
        return Sealed(text, "", "")
    return Sealed(text, key.sign(text.encode()).hex(), public_hex(key))


def public_hex(key: Ed25519PrivateKey) -> str:
    """Return the public half as 64 hex digits."""
    return key.public_key().public_bytes_raw().hex()


def clean(text: str, most: int) -> str:
    """Return text that can be kept and shown anywhere, cut to `most` characters."""
    return _UNPRINTABLE.sub(" ", text)[:most].strip()


def moment_text(seconds: float) -> str:
    """Return unix seconds as the UTC text of a record."""
    at = datetime.fromtimestamp(seconds, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read(text: str) -> BrokenGlass:
    """Return the record that a text is. Raises GlassError."""
    try:
        body = json.loads(text)
        if not isinstance(body, dict) or (body.pop("schema"), body.pop("kind")) != (SCHEMA, KIND):
            raise GlassError("another kind of record")
        record = BrokenGlass(**body)
        _check(record)
        same = record.text() == text
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
        raise GlassError(f"no record of a broken glass: {error}") from error
    if not same:
        raise GlassError("not written as a record is")
    return record


def _check(record: BrokenGlass) -> None:
    for name, most in (("proxy", MAX_NAME), ("by", MAX_NAME), ("reason", MAX_REASON)):
        value = getattr(record, name)
        if not isinstance(value, str) or len(value) > most or _UNPRINTABLE.search(value):
            raise GlassError(f"{name} is no plain text")
    if record.lineage is not None and not isinstance(record.lineage, str):
        raise GlassError("lineage is no text")
    if not HOLD_ID.fullmatch(record.hold):
        raise GlassError("hold is no id")
    if not _MOMENT.fullmatch(record.at) or record.moment.tzinfo is None:
        raise GlassError("at is no moment in UTC")
    counts = (record.generation, record.number, *record.exposure.values())
    if any(type(count) is not int or not 0 <= count < 2**53 for count in counts):
        raise GlassError("a count is no whole number")
