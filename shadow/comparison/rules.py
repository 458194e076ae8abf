"""How far two answers may differ: a tolerance, and paths that are not compared at all."""

import functools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

DEFAULT_ATOL = 1e-4
ANY_INDEX = "*"
_STEP = re.compile(
    r"\.(?P<name>[A-Za-z_][A-Za-z0-9_-]*)"
    r"|\['(?P<quoted>(?:[^'\\]|\\['\\])*)'\]"
    r"|\[(?P<index>\d{1,9}|\*)\]"
)
_ESCAPE = re.compile(r"\\(.)")
# A member's name, an element's index, or ANY_INDEX as an int that no index can be.
Step = str | int
ANY = -1


@dataclass(frozen=True, slots=True)
class Ignore:
    """One place in the tree of ignored paths; `steps` lead on to deeper ones.

    A specific index already contains what `[*]` says about it, so one look-up decides.
    """

    whole: bool
    steps: dict[Step, "Ignore"]

    def at(self, step: Step) -> "Ignore | None":
        """Return what is ignored below a member's name or an element's index."""
        found = self.steps.get(step)
        if found is None and isinstance(step, int):
            return self.steps.get(ANY)
        return found


@dataclass(frozen=True, slots=True)
class Rules:
    """Numbers match when |a - b| < atol (float64, strict) or when they are equal.

    `ignore` holds JSON paths such as `$.latency_ms`, `$.outputs[*].x` or `$['odd name'][0]`; what
    lies there, also when it is absent on one side, is not compared. A wrong tolerance, a path that
    is none, or `$` alone, which would ignore everything, raises ValueError.
    """

    atol: float = DEFAULT_ATOL
    ignore: tuple[str, ...] = ()
    tree: Ignore | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.atol < math.inf:
            raise ValueError(f"atol must be a finite number of at least 0: {self.atol!r}")
        object.__setattr__(self, "tree", ignore_tree(tuple(self.ignore)))


@functools.lru_cache(maxsize=256)
def ignore_tree(paths: tuple[str, ...]) -> Ignore | None:
    """Return the tree of ignored paths, None when there are none; ValueError for a bad path."""
    return _grow({_parse(path) for path in paths}) if paths else None


def _parse(path: str) -> tuple[Step, ...]:
    position, steps = 1, []
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            break
        steps.append(_step(found))
        position = found.end()
    if not path.startswith("$") or position != len(path):
        raise ValueError(f"not a path like $.name, $.list[*].name or $['odd name']: {path!r}")
    if not steps:
        raise ValueError("ignoring $ would ignore every answer")
    return tuple(steps)


def _step(found: "re.Match[str]") -> Step:
    if found["name"] is not None:
        return found["name"]
    if found["index"] is not None:
        return ANY if found["index"] == ANY_INDEX else int(found["index"])
    return _ESCAPE.sub(r"\1", found["quoted"])


def _grow(paths: Iterable[tuple[Step, ...]]) -> Ignore:
    paths = set(paths)
    firsts = {path[0] for path in paths if path}
    return Ignore(
        whole=() in paths,
        steps={
            first: _grow(path[1:] for path in paths if path and _matches(path[0], first))
            for first in firsts
        },
    )


def _matches(step: Step, first: Step) -> bool:
    return step == first or (step == ANY and isinstance(first, int))
