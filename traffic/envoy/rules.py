"""Which declared route a request belongs to: one rule for Envoy, the edge and the control plane."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypedDict

OTHER_ROUTE = "other"
"""The route of a request that no rule names: shown, never blocking."""

_PLACEHOLDER = re.compile(r"\{[^{}/]+\}")


class RouteRuleDoc(TypedDict):
    """A route rule as it stands in a snapshot. `slow_us` maps p50, p95, p99 to thresholds in µs."""

    split: str
    route: str
    method: str
    path: str
    safe_to_duplicate: bool
    slow_us: dict[str, int] | None


def is_template(path: str) -> bool:
    """Whether `path` has `{x}` segments."""
    return _PLACEHOLDER.search(path) is not None


def template_regex(path: str) -> str:
    """Return a regular expression, valid in Python and in RE2, that the whole path must match."""
    literals = _PLACEHOLDER.split(path)
    return "[^/]+".join(re.escape(part) for part in literals)


@lru_cache(maxsize=4096)
def _compiled(path: str) -> re.Pattern[str]:
    return re.compile(template_regex(path))


def match_route(
    rules: Sequence[RouteRuleDoc], method: str, path: str, *, split: str | None = None
) -> str:
    """Name of the rule that `method` and `path` match, or "other".

    The query string does not count. An exact path wins over a template, else the first rule wins.
    With `split` only that split's rules are looked at.
    """
    bare = path.partition("?")[0]
    mine = [
        rule
        for rule in rules
        if rule["method"] == method and (split is None or rule["split"] == split)
    ]
    for rule in mine:
        if rule["path"] == bare:
            return rule["route"]
    for rule in mine:
        if is_template(rule["path"]) and _compiled(rule["path"]).fullmatch(bare):
            return rule["route"]
    return OTHER_ROUTE
