"""Readers for the environment: a wrong value stops the start and names its variable and range."""

import os


class SettingError(SystemExit):
    """Raised at start-up; the process ends with exit code 2 and one line on stderr."""

    def __init__(self, variable: str, problem: str) -> None:
        """Keep the message; exit code 2 is set by `fail`."""
        super().__init__(2)
        self.message = f"{variable}: {problem}"


def fail(variable: str, problem: str) -> SettingError:
    """Print the one line an operator needs and return the exit to raise."""
    os.write(2, f"banyan: {variable}: {problem}\n".encode())
    return SettingError(variable, problem)


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


def number(variable: str, default: int, *, low: int, high: int) -> int:
    """Read an integer within low..high."""
    raw = os.environ.get(variable, "")
    if not raw:
        return default
    if not raw.isascii() or not raw.isdigit() or not low <= int(raw) <= high:
        raise fail(variable, f"expected a whole number from {low} to {high}, got {raw!r}")
    return int(raw)


def words(variable: str, default: str) -> list[str]:
    """Read a comma-separated list."""
    return [item.strip() for item in text(variable, default).split(",") if item.strip()]
