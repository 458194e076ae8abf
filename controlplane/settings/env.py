"""Readers for the environment: a wrong value stops the start and names its variable."""

import os
import re

_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~/\-]*)?")


def fail(variable: str, problem: str) -> SystemExit:
    """Print the one line an operator needs and return the exit to raise."""
    os.write(2, f"banyan: {variable}: {problem}\n".encode())
    return SystemExit(2)


def text(variable: str, default: str) -> str:
    """Return the variable, or the default when unset or empty."""
    return os.environ.get(variable) or default


def flag(variable: str, *, default: bool) -> bool:
    """Read 1/0, true/false, yes/no."""
    raw = os.environ.get(variable, "")
    if not raw:
        return default
    if raw.lower() in {"1", "true", "yes", "on"}:
        return True
    if raw.lower() in {"0", "false", "no", "off"}:
        return False
    raise fail(variable, f"expected 1 or 0, got {raw!r}")


def whole(variable: str, default: int, *, low: int, high: int) -> int:
    """Read a whole number between `low` and `high`, both included."""
    raw = os.environ.get(variable, "")
    if not raw:
        return default
    if raw.isascii() and raw.isdigit() and low <= int(raw[:12]) <= high:
        return int(raw)
    raise fail(variable, f"expected a whole number from {low} to {high}, got {raw[:40]!r}")


def words(variable: str, default: str) -> list[str]:
    """Read a comma-separated list."""
    return [item.strip() for item in text(variable, default).split(",") if item.strip()]


def addresses(variable: str, default: str) -> dict[str, str]:
    """Read a comma-separated list of name=http(s)://host[:port][/path]."""
    found = {}
    for item in words(variable, default):
        name, _, url = item.partition("=")
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", name) or not _URL.fullmatch(url):
            raise fail(variable, f"expected name=http://host:port, got {item[:60]!r}")
        found[name] = url.rstrip("/")
    return found


def one_of(variable: str, default: str, known: tuple[str, ...]) -> str:
    """Read one of the known words."""
    found = text(variable, default)
    if found not in known:
        raise fail(variable, f"expected one of {', '.join(known)}, got {found[:40]!r}")
    return found
