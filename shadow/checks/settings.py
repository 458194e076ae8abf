"""How checks read their settings: strictly, and naming the field that is wrong. Pure."""

import math
from collections.abc import Collection, Mapping
from typing import Any

from shadow.checks.base import SettingsError

MAX_LISTED = 200
MAX_TEXT = 300


def check_names(settings: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse the first setting that is not known."""
    for name in settings:
        if name not in known:
            raise SettingsError(str(name)[:60], f"is not known; known are {', '.join(known)}")


def number(
    settings: Mapping[str, Any], name: str, default: float, low: float, high: float
) -> float:
    """Return a number within bounds."""
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise SettingsError(name, "is a number")
    if not low <= value <= high:
        raise SettingsError(name, f"is a number from {low:g} to {high:g}")
    return value


def whole(settings: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    """Return a whole number within bounds."""
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingsError(name, f"is a whole number from {low} to {high}")
    return value


def choice(settings: Mapping[str, Any], name: str, default: str, known: Collection[str]) -> str:
    """Return one of several words."""
    value = settings.get(name, default)
    if not isinstance(value, str) or value not in known:
        raise SettingsError(name, f"is one of {', '.join(known)}")
    return value


def flag(settings: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Return true or false."""
    value = settings.get(name, default)
    if not isinstance(value, bool):
        raise SettingsError(name, "is true or false")
    return value


def path(settings: Mapping[str, Any], name: str, default: str) -> str:
    """Return a path on the service: no other host, no line breaks."""
    value = settings.get(name, default)
    good = isinstance(value, str) and value.startswith("/") and not value.startswith("//")
    if not good or len(value) > MAX_TEXT or not value.isascii() or not value.isprintable():
        raise SettingsError(name, "is a path like /openapi.json")
    if " " in value:
        raise SettingsError(name, "is a path like /openapi.json")
    return str(value)


def texts(settings: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of short texts."""
    value = settings.get(name, [])
    if not isinstance(value, list) or len(value) > MAX_LISTED:
        raise SettingsError(name, f"is a list of at most {MAX_LISTED} texts")
    for at, text in enumerate(value):
        if not isinstance(text, str) or not 1 <= len(text) <= MAX_TEXT:
            raise SettingsError(f"{name}[{at}]", f"is a text of 1 to {MAX_TEXT} characters")
    return tuple(value)
