"""Where and how two JSON documents differ: the slow twin of `equality.py`, run on mismatch only."""

import json
import re
from collections import Counter
from typing import Any

import numpy as np

from shadow.comparison.differences import (
    Difference,
    LengthDiffers,
    MemberMissing,
    MemberUnexpected,
    NumberDiffers,
    NumberNotFinite,
    TypeDiffers,
    ValueDiffers,
    excerpt,
)
from shadow.comparison.equality import MAX_DEPTH, VECTOR_FROM, TooDeepError
from shadow.comparison.numbers import Number, as_float, distance, gaps
from shadow.comparison.rules import Ignore, Rules, Step

MAX_DIFFERENCES = 50
# A drifting vector must not crowd out the missing field behind it.
MAX_PER_SIGNATURE = 10
MAX_NAME_CHARS = 60
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
Path = tuple[Step, ...]


class Report:
    """The differences of two documents, a few of each signature; `total` counts all of them."""

    def __init__(self, rules: Rules) -> None:
        self.atol = rules.atol
        self.differences: list[Difference] = []
        self.total = 0
        self.distance: float | None = None
        self._kept: Counter[tuple[Path, str]] = Counter()

    def walk(
        self,
        a: Any,
        b: Any,
        ignore: Ignore | None,
        path: Path = (),
    ) -> None:
        names = type_name(a), type_name(b)
        if names[0] != names[1]:
            if self._room(path, TypeDiffers.kind):
                self.differences.append(TypeDiffers(show(path), *names))
            return
        if names[0] in {"object", "array"} and len(path) >= MAX_DEPTH:
            raise TooDeepError
        match names[0]:
            case "number":
                self._number(a, b, path)
            case "object":
                self._object(a, b, ignore, path)
            case "array":
                self._array(a, b, ignore, path)
            case _:
                if a != b and self._room(path, ValueDiffers.kind):
                    self.differences.append(ValueDiffers(show(path), excerpt(a), excerpt(b)))

    def _room(self, path: Path, kind: str) -> bool:
        """Count a difference, and tell whether it is kept."""
        self.total += 1
        cause = tuple(-1 if isinstance(step, int) else step for step in path), kind
        self._kept[cause] += 1
        full = len(self.differences) >= MAX_DIFFERENCES
        return not full and self._kept[cause] <= MAX_PER_SIGNATURE

    def _number(self, a: Number, b: Number, path: Path) -> None:
        gap = distance(a, b)
        if gap is None:
            if self._room(path, NumberNotFinite.kind):
                self.differences.append(NumberNotFinite(show(path), excerpt(a), excerpt(b)))
            return
        self._measure(as_float(gap))
        if not (gap < self.atol or gap == 0) and self._room(path, NumberDiffers.kind):
            self.differences.append(
                NumberDiffers(show(path), excerpt(a), excerpt(b), as_float(gap))
            )

    def _measure(self, gap: float) -> None:
        self.distance = gap if self.distance is None else max(self.distance, gap)

    def _object(
        self, a: dict[str, Any], b: dict[str, Any], ignore: Ignore | None, path: Path
    ) -> None:
        for name in [*a, *(name for name in b if name not in a)]:
            below = ignore.at(name) if ignore else None
            if below is not None and below.whole:
                continue
            here = (*path, name)
            if name not in b:
                if self._room(here, MemberMissing.kind):
                    self.differences.append(MemberMissing(show(here), excerpt(a[name])))
            elif name not in a:
                if self._room(here, MemberUnexpected.kind):
                    self.differences.append(MemberUnexpected(show(here), excerpt(b[name])))
            else:
                self.walk(a[name], b[name], below, here)

    def _array(self, a: list[Any], b: list[Any], ignore: Ignore | None, path: Path) -> None:
        if len(a) != len(b):
            if self._room(path, LengthDiffers.kind):
                self.differences.append(LengthDiffers(show(path), len(a), len(b)))
            return
        indexes = range(len(a)) if ignore else self._suspects(a, b)
        for index in indexes:
            below = ignore.at(index) if ignore else None
            if below is None or not below.whole:
                self.walk(a[index], b[index], below, (*path, index))

    def _suspects(self, a: list[Any], b: list[Any]) -> "range | list[int]":
        """Return the indexes to look at: for two lists of numbers only those that differ."""
        if len(a) < VECTOR_FROM:
            return range(len(a))
        apart = gaps(a, b)
        if apart is None:
            return range(len(a))
        self._measure(float(apart.max()))
        different = np.flatnonzero(~((apart < self.atol) | (apart == 0)))
        self.total += max(0, different.size - MAX_PER_SIGNATURE)
        return [int(index) for index in different[:MAX_PER_SIGNATURE]]


_TYPE_NAMES = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


def type_name(value: object) -> str:
    """Return the JSON type of a parsed value; every number is one type."""
    return _TYPE_NAMES[type(value)]


def show(path: Path) -> str:
    """Return a path as text: $.outputs[3]['odd name']; overlong names are cut."""
    return "$" + "".join(_show_step(step) for step in path)


def _show_step(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    name = step if len(step) <= MAX_NAME_CHARS else step[:MAX_NAME_CHARS] + "…"
    if _PLAIN_NAME.match(name):
        return f".{name}"
    escaped = json.dumps(name, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"['{escaped}']"
