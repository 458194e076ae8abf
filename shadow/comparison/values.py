"""Rules for values that a route may compare otherwise than by the default: numbers, labels, texts.

Pure, and not yet asked for by `compare`. Legacy is always the reference. Numbers are float64,
integers beyond 2^53 are compared as integers, -0.0 equals 0.0.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shadow.comparison.numbers import Number, as_float, distance

SEED_ATOL = 1e-4
ValueRule = Literal["seed_abs", "close", "topk"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two numbers may be: at most atol + rtol |legacy|."""

    rtol: float
    atol: float


# What numbers of these formats can hold: a plain 1e-4 is less than their own grain at times.
PRESETS = {
    "fp32": Tolerance(1e-4, 1e-5),
    "fp16": Tolerance(1e-3, 1e-3),
    "bf16": Tolerance(1.6e-2, 1e-3),
}


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
            return seed_abs([_number(x) for x in legacy], [_number(x) for x in candidate])
        case "close":
            a, b = [_number(x) for x in legacy], [_number(x) for x in candidate]
            return close(a, b, atol=atol, rtol=rtol)
        case "topk":
            return topk(legacy, candidate, k=len(legacy)) and len(legacy) == len(candidate)
        case _:
            raise ValueError(f"no such rule: {rule!r}")


def seed_abs(legacy: Sequence[Number], candidate: Sequence[Number]) -> bool:
    """Return whether all numbers are less than 1e-4 apart; NaN and infinity equal nothing."""
    if len(legacy) != len(candidate):
        return False
    gaps = [distance(a, b) for a, b in zip(legacy, candidate, strict=True)]
    return all(gap is not None and gap < SEED_ATOL for gap in gaps)


def close(
    legacy: Sequence[Number],
    candidate: Sequence[Number],
    *,
    atol: float,
    rtol: float,
    nan_equal: bool = False,
) -> bool:
    """Return whether all numbers are at most atol + rtol |legacy| apart; not symmetric.

    Infinities of one sign are equal, NaN equals NaN only when asked for.
    """
    return len(legacy) == len(candidate) and all(
        _close(a, b, atol, rtol, nan_equal=nan_equal)
        for a, b in zip(legacy, candidate, strict=True)
    )


def topk(
    legacy: Sequence[object],
    candidate: Sequence[object],
    *,
    k: int = 1,
    scores: Sequence[Number] = (),
    tolerance: float = 0.0,
) -> bool:
    """Return whether the first k labels are equal, in order.

    With legacy's `scores` of its labels, those no further than the tolerance from their neighbours
    in rank are tied and may come in any order, also across the k-th place.
    """
    if len(candidate) < min(k, len(legacy)) or len(legacy) < min(k, len(candidate)):
        return False
    place = 0
    while place < min(k, len(legacy)):
        end = _end_of_tie(place, len(legacy), scores, tolerance)
        shown = min(end, k) - place
        tied = list(legacy[place:end])
        for label in candidate[place : place + shown]:
            if label not in tied:
                return False
            tied.remove(label)
        place = end
    return True


def compare_text(legacy: str, candidate: str) -> bool:
    """Return whether two texts are equal after Unicode NFC, without outer white space.

    Case and inner spaces count.
    """
    return _canonical(legacy) == _canonical(candidate)


def _canonical(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _number(value: Number | str) -> Number:
    return float(value) if isinstance(value, str) else value


def _close(a: Number, b: Number, atol: float, rtol: float, *, nan_equal: bool) -> bool:
    apart = distance(a, b)
    if apart is not None:
        return apart <= atol + rtol * as_float(abs(a))
    if _is_nan(a) or _is_nan(b):
        return nan_equal and _is_nan(a) and _is_nan(b)
    return a == b


def _is_nan(x: Number) -> bool:
    return isinstance(x, float) and math.isnan(x)


def _end_of_tie(place: int, size: int, scores: Sequence[Number], tolerance: float) -> int:
    end = place + 1
    while end < min(size, len(scores)) and abs(scores[end - 1] - scores[end]) <= tolerance:
        end += 1
    return end
