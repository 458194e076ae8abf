"""What of a log line may be shown and stored: values of secret fields are replaced. Pure.

Where a field is told by its name alone, the whole value goes; card numbers go everywhere.
"""

import re
from collections.abc import Collection
from typing import Any

import orjson

from shadow.privacy import REDACTED, is_secret_header, without_cards

# `authorization: Bearer abc`, `"cookie":"a=b; c=d"`, `api_key=abc`: the name, and what follows it.
_PAIR = re.compile(
    r"""(?P<name>[A-Za-z_][\w.-]*)(?P<sep>"?\s*[=:]\s*)(?P<value>"(?:[^"\\]|\\.)*"|[^\s,;}"]+)"""
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
MAX_DEPTH = 8


def redacted_line(line: str, names: Collection[str] = ()) -> str:
    """Return a line with the values of secret and of the named fields replaced."""
    document = _document(line)
    if document is not None:
        cleaned, changed = _cleaned(document, frozenset(names), 0)
        line = orjson.dumps(cleaned).decode() if changed else line
    else:
        line = _PAIR.sub(lambda found: _pair(found, names), line)
    return without_cards(_BEARER.sub(rf"\1 {REDACTED}", line))


def _document(line: str) -> dict[str, Any] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _cleaned(value: Any, names: Collection[str], depth: int) -> tuple[Any, bool]:
    """Return the value and whether anything was replaced; a line without need stays as it is."""
    if isinstance(value, dict):
        found = {key: _member(key, member, names, depth) for key, member in value.items()}
        return {key: member for key, (member, _) in found.items()}, any(
            changed for _, changed in found.values()
        )
    if isinstance(value, list) and depth < MAX_DEPTH:
        items = [_cleaned(member, names, depth + 1) for member in value]
        return [item for item, _ in items], any(changed for _, changed in items)
    return value, False


def _member(key: str, value: Any, names: Collection[str], depth: int) -> tuple[Any, bool]:
    if value is not None and (key in names or is_secret_header(key)):
        return REDACTED, True
    if depth >= MAX_DEPTH:
        return value, False
    return _cleaned(value, names, depth + 1)


def _pair(found: "re.Match[str]", names: Collection[str]) -> str:
    name = found["name"]
    if name not in names and not is_secret_header(name):
        return found[0]
    quote = '"' if found["value"].startswith('"') else ""
    return f"{name}{found['sep']}{quote}{REDACTED}{quote}"
