"""Lists of numbers by a named rule: the same comparison, without documents around it."""

from collections.abc import Sequence
from typing import Literal

from shadow.comparison.numbers import Number, Tolerance, distance
from shadow.comparison.ranking import topk

ValueRule = Literal["seed_abs", "close", "topk"]


def compare_values(
    rule: ValueRule,
    legacy: Sequence[Number | str],
    candidate: Sequence[Number | str],
    atol: float = 0.0,
    rtol: float = 0.0,
) -> bool:
    """Return whether two lists of numbers are equal by a rule; "nan", "inf", "-inf" are numbers.

    `seed_abs` is the default of every route and takes no tolerance; `topk` takes the numbers as
    labels in order, all of them. ValueError for another rule or a text that is no number.
    """
    match rule:
        case "seed_abs":
            return _near(legacy, candidate, Tolerance())
        case "close":
            return _near(legacy, candidate, Tolerance(atol=atol, rtol=rtol, strict=False))
        case "topk":
            return topk(legacy, candidate, k=len(legacy)) and len(legacy) == len(candidate)
        case _:
            raise ValueError(f"no such rule: {rule!r}")


def _near(
    legacy: Sequence[Number | str], candidate: Sequence[Number | str], tolerance: Tolerance
) -> bool:
    return len(legacy) == len(candidate) and all(
        near(_number(a), _number(b), tolerance) for a, b in zip(legacy, candidate, strict=True)
    )


def near(a: Number, b: Number, tolerance: Tolerance) -> bool:
    """Return whether two numbers match; legacy's, `a`, is the reference."""
    gap = distance(a, b)
    return tolerance.allows_odd(a, b) if gap is None else tolerance.allows(gap, a)


def _number(value: Number | str) -> Number:
    return float(value) if isinstance(value, str) else value
