"""Whether two JSON documents match, as fast as it goes: no paths, out at the first difference.

`report.py` says where and how they differ; a property test holds the two together.
"""

from collections.abc import Sequence
from typing import Any

from shadow.comparison.columns import MAX_DEPTH, Columns, TooDeepError, count_members
from shadow.comparison.numbers import (
    EXACT_BELOW,
    WIDE_FROM,
    Number,
    Tolerance,
    as_float,
    distance,
    gaps,
)
from shadow.comparison.pairing import Pairing, by_key, in_any_order
from shadow.comparison.paths import ANY
from shadow.comparison.ranking import judge_whole
from shadow.comparison.rules import KeyBy, Place, Unordered
from shadow.comparison.texts import compare_text

# From this length on one vectorised comparison is cheaper than a loop.
VECTOR_FROM = 12
_MISSING = object()


class Equality(Columns):
    """One comparison of two documents.

    Afterwards `distance` is the largest one between two numbers (None without numbers),
    `members` counts the object members that both hold, `ignored` the ones of each side that were
    not compared one by one, and `wide` says that a float may stand for an integer that JSON wrote
    exactly.
    """

    __slots__ = ()

    def same(
        self, a: Any, b: Any, place: Place, depth: int = 0, parent: dict[str, Any] | None = None
    ) -> bool:
        kind = type(a)
        if kind is float or kind is int:
            return (type(b) is float or type(b) is int) and self.numbers(a, b, place.numbers)
        if kind is not type(b):
            return False
        if kind is not dict and kind is not list:
            return bool(a == b) or (kind is str and place.text and compare_text(a, b))
        if depth >= MAX_DEPTH:
            raise TooDeepError
        if place.array is not None:
            ruled = self._ruled(a, b, place, depth + 1, parent)
            if ruled is not None:
                return ruled
        if kind is dict:
            return self._objects(a, b, place, depth + 1)
        return len(a) == len(b) and self.arrays(a, b, place, depth + 1)

    def numbers(self, a: Number, b: Number, tolerance: Tolerance) -> bool:
        """Compare two numbers and remember how far apart they are."""
        if -EXACT_BELOW < a < EXACT_BELOW and -EXACT_BELOW < b < EXACT_BELOW:
            gap: Number = abs(a - b)  # exact for integers, float64 for the rest
        else:
            apart = distance(a, b)
            if apart is None:
                return tolerance.allows_odd(a, b)
            self.wide = self.wide or abs(a) >= WIDE_FROM or abs(b) >= WIDE_FROM
            gap = apart
        if self.distance is None or gap > self.distance:
            self.distance = as_float(gap)
        return tolerance.allows(gap, a)

    def _objects(self, a: dict[str, Any], b: dict[str, Any], place: Place, depth: int) -> bool:
        if place.steps:
            return self._ruled_objects(a, b, place, depth)
        if len(a) != len(b):
            return False
        place = place.rest
        self.members += len(a)
        for name, value in a.items():
            other = b.get(name, _MISSING)
            if type(value) is str:  # half of all members: worth sparing the call
                if value != other and not self.same(value, other, place):
                    return False
            elif other is _MISSING or not self.same(value, other, place, depth):
                return False
        return True

    def _ruled_objects(
        self, a: dict[str, Any], b: dict[str, Any], place: Place, depth: int
    ) -> bool:
        seen = 0
        for name, value in a.items():
            below = place.at(name)
            other = b.get(name, _MISSING)
            if below.ignored:
                self.ignored[0] += 1 + count_members(value)
                if other is not _MISSING:
                    seen += 1
                    self.ignored[1] += 1 + count_members(other)
                continue
            if other is _MISSING or not self.same(value, other, below, depth, a):
                return False
            seen += 1
            self.members += 1
        return seen == len(b) or self._rest_is_ignored(a, b, place)

    def _rest_is_ignored(self, a: dict[str, Any], b: dict[str, Any], place: Place) -> bool:
        for name in b.keys() - a.keys():
            if not place.at(name).ignored:
                return False
            self.ignored[1] += 1 + count_members(b[name])
        return True

    def arrays(self, a: Sequence[Any], b: Sequence[Any], place: Place, depth: int) -> bool:
        """Compare the elements of two arrays of one length."""
        if place.by_index:
            return all(
                self._element(x, y, place.at(index), depth)
                for index, (x, y) in enumerate(zip(a, b, strict=True))
            )
        below = place.at(ANY) if place.steps else place.rest
        if below.ignored:
            return self.skip(a, b)
        if len(a) >= VECTOR_FROM and below.array is None:
            vectorised = self._vectorised(a, b, below, depth)
            if vectorised is not None:
                return vectorised
        for x, y in zip(a, b, strict=True):  # noqa: SIM110 - a generator costs more than the work
            if not self.same(x, y, below, depth):
                return False
        return True

    def _vectorised(
        self, a: Sequence[Any], b: Sequence[Any], below: Place, depth: int
    ) -> bool | None:
        kind = type(a[0])
        if kind is dict or kind is list:
            return self.column(a, b, below, depth)
        found = gaps(a, b)
        return None if found is None else self.near(found, below)

    def _element(self, a: Any, b: Any, place: Place, depth: int) -> bool:
        if place.ignored:
            return self.skip((a,), (b,))
        return self.same(a, b, place, depth)

    def _ruled(
        self, a: Any, b: Any, place: Place, depth: int, parent: dict[str, Any] | None
    ) -> bool | None:
        """Judge by the array's own rule; None where it says nothing about such values."""
        rule = place.array
        if isinstance(rule, Unordered | KeyBy):
            pairing = pair_up(a, b, place, depth) if isinstance(a, list) else None
            if pairing is None:
                return None
            return pairing.whole and all(
                self._element(a[i], b[j], place.at(i), depth) for i, j in pairing.pairs
            )
        if rule is None:
            return None
        judged = judge_whole(a, b, rule, parent)
        if judged:
            self.skip((a,), (b,))
        return judged


def pair_up(a: list[Any], b: list[Any], place: Place, depth: int) -> Pairing | None:
    """Return which elements belong together by the place's rule; None: those of one index."""
    rule = place.array
    if isinstance(rule, KeyBy):
        return by_key(a, b, rule.field)
    if len(a) != len(b):
        return None

    def same(i: int, j: int) -> bool:
        below = place.at(i)
        return below.ignored or Equality().same(a[i], b[j], below, depth)

    return in_any_order(a, b, same)
