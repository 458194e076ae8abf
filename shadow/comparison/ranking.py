"""Rules that judge an array as one thing: its first labels, its shares, its direction.

Each returns None where the values are not of the kind that it judges: the array is then compared
like any other, which is stricter.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shadow.comparison.numbers import Floats, Number
from shadow.comparison.rules import Cosine, Dist, TopK

SHARE_FLOOR = 1e-8
Ranking = tuple[list[Any], list[Number]]


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


def _end_of_tie(place: int, size: int, scores: Sequence[Number], tolerance: float) -> int:
    end = place + 1
    while end < min(size, len(scores)) and abs(scores[end - 1] - scores[end]) <= tolerance:
        end += 1
    return end


def labels_match(a: Any, b: Any, rule: TopK, parent: Any) -> bool | None:
    """Judge by `topk`; `parent` is legacy's object around the array."""
    legacy, candidate = _ranking(a, rule, parent), _ranking(b, rule, None)
    if legacy is None or candidate is None:
        return None
    return topk(legacy[0], candidate[0], k=rule.k, scores=legacy[1], tolerance=rule.tolerance)


def first_labels(value: Any, rule: TopK) -> list[Any]:
    """Return the labels that count, for a sentence."""
    found = _ranking(value, rule, None)
    return [label for _, label in found[0][: rule.k]] if found else []


def _ranking(value: Any, rule: TopK, parent: Any) -> Ranking | None:
    if isinstance(value, dict):
        if not all(map(_is_number, value.values())):
            return None
        ranked = sorted(value.items(), key=lambda item: -item[1])
        return [_typed(name) for name, _ in ranked], [score for _, score in ranked]
    if not isinstance(value, list):
        return None
    if rule.label:
        return _ranked_objects(value, rule)
    if not all(isinstance(x, str | int | float) for x in value):
        return None
    beside = parent.get(rule.scores) if rule.scores and isinstance(parent, dict) else None
    scores = beside if isinstance(beside, list) and all(map(_is_number, beside)) else []
    return [_typed(x) for x in value], scores


def _ranked_objects(value: list[Any], rule: TopK) -> Ranking | None:
    if not all(isinstance(x, dict) and rule.label in x for x in value):
        return None
    labels = [x[rule.label] for x in value]
    if not all(isinstance(x, str | int | float) for x in labels):
        return None
    scores = [x.get(rule.score) for x in value] if rule.score else []
    return [_typed(x) for x in labels], scores if all(map(_is_number, scores)) else []


def _typed(label: Any) -> tuple[str, Any]:
    # A JSON true is not the number 1.
    return type(label).__name__ if isinstance(label, str | bool) else "number", label


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)


def _vectors(a: Any, b: Any) -> tuple[Floats, Floats] | None:
    if isinstance(a, dict) and isinstance(b, dict):
        names = {**a, **b}
        a, b = ([side.get(name, 0.0) for name in names] for side in (a, b))
    if not (isinstance(a, list) and isinstance(b, list)) or len(a) != len(b) or not a:
        return None
    if not (all(map(_is_number, a)) and all(map(_is_number, b))):
        return None
    try:
        return np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
    except OverflowError:
        return None


def divergence(a: Any, b: Any) -> float | None:
    """Return KL(legacy || candidate) after a floor and renormalising; names that lack are 0."""
    found = _vectors(a, b)
    if found is None or (found[0] < 0).any() or (found[1] < 0).any():
        return None
    # Divided first, so that no sum overflows.
    p, q = (np.maximum(x / max(x.max(), 1.0), SHARE_FLOOR) for x in found)
    p, q = p / p.sum(), q / q.sum()
    return max(0.0, float((p * np.log(p / q)).sum()))


def cosine(a: Any, b: Any) -> float | None:
    """Return the cosine between two vectors; of two zero vectors 1, of one 0."""
    if isinstance(a, dict) or (found := _vectors(a, b)) is None:
        return None
    largest = [float(np.abs(x).max()) for x in found]
    if 0 in largest:
        return 1.0 if largest[0] == largest[1] else 0.0
    x, y = (vector / most for vector, most in zip(found, largest, strict=True))
    return float(np.clip(x @ y / math.sqrt((x @ x) * (y @ y)), -1, 1))


def judge_whole(
    a: Any, b: Any, rule: TopK | Dist | Cosine, parent: Mapping[str, Any] | None
) -> bool | None:
    """Return whether two values match by a rule that judges them as one; None: not of its kind."""
    if isinstance(rule, TopK):
        return labels_match(a, b, rule, parent)
    if isinstance(rule, Dist):
        apart = divergence(a, b)
        return None if apart is None else apart <= rule.limit
    similar = cosine(a, b)
    # Rounding may leave equal vectors a hair below 1.
    return None if similar is None else a == b or similar >= rule.limit
