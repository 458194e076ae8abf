"""Two schemas at once, and one of several. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from shadow.checks.openapi.shape import NULL, Ref, Shape


def both(a: Shape, b: Shape) -> Shape:
    """Return what both schemas allow together."""
    return Shape(
        types=_common_types(a.types, b.types),
        enum=_common(a.enum, b.enum),
        minimum=_highest(a.minimum, b.minimum),
        maximum=_lowest(a.maximum, b.maximum),
        above=_highest(a.above, b.above),
        below=_lowest(a.below, b.below),
        min_length=_highest(a.min_length, b.min_length),
        max_length=_lowest(a.max_length, b.max_length),
        pattern=a.pattern or b.pattern,
        format=b.format or a.format,
        min_items=_highest(a.min_items, b.min_items),
        max_items=_lowest(a.max_items, b.max_items),
        items=b.items or a.items,
        properties={**a.properties, **b.properties},
        required=a.required | b.required,
        additional=_common_additional(a, b),
        default=b.default if b.default is not None else a.default,
        variants=(*a.variants, *b.variants),
        opaque=a.opaque + b.opaque,
    )


def _common_types(a: frozenset[str], b: frozenset[str]) -> frozenset[str]:
    both = a & b
    if ("number" in a and "integer" in b) or ("integer" in a and "number" in b):
        return both | {"integer"}
    return both


def _common_additional(a: Shape, b: Shape) -> "bool | Ref":
    if a.additional is False or b.additional is False:
        return False
    return b.additional if a.additional is True else a.additional


def _common(a: tuple[str, ...] | None, b: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if a is None or b is None:
        return b if a is None else a
    return tuple(value for value in a if value in b)


def _highest(a: Any, b: Any) -> Any:
    return max((x for x in (a, b) if x is not None), default=None)


def _lowest(a: Any, b: Any) -> Any:
    return min((x for x in (a, b) if x is not None), default=None)


def either(shapes: Sequence[Shape]) -> Shape | None:
    """Return alternatives as one schema; None when one schema cannot say the same.

    Null becomes a type, constants become an enum, and alternatives of different types share one
    schema, for each type has keywords of its own.
    """
    others = [shape for shape in shapes if shape.types != NULL]
    folded = _folded(others)
    if folded is None or len(others) == len(shapes):
        return folded
    return replace(folded, types=folded.types | NULL)


def _folded(others: Sequence[Shape]) -> Shape | None:
    if len(others) == 1:
        return others[0]
    types = frozenset[str]().union(*(shape.types for shape in others))
    if others and all(shape.only_values for shape in others):
        values = {value for shape in others for value in shape.enum or ()}
        return Shape(types=types, enum=tuple(sorted(values)))
    if any(shape.enum is not None or shape.variants or shape.opaque for shape in others):
        return None
    counted = [name for shape in others for name in shape.plain_types | (shape.types & NULL)]
    numeric = [name for name in counted if name in ("integer", "number")]
    if len(counted) != len(set(counted)) or len(numeric) > 1:
        return None
    return replace(reduce(_beside, others), types=types) if others else None


def _beside(a: Shape, b: Shape) -> Shape:
    """Return both schemas in one whose keywords do not meet."""
    return replace(
        both(replace(a, types=frozenset()), replace(b, types=frozenset())),
        additional=a.additional if "object" in a.types else b.additional,
    )
