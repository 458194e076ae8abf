"""Values that a schema allows, and those at and just beyond its limits. Pure; seeded."""

import json
import math
import random
import re
from collections.abc import Iterator
from typing import Any

from shadow.checks.openapi.document import Document
from shadow.checks.openapi.reading import shape_of
from shadow.checks.openapi.shape import Ref, Shape

# Small on purpose: what large values do to rounding is the comparison's matter.
USUAL = 100.0
USUAL_ITEMS = 12
USUAL_LENGTH = 8
MAX_DEPTH = 6
MAX_TEXT = 100_000
MAX_ITEMS = 200_001
PREFERRED = ("object", "array", "string", "number", "integer", "boolean", "null")
FORMATS = {
    "date-time": "2026-03-01T12:00:00Z",
    "date": "2026-03-01",
    "time": "12:00:00Z",
    "uuid": "0b0f6a54-6f4c-4c37-9a53-5d3c1f6d0a11",
    "email": "someone@example.com",
    "uri": "https://example.com/a",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
# Tried in turn against a pattern; a pattern that none fits leaves its field's cases out.
_GUESSES = ("a", "abc", "A", "a1", "1", "123", "abc-123", "2026-03-01", "en", "en-US", "#aabbcc")
Case = tuple[str, Any]


class Maker:
    """Makes values for the schemas of one document."""

    def __init__(self, document: Document, *, seed: int) -> None:
        self._document = document
        self._random = random.Random(seed)  # noqa: S311  # requests that can be told apart

    def shape(self, ref: Ref) -> Shape:
        """Return a schema in its normal form, alternatives settled on the first."""
        shape = shape_of(self._document, ref)
        hops = 0
        while shape.variants and hops < MAX_DEPTH:
            shape, hops = shape_of(self._document, shape.variants[0]), hops + 1
        return shape

    def valid(self, ref: Ref, *, whole: bool = True, depth: int = 0) -> Any:
        """Return an allowed value; of objects all members, or only those that are required."""
        shape = self.shape(ref)
        if shape.enum:
            return json.loads(self._random.choice(shape.enum))
        kind = next((name for name in PREFERRED if name in shape.types), "null")
        if kind == "object":
            return self._object(shape, whole=whole, depth=depth)
        if kind == "array":
            return self._array(shape, depth)
        return self._scalar(shape, kind)

    def _scalar(self, shape: Shape, kind: str) -> Any:
        if kind in ("number", "integer"):
            return self._number(shape, whole=kind == "integer")
        if kind == "boolean":
            return self._random.choice((True, False))
        return _text(shape) if kind == "string" else None

    def _object(self, shape: Shape, *, whole: bool, depth: int) -> dict[str, Any]:
        names = [n for n in shape.properties if whole or n in shape.required]
        if depth >= MAX_DEPTH:
            names = [name for name in names if name in shape.required] if depth == MAX_DEPTH else []
        return {
            name: self.valid(shape.properties[name], whole=whole, depth=depth + 1) for name in names
        }

    def _array(self, shape: Shape, depth: int) -> list[Any]:
        if depth > MAX_DEPTH or shape.items is None:
            return [1.5] * (shape.min_items or 1)
        count = _within(USUAL_ITEMS if depth < 2 else 2, shape.min_items, shape.max_items)  # noqa: PLR2004
        return [
            self.valid(shape.items, depth=depth + 1)
            for _ in range(min(count, MAX_ITEMS >> 3 * depth))
        ]

    def _number(self, shape: Shape, *, whole: bool) -> float:
        low, high = _range(shape)
        value = self._random.uniform(low, high)
        if whole:
            return min(max(round(value), math.ceil(low)), math.floor(high))
        rounded = round(value, 3)
        return rounded if low <= rounded <= high else value

    def limits(self, ref: Ref) -> Iterator[Case]:
        """Yield named values at the limits of a schema and just beyond them."""
        shape = self.shape(ref)
        yield "null", None
        if shape.enum:
            yield from ((f"{text[:40]}", json.loads(text)) for text in shape.enum[:20])
            yield "a value that is not listed", "banyan-none-of-them"
        elif shape.types & {"number", "integer"}:
            yield from _numbers(shape)
        elif "string" in shape.types:
            yield from _texts(shape)
        elif "array" in shape.types:
            yield from self._arrays(shape)

    def _arrays(self, shape: Shape) -> Iterator[Case]:
        if shape.items is None:
            return
        one = self.valid(shape.items, depth=MAX_DEPTH - 1)
        for words, size in _sizes(shape.min_items, shape.max_items, MAX_ITEMS):
            yield f"{words} elements", [one] * size
        for words, value in self.limits(shape.items):
            if not isinstance(value, (list, dict)):
                yield f"an element of {words}", [value]


def _range(shape: Shape) -> tuple[float, float]:
    low = max((x for x in (shape.minimum, shape.above) if x is not None), default=-math.inf)
    high = min((x for x in (shape.maximum, shape.below) if x is not None), default=math.inf)
    usual_low, usual_high = max(low, -USUAL), min(high, USUAL)
    if usual_low <= usual_high:
        low, high = usual_low, usual_high
    else:  # all that is allowed is large
        low, high = (low, low + 1) if math.isfinite(low) else (high - 1, high)
    margin = (high - low) / 16
    return (low + margin, high - margin) if margin > 0 else (low, high)


def _within(size: int, low: int | None, high: int | None) -> int:
    return max(min(size, high if high is not None else size), low or 0)


def _text(shape: Shape) -> str:
    text = FORMATS.get(shape.format, "")
    if not text and shape.pattern:
        text = next((guess for guess in _GUESSES if _fits(shape, guess)), "")
    return text or "a" * min(_within(USUAL_LENGTH, shape.min_length, shape.max_length), MAX_TEXT)


def _fits(shape: Shape, text: str) -> bool:
    try:
        found = re.search(shape.pattern, text) is not None
    except re.error:
        return False
    return found and len(text) == _within(len(text), shape.min_length, shape.max_length)


def _numbers(shape: Shape) -> Iterator[Case]:
    whole = "number" not in shape.types
    for words, limit, away in (
        ("the least", shape.minimum, -math.inf),
        ("the most", shape.maximum, math.inf),
    ):
        if limit is not None:
            yield f"{words}, {limit:g}", int(limit) if whole else limit
            beyond = limit + math.copysign(1, away) if whole else math.nextafter(limit, away)
            yield f"just beyond {limit:g}", int(beyond) if whole else beyond
    for limit, inside in ((shape.above, math.inf), (shape.below, -math.inf)):
        if limit is not None:
            yield f"exactly {limit:g}, which is excluded", limit
            yield f"just inside {limit:g}", math.nextafter(limit, inside)
    if whole:
        yield "not whole", 1.5


def _texts(shape: Shape) -> Iterator[Case]:
    if shape.pattern or shape.format in FORMATS:
        yield "text of another form", "banyan ?"
        return
    for words, size in _sizes(shape.min_length, shape.max_length, MAX_TEXT):
        yield f"{words} characters", "a" * size
    if shape.max_length:
        yield f"{shape.max_length} characters of two bytes", "é" * min(shape.max_length, MAX_TEXT)


def _sizes(low: int | None, high: int | None, cap: int) -> Iterator[tuple[str, int]]:
    sizes = {0 if low is None else low, 0 if low is None else low - 1}
    if high is not None:
        sizes |= {high, high + 1}
    yield from ((f"{size:,}", size) for size in sorted(sizes) if 0 <= size <= cap)
