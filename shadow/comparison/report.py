"""Where and how two JSON documents differ: the slow twin of `equality.py`, run on mismatch only."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from shadow.comparison.columns import MAX_DEPTH, TooDeepError
from shadow.comparison.differences import (
    Difference,
    DirectionDiffers,
    DistributionDiffers,
    LabelsDiffer,
    LengthDiffers,
    MemberMissing,
    MemberUnexpected,
    NumberDiffers,
    NumberNotFinite,
    TypeDiffers,
    ValueDiffers,
    excerpt,
    signature,
)
from shadow.comparison.equality import VECTOR_FROM, pair_up
from shadow.comparison.numbers import Number, as_float, distance, gaps
from shadow.comparison.pairing import Pairing, key_of
from shadow.comparison.paths import ANY, Keyed, Path, show
from shadow.comparison.ranking import cosine, divergence, first_labels, judge_whole
from shadow.comparison.rules import Cosine, Dist, KeyBy, Place, TopK, Unordered
from shadow.comparison.texts import compare_text

MAX_DIFFERENCES = 50
# A drifting vector must not crowd out the missing field behind it.
MAX_PER_SIGNATURE = 10
WITHHELD = "[redacted]"


class Report:
    """The differences of two documents, a few of each signature; `total` counts all of them.

    `prefix` is what stands before `$` in the paths: which part of an answer the documents are.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.differences: list[Difference] = []
        self.total = 0
        self.distance: float | None = None
        self._kept: Counter[tuple[Path, str]] = Counter()

    def walk(
        self, a: Any, b: Any, place: Place, path: Path = (), parent: dict[str, Any] | None = None
    ) -> None:
        """Add the differences of two values at a path."""
        names = type_name(a), type_name(b)
        if names[0] != names[1]:
            self._add(path, TypeDiffers.kind, lambda at: TypeDiffers(at, *names))
            return
        if names[0] in {"object", "array"}:
            self._container(a, b, place, path, parent)
        elif names[0] == "number":
            self._number(a, b, place, path)
        elif a != b and not (names[0] == "string" and place.text and compare_text(a, b)):
            told = _telling(place)
            self._add(path, ValueDiffers.kind, lambda at: ValueDiffers(at, told(a), told(b)))

    def _add(self, path: Path, kind: str, make: Callable[[str], Difference]) -> None:
        """Count a difference, and keep it while there is room."""
        self.total += 1
        cause = tuple(step if isinstance(step, str) else ANY for step in path), kind
        self._kept[cause] += 1
        full = len(self.differences) >= MAX_DIFFERENCES
        if not full and self._kept[cause] <= MAX_PER_SIGNATURE:
            self.differences.append(make(self.prefix + show(path)))

    def _number(self, a: Number, b: Number, place: Place, path: Path) -> None:
        gap = distance(a, b)
        told = _telling(place)
        if gap is None:
            if not place.numbers.allows_odd(a, b):
                self._add(
                    path, NumberNotFinite.kind, lambda at: NumberNotFinite(at, told(a), told(b))
                )
            return
        apart = as_float(gap)
        self._measure(apart)
        if not place.numbers.allows(gap, a):
            self._add(
                path, NumberDiffers.kind, lambda at: NumberDiffers(at, told(a), told(b), apart)
            )

    def _measure(self, gap: float) -> None:
        self.distance = gap if self.distance is None else max(self.distance, gap)

    def _container(
        self, a: Any, b: Any, place: Place, path: Path, parent: dict[str, Any] | None
    ) -> None:
        if len(path) >= MAX_DEPTH:
            raise TooDeepError
        rule = place.array
        if isinstance(rule, TopK | Dist | Cosine):
            judged = judge_whole(a, b, rule, parent)
            if judged is False:
                self._whole(a, b, place, path)
            if judged is not None:
                return
        if isinstance(a, dict):
            self._object(a, b, place, path)
            return
        pairing = None
        if isinstance(rule, Unordered | KeyBy):
            pairing = pair_up(a, b, place, len(path) + 1)
        if pairing is None:
            self._array(a, b, place, path)
        else:
            self._paired(a, b, place, path, pairing)

    def _whole(self, a: Any, b: Any, place: Place, path: Path) -> None:
        rule = place.array
        if isinstance(rule, TopK):
            told = _telling(place)
            first = [told(", ".join(map(str, first_labels(x, rule)))) for x in (a, b)]
            self._add(path, LabelsDiffer.kind, lambda at: LabelsDiffer(at, rule.k, *first))
        elif isinstance(rule, Dist):
            apart = divergence(a, b) or 0.0
            self._add(
                path,
                DistributionDiffers.kind,
                lambda at: DistributionDiffers(at, apart, rule.limit),
            )
        elif isinstance(rule, Cosine):
            similar = cosine(a, b) or 0.0
            self._add(
                path, DirectionDiffers.kind, lambda at: DirectionDiffers(at, similar, rule.limit)
            )

    def _object(self, a: dict[str, Any], b: dict[str, Any], place: Place, path: Path) -> None:
        for name in [*a, *(name for name in b if name not in a)]:
            below = place.at(name)
            if below.ignored:
                continue
            here = (*path, name)
            if name not in b:
                self._missing(a[name], below, here)
            elif name not in a:
                self._unexpected(b[name], below, here)
            else:
                self.walk(a[name], b[name], below, here, a)

    def _missing(self, value: Any, place: Place, path: Path) -> None:
        told = _telling(place)
        self._add(path, MemberMissing.kind, lambda at: MemberMissing(at, told(value)))

    def _unexpected(self, value: Any, place: Place, path: Path) -> None:
        told = _telling(place)
        self._add(path, MemberUnexpected.kind, lambda at: MemberUnexpected(at, told(value)))

    def _paired(
        self, a: list[Any], b: list[Any], place: Place, path: Path, pairing: Pairing
    ) -> None:
        rule = place.array
        field = rule.field if isinstance(rule, KeyBy) else None

        def step(value: Any, index: int) -> int | Keyed:
            if field is None:
                return index
            secret = place.at(index).secret or place.at(index).at(field).secret
            return Keyed(field, f'"{WITHHELD}"' if secret else key_of(value, field) or "")

        for i, j in pairing.pairs:
            if not place.at(i).ignored:
                self.walk(a[i], b[j], place.at(i), (*path, step(a[i], i)))
        for i in pairing.only_a:
            self._missing(a[i], place.at(i), (*path, step(a[i], i)))
        for j in pairing.only_b:
            self._unexpected(b[j], place.at(j), (*path, step(b[j], j)))

    def _array(self, a: list[Any], b: list[Any], place: Place, path: Path) -> None:
        if len(a) != len(b):
            lengths = len(a), len(b)
            self._add(path, LengthDiffers.kind, lambda at: LengthDiffers(at, *lengths))
            return
        below = place.at(ANY)
        plain = not place.by_index and below.array is None and not below.ignored
        for index in self._suspects(a, b, below) if plain else range(len(a)):
            below = place.at(index)
            if not below.ignored:
                self.walk(a[index], b[index], below, (*path, index))

    def _suspects(self, a: list[Any], b: list[Any], place: Place) -> "range | list[int]":
        """Return the indexes to look at: for two lists of numbers only those that differ."""
        if len(a) < VECTOR_FROM:
            return range(len(a))
        found = gaps(a, b)
        if found is None:
            return range(len(a))
        self._measure(float(found[0].max()))
        different = place.numbers.outside(*found)
        self.total += max(0, different.size - MAX_PER_SIGNATURE)
        return [int(index) for index in different[:MAX_PER_SIGNATURE]]


def few(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Return as many differences of each signature as a report keeps."""
    counts: Counter[tuple[str, str]] = Counter()
    kept = []
    for difference in differences:
        counts[signature(difference)] += 1
        if counts[signature(difference)] <= MAX_PER_SIGNATURE:
            kept.append(difference)
    return tuple(kept[:MAX_DIFFERENCES])


def _telling(place: Place) -> Callable[[object], str]:
    return _secret if place.secret else excerpt


def _secret(value: object) -> str:  # noqa: ARG001  # whatever it is
    return WITHHELD


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
