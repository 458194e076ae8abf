"""Arrays of alike objects or arrays, compared column by column: exactly the same, only faster.

A column holds what stands at one place in each of the rows. Texts of a column are compared by one
list comparison, numbers by one vectorised one; rows that are not alike are left to the loop.
"""

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from shadow.comparison.numbers import Floats, gaps
from shadow.comparison.paths import ANY
from shadow.comparison.rules import Place

# Deeper documents are not compared; far above any real answer, far below Python's own limit.
MAX_DEPTH = 200
_NUMBERS = {int, float}
_TEXTS = {str}
_PLAIN = ({bool}, {type(None)})


class TooDeepError(Exception):
    """A document is nested deeper than MAX_DEPTH."""


class Columns:
    """The part of `Equality` that looks at many values at once."""

    __slots__ = ("distance", "ignored", "members", "wide")

    def __init__(self) -> None:
        self.distance: float | None = None
        self.members = 0
        self.ignored = [0, 0]
        self.wide = False

    def same(self, a: Any, b: Any, place: Place, depth: int = 0) -> bool:
        """Compare two values; what `Equality` does."""
        raise NotImplementedError

    def column(self, a: Sequence[Any], b: Sequence[Any], place: Place, depth: int) -> bool:
        """Compare two columns of one length, all elements at one place."""
        kinds = set(map(type, a))
        if place.array is not None:
            return self._each(a, b, place, depth)
        if kinds <= _NUMBERS:
            found = gaps(a, b)
            return self._each(a, b, place, depth) if found is None else self.near(found, place)
        if kinds == _TEXTS:  # which equal nothing but texts
            return a == b or (place.text and self._each(a, b, place, depth))
        if len(kinds) != 1 or set(map(type, b)) != kinds:
            return self._each(a, b, place, depth)
        if kinds in _PLAIN:
            return a == b
        return self._rows(a, b, place, depth)

    def _each(self, a: Sequence[Any], b: Sequence[Any], place: Place, depth: int) -> bool:
        return all(self.same(x, y, place, depth) for x, y in zip(a, b, strict=True))

    def _rows(self, a: Sequence[Any], b: Sequence[Any], place: Place, depth: int) -> bool:
        nested = self._lists if type(a[0]) is list else self._dicts
        found = None if depth >= MAX_DEPTH else nested(a, b, place, depth + 1)
        return self._each(a, b, place, depth) if found is None else found

    def _lists(self, a: Sequence[Any], b: Sequence[Any], place: Place, depth: int) -> bool | None:
        """Lay the rows' elements end to end, which takes rows of the same lengths."""
        if place.by_index:
            return None
        if list(map(len, a)) != list(map(len, b)):
            return False
        below = place.at(ANY)
        flat_a, flat_b = list(chain.from_iterable(a)), list(chain.from_iterable(b))
        if below.ignored:
            return self.skip(flat_a, flat_b)
        return not flat_a or self.column(flat_a, flat_b, below, depth)

    def _dicts(self, a: Sequence[Any], b: Sequence[Any], place: Place, depth: int) -> bool | None:
        names = list(a[0])
        size = {len(names)}
        if not names or set(map(len, a)) != size or set(map(len, b)) != size:
            return None
        if any(place.at(name).array is not None for name in place.steps):
            return None
        take = itemgetter(*names)
        try:
            rows_a, rows_b = list(map(take, a)), list(map(take, b))
        except KeyError:
            return None
        one = len(names) == 1
        columns_a = [rows_a] if one else list(zip(*rows_a, strict=True))
        columns_b = [rows_b] if one else list(zip(*rows_b, strict=True))
        for name, x, y in zip(names, columns_a, columns_b, strict=True):
            below = place.at(name)
            if below.ignored:
                self.skip(x, y, members=len(a))
                continue
            if not self.column(x, y, below, depth):
                return False
            self.members += len(a)
        return True

    def near(self, found: tuple[Floats, Floats], place: Place) -> bool:
        """Judge the gaps of two lists of numbers, none of them NaN, and remember the largest."""
        gaps = found[0]
        largest = float(gaps[gaps.argmax()])
        if self.distance is None or largest > self.distance:
            self.distance = largest
        if place.numbers.strict:
            return place.numbers.allows(largest, 0.0)
        return place.numbers.allows_all(*found)

    def skip(self, a: Sequence[Any], b: Sequence[Any], members: int = 0) -> bool:
        """Count the members of values that are not compared one by one."""
        self.ignored[0] += members + sum(map(count_members, a))
        self.ignored[1] += members + sum(map(count_members, b))
        return True


def count_members(document: object) -> int:
    """Return how many object members a document holds at any depth; never recurses."""
    if type(document) is not dict and type(document) is not list:
        return 0
    count, waiting = 0, [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            count += len(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(x for x in value if type(x) is dict or type(x) is list)
    return count
