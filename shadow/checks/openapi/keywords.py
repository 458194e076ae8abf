"""The keywords of one schema, of OpenAPI 3.0 and 3.1, in normal form. Pure."""

import json
import math
from typing import Any

from shadow.checks.openapi.document import Node, listed, mapped
from shadow.checks.openapi.shape import ALL_TYPES, NULL, Ref, Shape

# Compared as they stand.
_OPAQUE_WORDS = (
    "not",
    "if",
    "then",
    "else",
    "multipleOf",
    "uniqueItems",
    "prefixItems",
    "contains",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
)
_OPAQUE = frozenset(_OPAQUE_WORDS)
_TYPE_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    str: "string",
    list: "array",
}


def own_shape(node: Node, base: Node) -> Shape:
    """Read what stands in the schema itself."""
    types, enum = _types(node), _enum(node)
    minimum, above = _bound(node, "minimum", "exclusiveMinimum")
    maximum, below = _bound(node, "maximum", "exclusiveMaximum")
    if types - NULL == {"integer"}:
        minimum, above = _whole(minimum, above, math.ceil, math.floor, 1)
        maximum, below = _whole(maximum, below, math.floor, math.ceil, -1)
    return Shape(
        types=types,
        enum=enum,
        minimum=minimum,
        maximum=maximum,
        above=above,
        below=below,
        min_length=_size(node, "minLength") or None,
        max_length=_size(node, "maxLength"),
        pattern=_text(node, "pattern"),
        format=_text(node, "format"),
        min_items=_size(node, "minItems") or None,
        max_items=_size(node, "maxItems"),
        items=Ref(node["items"], base) if isinstance(node.get("items"), (dict, bool)) else None,
        properties={
            str(name): Ref(value, base) for name, value in mapped(node.get("properties")).items()
        },
        required=frozenset(str(name) for name in listed(node.get("required"))),
        additional=_additional(node, base),
        default=canonical(node["default"]) if "default" in node else None,
        opaque=_opaque(node),
    )


def _types(node: Node) -> frozenset[str]:
    said = node.get("type")
    if isinstance(said, str):
        types = frozenset({said})
    elif isinstance(said, list):
        types = frozenset(str(name) for name in said)
    else:
        types = _implied(node)
    return types | NULL if node.get("nullable") is True else types


def _implied(node: Node) -> frozenset[str]:
    """Return the types of a schema that names none."""
    values = _values(node)
    if values is not None:
        return frozenset(json_type(value) for value in values)
    if "properties" in node:
        return frozenset({"object"})
    if "items" in node:
        return frozenset({"array"})
    return ALL_TYPES


def _values(node: Node) -> list[Any] | None:
    if "const" in node:
        return [node["const"]]
    found = node.get("enum")
    return found if isinstance(found, list) else None


def _enum(node: Node) -> tuple[str, ...] | None:
    values = _values(node)
    return (
        None if values is None else tuple(sorted({canonical(value) for value in values} - {"null"}))
    )


def canonical(value: Any) -> str:
    """Return a JSON value as one text; 1.0 and 1 are the same number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def json_type(value: Any) -> str:
    """Return the JSON type of a value; a whole number is an integer."""
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return _TYPE_NAMES.get(type(value), "object")


def _number(node: Node, name: str) -> float | None:
    value = node.get(name)
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def _bound(node: Node, name: str, exclusive: str) -> tuple[float | None, float | None]:
    """Return a bound as (inclusive, exclusive), of the 3.0 and the 3.1 way of writing it."""
    bound, other = _number(node, name), _number(node, exclusive)
    if node.get(exclusive) is True:
        return None, bound
    return bound, other


def _whole(
    inclusive: float | None, exclusive: float | None, inner: Any, outer: Any, step: int
) -> tuple[float | None, None]:
    """Return an integer's bound as the outermost integer that is allowed."""
    found = [inner(inclusive)] if inclusive is not None else []
    if exclusive is not None:
        found.append(outer(exclusive) + step)
    return (max(found) if step > 0 else min(found)) if found else None, None


def _size(node: Node, name: str) -> int | None:
    value = _number(node, name)
    return None if value is None else int(value)


def _text(node: Node, name: str) -> str:
    value = node.get(name)
    return value if isinstance(value, str) else ""


def _additional(node: Node, base: Node) -> "bool | Ref":
    if node.get("unevaluatedProperties") is False:
        return False
    value = node.get("additionalProperties", True)
    if isinstance(value, dict):
        return Ref(value, base) if value else True
    return value is not False


def _opaque(node: Node) -> str:
    """Return as text what has no place of its own here."""
    if _OPAQUE.isdisjoint(node):
        return ""
    found = {word: node[word] for word in _OPAQUE_WORDS if node.get(word) not in (None, False, [])}
    return canonical(found) if found else ""
