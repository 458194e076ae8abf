"""How far two answers may differ: rules per JSON path, for headers, and for the status.

A rule holds at its path and below, until a rule further down, or one that names the index where
the other says `[*]`, says otherwise. `documents.py` reads rules from JSON.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from shadow.comparison.numbers import SEED_ATOL, Tolerance
from shadow.comparison.paths import ANY, Path, Step, matches, parse_path

MIN_COSINE = 0.9999
MAX_DIVERGENCE = 1e-3


@dataclass(frozen=True, slots=True)
class Unordered:
    """The elements of the array match in any order."""


@dataclass(frozen=True, slots=True)
class KeyBy:
    """The array is read as a mapping: elements with the same value of `field` are compared."""

    field: str


@dataclass(frozen=True, slots=True)
class TopK:
    """The first `k` labels are equal in order; labels whose scores are tied may swap.

    Labels stand in the array itself (their scores then in legacy's member `scores` beside it), in
    member `label` of its objects (scores in `score`), or are the names of an object of scores.
    """

    k: int = 1
    label: str = ""
    score: str = ""
    scores: str = ""
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Dist:
    """KL(legacy || candidate) of two arrays or objects of shares is at most `limit`."""

    limit: float = MAX_DIVERGENCE


@dataclass(frozen=True, slots=True)
class Cosine:
    """The cosine between two vectors is at least `limit`; a zero vector equals only another."""

    limit: float = MIN_COSINE


T = TypeVar("T")
ArrayRule = Unordered | KeyBy | TopK | Dist | Cosine


@dataclass(frozen=True, slots=True)
class PathRule:
    """What holds at a path. What is None is inherited; `array` holds at the path alone."""

    path: Path
    ignore: bool = False
    numbers: Tolerance | None = None
    text: bool | None = None
    array: ArrayRule | None = None


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """Which headers are compared, by names in lower case; `every` means all but the ignored."""

    compare: tuple[str, ...] = ("content-type",)
    every: bool = False
    ignore: frozenset[str] = frozenset()


CONTENT_TYPE_ONLY = HeaderRules()


class Place:
    """What holds at one place of a document; `at` leads on. Never changed once it is built."""

    __slots__ = ("array", "by_index", "ignored", "numbers", "rest", "secret", "steps", "text")

    def __init__(self, numbers: Tolerance, *, text: bool = False, secret: bool = False) -> None:
        self.numbers = numbers
        # Texts are compared in their canonical form.
        self.text = text
        # Values are not told in differences.
        self.secret = secret
        self.ignored = False
        self.array: ArrayRule | None = None
        self.steps: dict[Step, Place] = {}
        # Whether a single index has rules of its own.
        self.by_index = False
        # What holds below where no step says otherwise.
        self.rest: Place = self

    def at(self, step: Step) -> "Place":
        """Return what holds below a member's name or an element's index or key."""
        found = self.steps.get(step)
        if found is None and not isinstance(step, str):
            found = self.steps.get(ANY)
        return self.rest if found is None else found


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of one route.

    `atol` is the tolerance where no rule says otherwise. `ignore` holds JSON paths such as
    `$.latency_ms`, `$.outputs[*].x` or `$['odd name'][0]`; what lies there, also when it is absent
    on one side, is not compared. `redact` holds paths whose values no difference tells. With
    `same_class`, status codes match that begin with the same digit. ValueError for a wrong
    tolerance, a path that is none, or `$` among the ignored, which would ignore everything.
    """

    atol: float = SEED_ATOL
    ignore: tuple[str, ...] = ()
    paths: tuple[PathRule, ...] = ()
    headers: HeaderRules = CONTENT_TYPE_ONLY
    same_class: bool = False
    redact: tuple[Path, ...] = ()
    tree: Place = field(init=False, repr=False, compare=False)
    # Whether no header but the content type is compared.
    plain_headers: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        paths = (*(PathRule(parse_path(path), ignore=True) for path in self.ignore), *self.paths)
        if any(rule.ignore and not rule.path for rule in paths):
            raise ValueError("ignoring $ would ignore every answer")
        object.__setattr__(self, "tree", grow(self.atol, paths))
        object.__setattr__(self, "plain_headers", self.headers == CONTENT_TYPE_ONLY)

    @property
    def telling(self) -> Place:
        """The tree with the places whose values are not told."""
        if not self.redact:
            return self.tree
        ignored = (PathRule(parse_path(path), ignore=True) for path in self.ignore)
        return grow(self.atol, (*ignored, *self.paths), self.redact)


@functools.lru_cache(maxsize=256)
def grow(atol: float, rules: tuple[PathRule, ...], secrets: tuple[Path, ...] = ()) -> Place:
    """Return the tree of what holds where."""
    # The less exact first: what is said later at one place wins.
    ordered = sorted(rules, key=lambda rule: [step != ANY for step in rule.path])
    return _grow(Place(Tolerance(atol)), ordered, list(secrets))


def _grow(above: Place, rules: Sequence[PathRule], secrets: Sequence[Path]) -> Place:
    here = [rule for rule in rules if not rule.path]
    place = Place(
        _last((rule.numbers for rule in here), above.numbers),
        text=_last((rule.text for rule in here), above.text),
        secret=above.secret or () in secrets,
    )
    place.ignored = any(rule.ignore for rule in here)
    place.array = _last((rule.array for rule in here), None)
    firsts = {rule.path[0] for rule in rules if rule.path} | {path[0] for path in secrets if path}
    if firsts or place.array is not None:
        place.rest = Place(place.numbers, text=place.text, secret=place.secret)
    for first in firsts:
        place.steps[first] = _grow(
            place,
            [
                replace(rule, path=rule.path[1:])
                for rule in rules
                if rule.path and matches(rule.path[0], first)
            ],
            [path[1:] for path in secrets if path and matches(path[0], first)],
        )
    place.by_index = any(isinstance(first, int) and first != ANY for first in firsts)
    return place


def _last(found: Iterable[T | None], otherwise: T) -> T:
    said = [value for value in found if value is not None]
    return said[-1] if said else otherwise
