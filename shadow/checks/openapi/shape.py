"""The normal form of a schema: what it allows, one level deep. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shadow.checks.openapi.document import Node

ALL_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
NULL = frozenset({"null"})


@dataclass(frozen=True, slots=True)
class Ref:
    """A schema that is not read yet, and the root to which its local references belong."""

    node: Any
    base: Node


@dataclass(frozen=True, slots=True)
class Shape:
    """What a schema allows, one level deep; inner schemas are `Ref`s.

    `minimum` and the others are None where nothing is said. `additional` is False (no further
    members), True, or the schema of further members. `variants` are alternatives that could not be
    folded into one. `opaque` holds keywords that are compared as they stand.
    """

    types: frozenset[str] = ALL_TYPES
    enum: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    format: str = ""
    min_items: int | None = None
    max_items: int | None = None
    items: Ref | None = None
    properties: Mapping[str, Ref] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    additional: "bool | Ref" = True
    default: str | None = None
    variants: tuple[Ref, ...] = ()
    opaque: str = ""

    @property
    def nullable(self) -> bool:
        """Whether null is allowed."""
        return "null" in self.types

    @property
    def plain_types(self) -> frozenset[str]:
        """The types without null, an integer counted as a number where both are allowed."""
        types = self.types - NULL
        return types - {"integer"} if "number" in types else types

    @property
    def only_values(self) -> bool:
        """Whether a list of values says it all."""
        return self.enum is not None and not self.variants
