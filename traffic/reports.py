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
MAX_REASON = 2000
MAX_RECORDS = 20
MAX_HEX = 128


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
    envoy = doc.get("envoy") or {}
    return Report(
        proxy=_text(doc, "proxy"),
        boot=_text(doc, "boot"),
        seq=_count(doc, "seq"),
        lineage=str(doc.get("lineage") or ""),
        generation=_count(doc, "generation"),
        state=state,
        reason=str(doc.get("reason") or "")[:MAX_REASON],
        hold=_hold(doc.get("hold")),
        envoy_version=str(envoy.get("version") or "")[:32],
        capabilities=tuple(str(c)[:40] for c in doc.get("capabilities") or ())[:20],
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
        "error_keys": _count(block, "error_keys"),
        "slow": _counts(block.get("slow"), "slow"),
        "warming": _count(block, "warming"),
        "shed": _count(block, "shed"),
        "latency": _latency(block.get("latency")),
    }


def _routing(block: Mapping[str, Any]) -> dict[str, Any]:
    keys = block.get("new_keys") or {}
    return {
        **_key(block),
        "epoch": str(block.get("epoch") or "")[:40],
        "intended": _count(block, "intended"),
        "failed_over": _count(block, "failed_over"),
        "diverted": _count(block, "diverted"),
        "arms": _counts(block.get("arms"), "arms"),
        "candidate_keys": _packed(keys.get("candidate", ())),
        "legacy_keys": _packed(keys.get("legacy", ())),
        "flips": [_flip(flip) for flip in block.get("flips") or ()][:20],
        "flip_count": _count(block, "flip_count"),
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
        "seconds": max(1, _count(block, "seconds")),
    }


def _latency(value: Any) -> dict[str, Any]:
    if not value:
        return {}
    if not isinstance(value, Mapping):
        raise ReportError("latency: expected an object")
    found: dict[str, Any] = {"table": str(value.get("table", ""))}
    for part in ("all", "even", "odd"):
        found[part] = _counts(value.get(part), f"latency.{part}")
    return found


def _packed(keys: Sequence[Any]) -> bytes:
    """Return hex key hashes as sorted 8-byte strings in one blob."""
    try:
        raw = sorted({bytes.fromhex(key.zfill(16)) for key in keys})
    except (ValueError, AttributeError, binascii.Error) as exc:
        raise ReportError("new_keys: expected 64-bit hashes in hex") from exc
    if any(len(key) != 8 for key in raw):  # noqa: PLR2004  # bytes of a 64-bit hash
        raise ReportError("new_keys: expected 64-bit hashes in hex")
    return b"".join(raw)


def _flip(flip: Any) -> str:
    if not isinstance(flip, Mapping):
        raise ReportError("flips: expected objects with key, first and now")
    return (
        f"{str(flip.get('key'))[:32]}: {str(flip.get('first'))[:16]}, {str(flip.get('now'))[:16]}"
    )


def _list(doc: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = doc.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise ReportError(f"{name}: expected a list of objects")
    return value


def _text(doc: Mapping[str, Any], name: str) -> str:
    value = doc.get(name)
    if not isinstance(value, str) or not value or len(value) > 200:  # noqa: PLR2004  # column width
        raise ReportError(f"{name}: expected a text of 1 to 200 characters")
    return value


def _count(doc: Mapping[str, Any], name: str) -> int:
    value = doc.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise ReportError(f"{name}: expected a whole number from 0 to 2^53")
    return value


def _counts(value: Any, name: str) -> dict[str, int]:
    if not value:
        return {}
    if not isinstance(value, Mapping):
        raise ReportError(f"{name}: expected an object of counts")
    return {str(key): _count(value, key) for key in value}
