"""Which rule would let pass what a service differs in from itself. Pure.

A proposal is a rule document for a person to judge; nothing puts it in force by itself.
"""

import math
from typing import Any

# Numbers that differ by less than this in themselves are noise of computing, not other values.
SMALL_GAP = 0.01
_VARYING = frozenset(
    {"cosine", "dist", "length", "missing", "number", "topk", "type", "unexpected", "value"}
)


def propose(*, path: str, kind: str, max_distance: float | None) -> dict[str, Any] | None:
    """Return a rule for a cause of noise; None where no rule helps and the service must.

    `path` and `kind` are a cause's signature, `max_distance` the largest distance seen in it.
    """
    if kind == "header":
        return {"rule": "headers", "compare": ["content-type"]}
    if "$" not in path or not _readable(path):
        return None
    where = path[path.index("$") :]
    if kind == "number" and max_distance is not None and 0 < max_distance <= SMALL_GAP:
        return {"path": where, "rule": "close", "atol": _rounded_up(2 * max_distance)}
    if kind == "not_finite":
        return {"path": where, "rule": "close", "dtype": "fp32", "nan_equal": True}
    varies = kind in _VARYING and where != "$"
    return {"path": where, "rule": "ignore"} if varies else None


def _readable(path: str) -> bool:
    # A name that was cut is no place any more.
    return "…" not in path


def _rounded_up(value: float) -> float:
    """Return a number with one digit that is not less."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{math.ceil(value / power - 1e-9) * power:.0e}")
