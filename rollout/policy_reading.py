"""Reads a policy from JSON, strictly, naming the field that is wrong; compares two policies. Pure.

What counts as looser is data: a change is stricter only when the table says so.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from rollout.policy_parts import PolicyError, check_number, leaves

MAX_TEXT = 200
MAX_ITEMS = 50
# Texts that may be longer than a name.
LONG_TEXTS = frozenset({"query", "legacy", "count"})
MAX_LONG_TEXT = 2000


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def read(cls: Any, data: object, path: str = "") -> Any:
    """Build `cls`, a dataclass, from a JSON object that has its fields and no others."""
    if not isinstance(data, Mapping):
        raise PolicyError(path or "policy", "expected an object")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for name in data:
        if name not in fields:
            raise PolicyError(_join(path, str(name)[:60]), "this field is not known")
    for name, field in fields.items():
        if name not in data and field.default is dataclasses.MISSING:
            raise PolicyError(_join(path, name), "this field is missing")
    kinds = _hints(cls)
    values = {name: _value(kinds[name], data[name], _join(path, name)) for name in data}
    try:
        return cls(**values)
    except PolicyError as exc:
        raise PolicyError(_join(path, exc.field), exc.problem) from exc
    except ValueError as exc:
        # A part that checks itself names its own field.
        field_name, _, problem = str(exc).partition(": ")
        raise PolicyError(_join(path, field_name), problem) from exc


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _value(kind: Any, value: object, path: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return read(kind, value, path)
    if get_origin(kind) is tuple:
        return _items(get_args(kind)[0], value, path)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise PolicyError(path, f"expected one of: {', '.join(get_args(kind))}")
        return value
    return _scalar(kind, value, path)


def _items(kind: Any, value: object, path: str) -> tuple[Any, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MAX_ITEMS:
        raise PolicyError(path, f"expected a list of at most {MAX_ITEMS}")
    return tuple(_value(kind, item, f"{path}.{index}") for index, item in enumerate(value))


_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def _scalar(kind: Any, value: object, path: str) -> Any:
    given = type(value)
    fits = given is kind or (kind is float and given is int)
    longest = MAX_LONG_TEXT if path.rpartition(".")[2] in LONG_TEXTS else MAX_TEXT
    if not fits or (isinstance(value, str) and len(value) > longest):
        raise PolicyError(path, f"expected {_WORDS[kind]}")
    check_number(path, value)
    return float(value) if kind is float and isinstance(value, int) else value


# --- What a change means --------------------------------------------------------------------------

# +1: more is stricter; -1: less is stricter. What is not here is looser whichever way it changes.
STRICTER: Mapping[str, int] = {
    "limit": -1,
    "alpha_pass": -1,
    # A smaller alpha raises the alarm later: for what makes a gate FAIL, more is stricter.
    "alpha_fail": 1,
    "alpha_step": 1,
    "min_window_s": 1,
    "min_blocks": 1,
    "min_requests": 1,
    "bake_seconds": 1,
    "min_fail_events": -1,
    "min_fail_keys": -1,
    "delta": -1,
    "rho": -1,
    "rho_open": -1,
    "rho_fail": -1,
    "margin_buckets": 1,
    "from_weight": -1,
    "max_uncomparable": -1,
    "stale_after_s": -1,
    "evidence_max_age_s": -1,
    "approvals_required": 1,
    "approval_expiry_s": -1,
    "override_max_s": -1,
    "decommission_hold_s": 1,
    "error_grace_s": -1,
    "baseline_s": 1,
    "stage_s": 1,
    "hold_s": 1,
    "tolerance": -1,
    "users_delta": -1,
    "users_p99_ratio": -1,
    "late_budget_ms": -1,
    "lifetime_s": -1,
    "use_blocks": 1,
    "min_count": 1,
    "max_age_s": -1,
}
# They name a policy and change nothing.
NAMES = frozenset({"name", "label", "version"})


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs between two policy documents: name of the value → (old, new)."""
    before, after = dict(leaves(_keyed(old))), dict(leaves(_keyed(new)))
    return {
        path: (before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    }


def loosened(changed: Mapping[str, tuple[Any, Any]]) -> tuple[str, ...]:
    """Name the changes that are not certainly stricter."""
    return tuple(path for path, (old, new) in changed.items() if not _stricter(path, old, new))


def _keyed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Let gates and percentiles be compared by name, whatever their order."""
    keyed = {name: value for name, value in document.items() if name not in NAMES}
    keyed["gates"] = {r["gate"]: {"from_weight": r["from_weight"]} for r in document["gates"]}
    latency = dict(document["latency"])
    latency["percentiles"] = {
        f"{100 * r['quantile']:g}".replace(".", "_"): {"from_weight": r["from_weight"]}
        for r in latency["percentiles"]
    }
    # Documents from before there were metrics have none.
    metrics = {rule["name"]: rule for rule in document.get("metrics", ())}
    return {**keyed, "latency": latency, "metrics": metrics}


def _stricter(path: str, old: Any, new: Any) -> bool:
    leaf = path.rpartition(".")[2]
    if isinstance(old, NoneType) or isinstance(new, NoneType):
        # A gate or percentile that came in asks for more; anything else that came or went is loose.
        new_gate = leaf == "from_weight" or path.startswith("metrics.")
        return old is None and new_gate
    if leaf in ("on_fail", "on_fail_to", "thin_routes", "thin_routes_live"):
        return bool(new in ("roll_back", "zero", "block"))
    direction = STRICTER.get(leaf, 0)
    return bool((new - old) * direction > 0) if direction else False
