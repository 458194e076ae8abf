"""Settings of the log format check. Pure.

```
{"legacy": {"file": "/var/log/legacy/access.log"}, "candidate": {"file": "/var/log/new/access.log"},
 "unknown_limit": 0.001, "min_lines": 50, "extra_fields": "refused", "ignore": ["build"],
 "redact": ["user_name"], "ask": true, "wait_s": 10}
```

Without a file the lines that were posted for that side are judged. `ask` has Banyan send both
services a few harmless and wrong requests, so that both write lines of the same events.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shadow.checks.base import SettingsError
from shadow.checks.logs.diff import Limits
from shadow.checks.nested import inside, members
from shadow.checks.settings import check_names, choice, flag, number, texts, whole

SIDES = ("legacy", "candidate")
KNOWN = (
    *SIDES,
    *("unknown_limit", "min_lines", "extra_fields", "ignore", "redact", "ask", "wait_s"),
)
MAX_PATH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """`files` by side; fields named in `ignore` may differ, those in `redact` are not looked at."""

    files: Mapping[str, str]
    limits: Limits
    ignore: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    ask: bool = True
    wait_s: float = 10.0


def read_settings(given: Mapping[str, Any]) -> LogSettings:
    """Return the settings, or raise SettingsError naming the member."""
    check_names(given, KNOWN)
    return LogSettings(
        files={side: _file(members(given, side), side) for side in SIDES if side in given},
        limits=Limits(
            unknown=number(given, "unknown_limit", 0.001, 0.0, 0.5),
            min_lines=whole(given, "min_lines", 50, 10, 5000),
            extra_fields=choice(given, "extra_fields", "refused", ("refused", "allowed"))
            == "allowed",
        ),
        ignore=texts(given, "ignore"),
        redact=texts(given, "redact"),
        ask=flag(given, "ask", default=True),
        wait_s=number(given, "wait_s", 10.0, 0.0, 120.0),
    )


def _file(given: Mapping[str, Any], side: str) -> str:
    with inside(side):
        check_names(given, ("file",))
        file = given.get("file")
        if not isinstance(file, str) or len(file) > MAX_PATH or not file.isprintable():
            raise SettingsError("file", "is a path")
        if not file.startswith("/") or ".." in file.split("/"):
            raise SettingsError("file", "is an absolute path without ..")
        return file
