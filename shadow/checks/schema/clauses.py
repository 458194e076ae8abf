"""What one schema says that another does not: the closed list of differences. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from shadow.checks.openapi.shape import Shape


@dataclass(frozen=True, slots=True)
class Clause:
    """A value that one side takes and the other may refuse: `code` names why."""

    code: str
    path: str
    inner: str
    outer: str


# What readers seldom check, so that it is worth a look in answers but breaks nothing.
SOFT_IN_ANSWERS = frozenset(
    {"minimum", "maximum", "min_length", "max_length", "pattern", "format", "items_count", "rule"}
)


def narrower(inner: Shape, outer: Shape, path: str) -> Iterator[Clause]:
    """Yield what `inner` allows and `outer` does not, at this level; members are the caller's."""
    yield from _types(inner, outer, path)
    yield from _values(inner, outer, path)
    if inner.plain_types & {"integer", "number"}:
        yield from _numbers(inner, outer, path)
    if "string" in inner.types & outer.types:
        yield from _texts(inner, outer, path)
    if "array" in inner.types & outer.types:
        yield from _counts(inner, outer, path)
    if outer.opaque and inner.opaque != outer.opaque:
        yield Clause("rule", path, inner.opaque or "nothing", outer.opaque)


def _types(inner: Shape, outer: Shape, path: str) -> Iterator[Clause]:
    allowed = outer.types | ({"integer"} if "number" in outer.types else set())
    missing = inner.types - allowed
    if "null" in missing:
        yield Clause("null", path, "null allowed", "null not allowed")
    if missing - {"null"}:
        yield Clause("type", path, type_words(inner), type_words(outer))


def type_words(shape: Shape) -> str:
    """Name the types of a schema."""
    if len(shape.types) > 6:  # noqa: PLR2004  # all seven, or all but null
        return "any type"
    return " or ".join(sorted(shape.plain_types)) or "null"


def _values(inner: Shape, outer: Shape, path: str) -> Iterator[Clause]:
    if outer.enum is None or not inner.plain_types & outer.plain_types:
        return
    if inner.enum is None:
        yield Clause("enum", path, "any value", _listed(outer.enum))
    elif extra := sorted(set(inner.enum) - set(outer.enum)):
        yield Clause("enum", path, _listed(tuple(extra)), _listed(outer.enum))


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(values[:20]) + (", …" if len(values) > 20 else "")  # noqa: PLR2004


def _numbers(inner: Shape, outer: Shape, path: str) -> Iterator[Clause]:
    if _below(inner.minimum, inner.above, outer.minimum, outer.above):
        yield Clause("minimum", path, _least(inner), _least(outer))
    if _below(_minus(inner.maximum), _minus(inner.below), _minus(outer.maximum),
              _minus(outer.below)):  # fmt: skip
        yield Clause("maximum", path, _most(inner), _most(outer))


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _below(
    low: float | None, above: float | None, outer_low: float | None, outer_above: float | None
) -> bool:
    """Whether something that satisfies the first bound violates the second."""
    if outer_low is None and outer_above is None:
        return False
    starts = max((x for x in (low, above) if x is not None), default=None)
    if starts is None:
        return True
    if outer_low is not None and starts < outer_low:
        return True
    if outer_above is None:
        return False
    return starts < outer_above or (starts == outer_above and above != starts)


def _least(shape: Shape) -> str:
    return f"above {shape.above:g}" if shape.above is not None else _said("at least", shape.minimum)


def _most(shape: Shape) -> str:
    return f"below {shape.below:g}" if shape.below is not None else _said("at most", shape.maximum)


def _said(words: str, value: float | None) -> str:
    return "no limit" if value is None else f"{words} {value:,.15g}".replace(",", "")


def _texts(inner: Shape, outer: Shape, path: str) -> Iterator[Clause]:
    yield from _size("min_length", path, inner.min_length, outer.min_length, least=True)
    yield from _size("max_length", path, inner.max_length, outer.max_length, least=False)
    if outer.pattern and inner.pattern != outer.pattern:
        yield Clause("pattern", path, inner.pattern or "any text", outer.pattern)
    if outer.format and inner.format != outer.format:
        yield Clause("format", path, inner.format or "any text", outer.format)


def _counts(inner: Shape, outer: Shape, path: str) -> Iterator[Clause]:
    yield from _size("items_count", path, inner.min_items, outer.min_items, least=True)
    yield from _size("items_count", path, inner.max_items, outer.max_items, least=False)


def _size(
    code: str, path: str, inner: int | None, outer: int | None, *, least: bool
) -> Iterator[Clause]:
    if outer is None:
        return
    beyond = inner is None or (inner < outer if least else inner > outer)
    if beyond:
        words = "at least" if least else "at most"
        yield Clause(code, path, _said(words, inner), _said(words, outer))
