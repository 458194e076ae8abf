"""The fast path for long arrays of numbers: both texts become buffers, never Python floats.

It only ever says "match", and only where the general way would say the same, distance included;
in every other case, and wherever it is not sure, it says nothing. A property test holds the two
together. It takes bodies without backslashes, whose outermost value is an array of numbers, an
array of such arrays, or an object of these, of texts, numbers, booleans and null.
"""

import threading
from typing import Any

import numpy as np
import simdjson

from shadow.comparison.equality import Equality
from shadow.comparison.numbers import EXACT_BELOW, Floats
from shadow.comparison.paths import ANY
from shadow.comparison.rules import Place

# Below this a general parse costs no more.
MIN_BYTES = 1_000
MAX_ROWS = 2_000
FEW_ARRAYS = 20
_EXACT = EXACT_BELOW / 2
_OPENERS = (b"[", b"{")
_SCALARS = frozenset({str, int, float, bool, type(None)})


class _Parsers(threading.local):
    """Two parsers per thread, which keep their memory from body to body."""

    def __init__(self) -> None:
        self.a = simdjson.Parser()
        self.b = simdjson.Parser()


_parsers = _Parsers()


def matching(a: bytes, b: bytes, place: Place) -> Equality | None:
    """Return the finished comparison of two matching bodies, None when another way must decide."""
    if len(a) < MIN_BYTES or a[:1] not in _OPENERS or b[:1] not in _OPENERS:
        return None
    if a.find(b"{", 1) > 0 or b"\\" in a or b"\\" in b:
        return None
    try:
        return _matching(a, b, place)
    except (KeyError, ValueError, TypeError, RuntimeError, OverflowError):
        return None


def _matching(a: bytes, b: bytes, place: Place) -> Equality | None:
    x, y = _parsers.a.parse(a), _parsers.b.parse(b)
    found = _Bodies()
    if isinstance(x, simdjson.Object) and isinstance(y, simdjson.Object):
        matched = found.objects(x, y, place)
    elif isinstance(x, simdjson.Array) and isinstance(y, simdjson.Array):
        matched = found.arrays(x, y, place)
    else:
        matched = False
    # As many brackets as arrays: no array hides in another, where a buffer would hide it.
    brackets = matched and _brackets(a, found.count) and _brackets(b, found.count)
    return found.equality if brackets else None


def _brackets(body: bytes, count: int) -> bool:
    """Tell whether a body has so many opening brackets, those in texts included."""
    if count > FEW_ARRAYS:
        return body.count(b"[") == count
    at = -1
    for _ in range(count + 1):
        at = body.find(b"[", at + 1)
        if at < 0:
            return True  # fewer than there are arrays is impossible
    return False


class _Bodies:
    """One comparison; `count` says how many arrays were compared."""

    __slots__ = ("count", "equality")

    def __init__(self) -> None:
        self.equality = Equality()
        self.count = 0

    def objects(self, x: Any, y: Any, place: Place) -> bool:
        names = list(x.keys())
        # As many members as names on both sides: none is repeated, if the candidate has them all.
        if not len(names) == len(set(names)) == len(y) or place.array is not None:
            return False
        for name in names:  # noqa: SIM110 - a generator costs more than the work
            if not self._values(x[name], y[name], place.at(name)):
                return False
        return True

    def _values(self, value: Any, other: Any, place: Place) -> bool:
        if type(value) is simdjson.Array:
            return type(other) is simdjson.Array and self.arrays(value, other, place)
        if type(value) not in _SCALARS or type(other) not in _SCALARS:
            return False
        return place.ignored or self.equality.same(value, other, place)

    def arrays(self, x: Any, y: Any, place: Place) -> bool:
        below = _plain_elements(place)
        if below is None or len(x) != len(y):
            return False
        self.count += 1
        if len(x) and type(x[0]) is simdjson.Array:
            below = _plain_elements(below)
            if below is None or not self._rows(x, y):
                return False
        return self._near(_numbers(x), _numbers(y), below)

    def _rows(self, x: Any, y: Any) -> bool:
        """Account for the rows of an array of arrays, which are of one length on both sides."""
        self.count += len(x)
        return len(x) <= MAX_ROWS and all(
            type(row) is type(other) is simdjson.Array and len(row) == len(other)
            for row, other in zip(x, y, strict=True)
        )

    def _near(self, x: Floats, y: Floats, place: Place) -> bool:
        if len(x) != len(y):
            return False
        if not len(x):
            return True
        gaps = x - y
        np.abs(gaps, out=gaps)
        # With both below 2^52, neither side holds a number that float64 does not hold exactly.
        if not (x[x.argmin()] > -_EXACT and x[x.argmax()] < _EXACT):
            return False
        near = self.equality.near((gaps, x), place)
        return near and self.equality.distance is not None and self.equality.distance < _EXACT


def _plain_elements(place: Place) -> Place | None:
    """Return what holds for each element of an array, None where that is not one simple rule."""
    below = place.at(ANY)
    ruled = place.array is not None or below.array is not None
    return None if ruled or place.by_index or below.ignored else below


def _numbers(array: Any) -> Floats:
    return np.frombuffer(array.as_buffer(of_type="d"), dtype=np.float64)
