"""Whether two JSON documents match, as fast as it goes: no paths, out at the first difference.

`report.py` says where and how they differ; a property test holds the two together.
"""

from typing import Any

from shadow.comparison.numbers import EXACT_BELOW, WIDE_FROM, Number, as_float, distance, gaps
from shadow.comparison.rules import Ignore, Rules

# Deeper documents are not compared; far above any real answer, far below Python's own limit.
MAX_DEPTH = 200
# From this length on one vectorised comparison is cheaper than a loop.
VECTOR_FROM = 12
_MISSING = object()


class TooDeepError(Exception):
    """A document is nested deeper than MAX_DEPTH."""


class Equality:
    """One comparison of two documents.

    Afterwards `distance` is the largest one between two numbers (None without numbers),
    `members` counts the object members that both hold, `ignored` the ones below ignored paths of
    each side, and `wide` says that a float may stand for an integer that JSON wrote exactly.
    """

    __slots__ = ("atol", "distance", "ignored", "members", "wide")

    def __init__(self, rules: Rules) -> None:
        self.atol = rules.atol
        self.distance: float | None = None
        self.members = 0
        self.ignored = [0, 0]
        self.wide = False

    def same(self, a: Any, b: Any, ignore: Ignore | None, depth: int = 0) -> bool:
        kind = type(a)
        if kind is float or kind is int:
            return (type(b) is float or type(b) is int) and self._numbers(a, b)
        if kind is not type(b):
            return False
        if kind is not dict and kind is not list:
            return bool(a == b)
        if depth >= MAX_DEPTH:
            raise TooDeepError
        if kind is dict:
            return self._objects(a, b, ignore, depth + 1)
        return len(a) == len(b) and self._arrays(a, b, ignore, depth + 1)

    def _numbers(self, a: Number, b: Number) -> bool:
        if -EXACT_BELOW < a < EXACT_BELOW and -EXACT_BELOW < b < EXACT_BELOW:
            gap: float = abs(a - b)  # exact for integers, float64 for the rest
        else:
            apart = distance(a, b)
            if apart is None:
                return False
            self.wide = self.wide or abs(a) >= WIDE_FROM or abs(b) >= WIDE_FROM
            gap = as_float(apart)
        return self._within(gap)

    def _objects(
        self, a: dict[str, Any], b: dict[str, Any], ignore: Ignore | None, depth: int
    ) -> bool:
        if ignore is not None:
            return self._filtered_objects(a, b, ignore, depth)
        if len(a) != len(b):
            return False
        self.members += len(a)
        for name, value in a.items():
            other = b.get(name, _MISSING)
            if type(value) is str:  # half of all members: worth sparing the call
                if value != other:
                    return False
            elif other is _MISSING or not self.same(value, other, None, depth):
                return False
        return True

    def _filtered_objects(
        self, a: dict[str, Any], b: dict[str, Any], ignore: Ignore, depth: int
    ) -> bool:
        seen = 0
        for name, value in a.items():
            below = ignore.at(name)
            other = b.get(name, _MISSING)
            if below is not None and below.whole:
                seen += other is not _MISSING
                self.ignored[0] += 1 + count_members(value)
                self.ignored[1] += 0 if other is _MISSING else 1 + count_members(other)
                continue
            if other is _MISSING or not self.same(value, other, below, depth):
                return False
            seen += 1
            self.members += 1
        return seen == len(b) or self._rest_is_ignored(a, b, ignore)

    def _rest_is_ignored(self, a: dict[str, Any], b: dict[str, Any], ignore: Ignore) -> bool:
        for name in b.keys() - a.keys():
            below = ignore.at(name)
            if below is None or not below.whole:
                return False
            self.ignored[1] += 1 + count_members(b[name])
        return True

    def _arrays(self, a: list[Any], b: list[Any], ignore: Ignore | None, depth: int) -> bool:
        if ignore is not None:
            return all(
                self._element(x, y, ignore.at(index), depth)
                for index, (x, y) in enumerate(zip(a, b, strict=True))
            )
        if len(a) >= VECTOR_FROM and type(a[0]) is not dict and type(a[0]) is not list:
            apart = gaps(a, b)
            if apart is not None:
                return self._within(float(apart.max()))
        for x, y in zip(a, b, strict=True):  # noqa: SIM110 - a generator costs more than the work
            if not self.same(x, y, None, depth):
                return False
        return True

    def _element(self, a: Any, b: Any, ignore: Ignore | None, depth: int) -> bool:
        if ignore is not None and ignore.whole:
            self.ignored[0] += count_members(a)
            self.ignored[1] += count_members(b)
            return True
        return self.same(a, b, ignore, depth)

    def _within(self, gap: float) -> bool:
        if self.distance is None or gap > self.distance:
            self.distance = gap
        return gap < self.atol or gap == 0


def count_members(document: object) -> int:
    """Return how many object members a document holds at any depth; never recurses."""
    count, waiting = 0, [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            count += len(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(x for x in value if type(x) is dict or type(x) is list)
    return count
