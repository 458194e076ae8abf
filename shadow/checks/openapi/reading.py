"""Schemas read into their normal form, whichever way they were written. Pure.

Read alike: 3.0 and 3.1 (`nullable`, lists of types, boolean and numeric exclusive bounds), `const`
and a one-value `enum`, `anyOf`/`oneOf` of one, `anyOf` with null, `allOf`, `$ref` with siblings,
bounds of integers with and without `exclusive`. Names of components, titles, descriptions and
examples mean nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shadow.checks.openapi.combining import both, either
from shadow.checks.openapi.document import EMPTY, Document, Node, listed, mapped
from shadow.checks.openapi.keywords import own_shape
from shadow.checks.openapi.shape import NULL, Ref, Shape


def shape_of(document: Document, ref: Ref) -> Shape:
    """Return the normal form of a schema; one that is made of itself allows everything."""
    key = (id(ref.node), id(ref.base))
    if key not in document.shapes:
        document.shapes[key] = Shape()
        document.shapes[key] = _read(document, ref)
    shape: Shape = document.shapes[key]
    return shape


def _read(document: Document, ref: Ref) -> Shape:
    if ref.node is False:
        return Shape(types=frozenset())
    if not isinstance(ref.node, dict):
        return Shape()
    base = ref.node if "$defs" in ref.node and not ref.base else ref.base
    shape = own_shape(ref.node, base)
    if "$ref" in ref.node:
        target = Ref(document.resolve(ref.node, base), base)
        shape = both(shape_of(document, target), shape)
    for part in listed(ref.node.get("allOf")):
        shape = both(shape, shape_of(document, Ref(part, base)))
    for word in ("anyOf", "oneOf"):
        if listed(ref.node.get(word)):
            parts = [Ref(part, base) for part in ref.node[word]]
            shape = _with_variants(document, shape, parts)
    return shape


def _with_variants(document: Document, shape: Shape, parts: Sequence[Ref]) -> Shape:
    read = [shape_of(document, part) for part in parts]
    folded = either(read)
    if folded is not None:
        return both(shape, folded)
    types = frozenset[str]().union(*(found.types for found in read))
    kept = tuple(part for part, found in zip(parts, read, strict=True) if found.types != NULL)
    return replace(shape, types=shape.types & types, variants=(*shape.variants, *kept))


def media_schemas(content: Any) -> dict[str, Ref]:
    """Return the schema of each media type of a `content` object; names in lower case, bare."""
    found = {}
    for name, media in mapped(content).items():
        schema = mapped(media).get("schema", EMPTY)
        found[str(name).partition(";")[0].strip().lower()] = Ref(schema, EMPTY)
    return found


def parameter_ref(parameter: Node) -> Ref:
    """Return the schema of a parameter, whichever way it is written."""
    if "schema" in parameter:
        return Ref(parameter["schema"], EMPTY)
    return next(iter(media_schemas(parameter.get("content")).values()), Ref(EMPTY, EMPTY))
