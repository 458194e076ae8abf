"""Which elements of two arrays belong together: by a field, or in any order."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shadow.comparison.texts import canonical

# What a search for partners may cost: elements that are neither numbers nor texts are tried.
MAX_TRIALS = 40_000


class TooManyError(Exception):
    """An unordered array is so long, and so shuffled, that finding partners costs too much."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Pairs of indexes, and the indexes without partner."""

    pairs: list[tuple[int, int]]
    only_a: list[int]
    only_b: list[int]

    @property
    def whole(self) -> bool:
        """Whether every element has a partner."""
        return not (self.only_a or self.only_b)


def keys_of(elements: Sequence[Any], field: str) -> list[str] | None:
    """Return each element's key, None unless all are objects with keys of their own."""
    keys = [key_of(element, field) for element in elements]
    known = [key for key in keys if key is not None]
    return known if len(set(known)) == len(elements) else None


def key_of(element: Any, field: str) -> str | None:
    """Return an element's key as JSON writes it: "1" and 1 are two keys."""
    key = element.get(field) if isinstance(element, dict) else None
    if isinstance(key, float) and key.is_integer():
        key = int(key)
    return json.dumps(key) if isinstance(key, str | int | float) else None


def by_key(a: Sequence[Any], b: Sequence[Any], field: str) -> Pairing | None:
    """Pair elements whose field has the same value, in legacy's order; None: no mapping."""
    keys_a, keys_b = keys_of(a, field), keys_of(b, field)
    if keys_a is None or keys_b is None:
        return None
    places = {key: at for at, key in enumerate(keys_b)}
    pairs = [(at, places[key]) for at, key in enumerate(keys_a) if key in places]
    known = set(keys_a)
    return Pairing(
        pairs,
        [at for at, key in enumerate(keys_a) if key not in places],
        [at for at, key in enumerate(keys_b) if key not in known],
    )


def in_any_order(a: Sequence[Any], b: Sequence[Any], same: Callable[[int, int], bool]) -> Pairing:
    """Pair as many elements as match, wherever they stand; `same` compares a[i] with b[j].

    Raises TooManyError when that would take more than MAX_TRIALS comparisons.
    """
    pairs = [(at, at) for at in range(min(len(a), len(b))) if same(at, at)]
    if len(pairs) == len(a) == len(b):
        return Pairing(pairs, [], [])
    everything = (*a, *b)
    if all(map(_is_number, everything)):
        return _sorted(a, b, same)
    if all(isinstance(x, str) for x in everything):
        return _sorted(list(map(_text_key, a)), list(map(_text_key, b)), same)
    return _augmented(len(a), len(b), dict(pairs), same)


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and x == x  # noqa: PLR0124  # NaN


def _text_key(text: str) -> tuple[str, str]:
    return canonical(text), text


def _sorted(a: Sequence[Any], b: Sequence[Any], same: Callable[[int, int], bool]) -> Pairing:
    """Walk up both sides: what an element accepts grows with it, so the first fit is the best."""
    up_a = sorted(range(len(a)), key=a.__getitem__)
    up_b = sorted(range(len(b)), key=b.__getitem__)
    found, i, j = Pairing([], [], []), 0, 0
    while i < len(up_a) and j < len(up_b):
        if same(up_a[i], up_b[j]):
            found.pairs.append((up_a[i], up_b[j]))
            i, j = i + 1, j + 1
        elif a[up_a[i]] < b[up_b[j]]:
            found.only_a.append(up_a[i])
            i += 1
        else:
            found.only_b.append(up_b[j])
            j += 1
    found.only_a.extend(up_a[i:])
    found.only_b.extend(up_b[j:])
    return found


def _augmented(
    size_a: int,
    size_b: int,
    pairs: dict[int, int],
    same: Callable[[int, int], bool],
) -> Pairing:
    """Find partners for what is left, moving others to another partner where that helps."""
    partner = {j: i for i, j in pairs.items()}
    known: dict[tuple[int, int], bool] = {}

    def fits(i: int, j: int) -> bool:
        if (i, j) not in known:
            if len(known) >= MAX_TRIALS:
                raise TooManyError
            known[i, j] = same(i, j)
        return known[i, j]

    for start in range(size_a):
        if start not in pairs:
            _augment(start, size_b, partner, fits)
    taken = set(partner.values())
    return Pairing(
        sorted((i, j) for j, i in partner.items()),
        [i for i in range(size_a) if i not in taken],
        [j for j in range(size_b) if j not in partner],
    )


def _augment(
    start: int, size_b: int, partner: dict[int, int], fits: Callable[[int, int], bool]
) -> None:
    """Breadth first: the shortest chain of moves that ends at a free element of the candidate."""
    came_from: dict[int, int] = {}
    waiting = [start]
    for i in waiting:
        for j in range(size_b):
            if j in came_from or not fits(i, j):
                continue
            came_from[j] = i
            if j in partner:
                waiting.append(partner[j])
                continue
            _turn(j, start, came_from, partner)
            return


def _turn(j: int, start: int, came_from: dict[int, int], partner: dict[int, int]) -> None:
    """Give everybody on the chain that ends at `j` the partner that was found for him."""
    held = {i: j for j, i in partner.items()}
    while True:
        i = came_from[j]
        previous = held.get(i)
        partner[j] = i
        if i == start or previous is None:
            return
        j = previous
