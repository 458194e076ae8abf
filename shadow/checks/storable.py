"""A result as every database can hold it: no NUL, no lone surrogate, no NaN, bounded. Pure."""

import math
from typing import Any

from shadow.checks.base import Result

MAX_FINDINGS = 200
MAX_TEXT = 2000
MAX_MEMBERS = 2000
MAX_DEPTH = 12


def storable(result: Result) -> dict[str, Any]:
    """Return the result as plain JSON; findings beyond MAX_FINDINGS are counted, not kept."""
    document = result.to_dict()
    dropped = len(document["findings"]) - MAX_FINDINGS
    if dropped > 0:
        document["findings"] = document["findings"][:MAX_FINDINGS]
        document["details"] = {**document["details"], "findings_dropped": dropped}
    cleaned: dict[str, Any] = plain(document)
    return cleaned


def plain(value: Any, depth: int = 0) -> Any:
    """Return a JSON value without what PostgreSQL's json or text refuses."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        members = list(value.items())[:MAX_MEMBERS]
        return {clean_text(str(key)): plain(item, depth + 1) for key, item in members}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value[:MAX_MEMBERS]]
    return clean_text(str(value))


def clean_text(text: str) -> str:
    """Return the text cut, with NUL and lone surrogates replaced."""
    cut = text[:MAX_TEXT].replace("\x00", "\ufffd")
    return cut.encode("utf-8", "replace").decode()
