"""Settings of the health check. Pure.

```
{"switches": {"candidate": {"url": "http://10.0.0.5:9000/state", "method": "PUT",
                            "states": {"draining": {"state": "draining"}},
                            "restore": {"state": null}},
              "legacy": {...}},
 "provoke_legacy": false,
 "expected": {"draining": {"status": 503, "body": {"status": "draining", "reason": "..."}}},
 "values": ["$.status"], "ignore": ["$.build"], "required": ["draining"]}
```

A switch must change what the service says about itself, never how it serves. Legacy serves users,
so it is switched only where `provoke_legacy` says so; else what it would say may be declared.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from shadow.addresses import Address
from shadow.checks.base import SettingsError
from shadow.checks.nested import inside, members, url
from shadow.checks.settings import check_names, choice, flag, texts, whole

STATES = ("starting", "draining", "dependency_down")
SIDES = ("legacy", "candidate")
VALUES = ("$.status",)
METHODS = ("PUT", "POST", "PATCH")
STATE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
MAX_BODY_BYTES = 2000
STATUSES = (200, 599)


@dataclass(frozen=True, slots=True)
class Switch:
    """What to send where to have a service say a state, and to have it say the truth again."""

    address: Address
    path: str
    method: str
    states: Mapping[str, bytes]
    restore: bytes


@dataclass(frozen=True, slots=True)
class Expected:
    """What legacy is declared to say in a state; `body` None: nothing is declared about it."""

    status: int
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings:
    """`values` are JSON paths whose values must be equal, `ignore` those that may differ."""

    switches: Mapping[str, Switch] = field(default_factory=dict)
    provoke_legacy: bool = False
    expected: Mapping[str, Expected] = field(default_factory=dict)
    values: tuple[str, ...] = VALUES
    ignore: tuple[str, ...] = ()
    # States without which the check does not pass.
    required: tuple[str, ...] = ()

    @property
    def states(self) -> tuple[str, ...]:
        """The known states and those that only the settings name."""
        named = [state for switch in self.switches.values() for state in switch.states]
        return tuple(dict.fromkeys([*STATES, *named, *self.expected, *self.required]))


def read_settings(given: Mapping[str, Any]) -> HealthSettings:
    """Return the settings, or raise SettingsError naming the member."""
    known = ("switches", "provoke_legacy", "expected", "values", "ignore", "required")
    check_names(given, known)
    settings = HealthSettings(
        switches=_switches(members(given, "switches")),
        provoke_legacy=flag(given, "provoke_legacy", default=False),
        expected=_expected(members(given, "expected")),
        values=texts(given, "values") if "values" in given else VALUES,
        ignore=texts(given, "ignore"),
        required=texts(given, "required"),
    )
    _check_states(settings.required, "required")
    if settings.provoke_legacy and "legacy" not in settings.switches:
        raise SettingsError("provoke_legacy", "needs switches.legacy")
    return settings


def _switches(given: Mapping[str, Any]) -> dict[str, Switch]:
    with inside("switches"):
        check_names(given, SIDES)
        found = {}
        for side in given:
            switch = members(given, side)
            with inside(side):
                found[side] = _switch(switch)
    return found


def _switch(given: Mapping[str, Any]) -> Switch:
    check_names(given, ("url", "method", "states", "restore"))
    address, path = url(given, "url")
    states = members(given, "states")
    if not states or "restore" not in given:
        raise SettingsError("restore" if states else "states", "is required")
    _check_states(states, "states")
    with inside("states"):
        bodies = {name: _body(body, name) for name, body in states.items()}
    method = choice(given, "method", "PUT", METHODS)
    return Switch(address, path, method, bodies, _body(given["restore"], "restore"))


def _body(value: Any, name: str) -> bytes:
    raw = orjson.dumps(value)
    if len(raw) > MAX_BODY_BYTES:
        raise SettingsError(name, f"is at most {MAX_BODY_BYTES} bytes long")
    return raw


def _expected(given: Mapping[str, Any]) -> dict[str, Expected]:
    _check_states(given, "expected")
    found = {}
    with inside("expected"):
        for state in given:
            answer = members(given, state)
            with inside(state):
                check_names(answer, ("status", "body"))
                status = whole(answer, "status", 503, *STATUSES)
                found[state] = Expected(status, answer.get("body"))
    return found


def _check_states(names: Iterable[str], at: str) -> None:
    for name in names:
        if name == "up" or not STATE_NAME.fullmatch(name):
            raise SettingsError(f"{at}.{name[:60]}", "is no name of a state, like draining")
