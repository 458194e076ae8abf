"""An edge's report, read strictly: typed values out, or a refusal that names the field.

Pure. The shape is DATAPLANE's report; counts are integers, block starts are unix seconds.
"""

import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from traffic.exceptions import ReportError
from traffic.glass import HOLD_ID, MAX_TEXT, Sealed

STATES = frozenset({"accepted", "rejected", "held", "silent", "stale"})
MAX_COUNT = 2**53
MAX_BLOCK_SECONDS = 3600
# Of the columns that these texts are kept in.
WIDTHS = {"split": 50, "proxy": 50, "arm": 24, "boot": 64, "state": 16}
MAX_REASON = 2000
MAX_RECORDS = 20
MAX_HEX = 128
# An edge tells 16 users per block and kind of bad answer.
MAX_BAD_KEYS = 64
MAX_KINDS = 8


@dataclass(frozen=True, slots=True)
class Report:
    """One report, checked. The lists hold field values of the block models without their proxy."""

    proxy: str
    boot: str
    seq: int
    lineage: str
    generation: int
    state: str
    reason: str
    hold: dict[str, Any] | None
    envoy_version: str
    capabilities: tuple[str, ...]
    traffic: tuple[dict[str, Any], ...]
    routing: tuple[dict[str, Any], ...]
    taps: tuple[dict[str, Any], ...]
    # The key of this host's records, and those of broken glass that we are not known to have.
    glass_key: str = ""
    glass: tuple[Sealed, ...] = ()


def parse_report(doc: Any) -> Report:
    """Return the report or raise ReportError."""
    if not isinstance(doc, Mapping):
        raise ReportError("report: expected an object")
    state = _text(doc, "state")
    if state not in STATES:
        raise ReportError(f"state: unknown value {state!r}")
    reason = _free(doc.get("reason"), MAX_REASON)
    if state == "accepted" and reason:
        # An acceptance that says what is wrong is none.
        state = "rejected"
    return Report(
        proxy=_text(doc, "proxy"),
        boot=_text(doc, "boot"),
        seq=_count(doc, "seq"),
        lineage=_free(doc.get("lineage"), 32),
        generation=_count(doc, "generation"),
        state=state,
        reason=reason,
        hold=_hold(doc.get("hold")),
        envoy_version=_free(_object(doc, "envoy").get("version"), 32),
        capabilities=tuple(_free(c, 40) for c in _items(doc, "capabilities"))[:20],
        traffic=tuple(_traffic(b) for b in _list(doc, "blocks")),
        routing=tuple(_routing(b) for b in _list(doc, "routing")),
        taps=tuple(_taps(b) for b in _list(doc, "taps")),
        glass_key=_hex(doc.get("glass_key"), "glass_key"),
        glass=_records(doc),
    )


def _hold(hold: Any) -> dict[str, Any] | None:
    if not isinstance(hold, Mapping):
        return None
    if not HOLD_ID.fullmatch(str(hold.get("id"))):
        raise ReportError("hold: its id is none")
    reason = str(hold.get("reason") or "").replace("\x00", " ")
    return {**hold, "id": str(hold["id"]), "reason": reason[:MAX_REASON]}


def _records(doc: Mapping[str, Any]) -> tuple[Sealed, ...]:
    found = _list(doc, "glass")
    if len(found) > MAX_RECORDS:
        raise ReportError(f"glass: at most {MAX_RECORDS} records")
    return tuple(_record(value) for value in found)


def _record(value: Mapping[str, Any]) -> Sealed:
    text = value.get("record")
    if not isinstance(text, str) or not text.isascii() or not text.isprintable():
        raise ReportError("glass: a record is printable ASCII")
    if len(text) > MAX_TEXT:
        raise ReportError(f"glass: a record has at most {MAX_TEXT} characters")
    return Sealed(text, _hex(value.get("signature"), "glass"), _hex(value.get("key"), "glass"))


def _hex(value: Any, field: str) -> str:
    text = str(value or "")
    if len(text) > MAX_HEX or not all(digit in "0123456789abcdef" for digit in text):
        raise ReportError(f"{field}: expected lower-case hex digits")
    return text


def _traffic(block: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_key(block),
        "route": _text(block, "route"),
        "arm": _text(block, "arm"),
        "requests": _count(block, "requests"),
        "status": _counts(block.get("status"), "status"),
        "errors": _count(block, "errors"),
        "keys": _bad_keys(block.get("keys")),
        "slow": _counts(block.get("slow"), "slow"),
        "warming": _count(block, "warming"),
        "shed": _count(block, "shed"),
        "latency": _latency(block.get("latency")),
    }


def _routing(block: Mapping[str, Any]) -> dict[str, Any]:
    keys = _object(block, "new_keys")
    return {
        **_key(block),
        "epoch": _free(block.get("epoch"), 40),
        "intended": _count(block, "intended"),
        "failed_over": _count(block, "failed_over"),
        "diverted": _count(block, "diverted"),
        "arms": _counts(block.get("arms"), "arms"),
        "candidate_keys": _packed(keys.get("candidate", ()), "new_keys"),
        "legacy_keys": _packed(keys.get("legacy", ()), "new_keys"),
        "flips": [_flip(flip) for flip in _items(block, "flips")][:20],
        "flip_count": _count(block, "flip_count"),
        "key_requests": _count(block, "key_requests"),
        "key_squares": _count(block, "key_squares"),
    }


def _taps(block: Mapping[str, Any]) -> dict[str, Any]:
    names = (
        "sampled",
        "waiting",
        "pairs",
        "unpaired",
        "truncated",
        "failed_over",
        "diverted",
        "shed",
    )
    return {
        **_key(block),
        "route": _text(block, "route"),
        **{name: _count(block, name) for name in names},
    }


def _key(block: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "split": _text(block, "split"),
        "start": _count(block, "start"),
        "seconds": max(1, _count(block, "seconds", high=MAX_BLOCK_SECONDS)),
    }


def _latency(value: Any) -> dict[str, Any]:
    if not value:
        return {}
    if not isinstance(value, Mapping):
        raise ReportError("latency: expected an object")
    found: dict[str, Any] = {"table": _free(value.get("table"), 40)}
    for part in ("all", "even", "odd"):
        found[part] = _counts(value.get(part), f"latency.{part}")
    return found


def _bad_keys(value: Any) -> dict[str, str]:
    """Return the key hashes of users with a bad answer, by what was bad, as one hex text each."""
    if not value:
        return {}
    if not isinstance(value, Mapping):
        raise ReportError("keys: expected an object of lists of hashes")
    if len(value) > MAX_KINDS or any(len(keys) > MAX_BAD_KEYS for keys in value.values()):
        raise ReportError(f"keys: expected at most {MAX_BAD_KEYS} hashes of {MAX_KINDS} kinds")
    return {str(kind)[:20]: _packed(keys, "keys").hex() for kind, keys in value.items()}


def _packed(keys: Sequence[Any], field: str) -> bytes:
    """Return hex key hashes as sorted 8-byte strings in one blob."""
    try:
        raw = sorted({bytes.fromhex(key.zfill(16)) for key in keys})
    except (ValueError, AttributeError, TypeError, binascii.Error) as exc:
        raise ReportError(f"{field}: expected 64-bit hashes in hex") from exc
    if any(len(key) != 8 for key in raw):  # noqa: PLR2004  # bytes of a 64-bit hash
        raise ReportError(f"{field}: expected 64-bit hashes in hex")
    return b"".join(raw)


def _flip(flip: Any) -> str:
    if not isinstance(flip, Mapping):
        raise ReportError("flips: expected objects with key, first and now")
    key, first, now = (_free(flip.get(name), 32) for name in ("key", "first", "now"))
    return f"{key}: {first}, {now}"


def _list(doc: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = _items(doc, name)
    if not all(isinstance(item, Mapping) for item in value):
        raise ReportError(f"{name}: expected a list of objects")
    return value


def _items(doc: Mapping[str, Any], name: str) -> list[Any]:
    value = doc.get(name) or []
    if not isinstance(value, list):
        raise ReportError(f"{name}: expected a list")
    return value


def _object(doc: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = doc.get(name) or {}
    if not isinstance(value, Mapping):
        raise ReportError(f"{name}: expected an object")
    return value


def _free(value: Any, size: int) -> str:
    """Return what somebody wrote, cut to a column's size; PostgreSQL stores no NUL."""
    return str(value or "")[:size].replace("\x00", "\ufffd").encode(errors="replace").decode()


def _text(doc: Mapping[str, Any], name: str) -> str:
    value, size = doc.get(name), WIDTHS.get(name, 200)
    if not isinstance(value, str) or not 1 <= len(value) <= size or not value.isprintable():
        raise ReportError(f"{name}: expected a printable text of 1 to {size} characters")
    return value


def _count(doc: Mapping[str, Any], name: str, *, high: int = MAX_COUNT) -> int:
    value = doc.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
        raise ReportError(f"{name[:40]}: expected a whole number from 0 to {high}")
    return value


def _counts(value: Any, name: str) -> dict[str, int]:
    if not value:
        return {}
    if not isinstance(value, Mapping):
        raise ReportError(f"{name}: expected an object of counts")
    return {_free(key, 40): _count(value, key) for key in value}
