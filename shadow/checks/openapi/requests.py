"""Requests that an operation's description asks for: valid, at limits, defaults left out. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from shadow.checks.openapi.document import Document, Node, Operation
from shadow.checks.openapi.reading import media_schemas, parameter_ref
from shadow.checks.openapi.shape import Ref, Shape
from shadow.checks.openapi.values import Maker

JSON_TYPE = "application/json"
UNKNOWN_FIELD = "banyan_unknown"
MAX_REQUEST_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Made:
    """A request that was made up. `same_as` names the one it should be answered like."""

    name: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    same_as: str = ""


@dataclass(slots=True)
class Requests:
    """Makes up requests to one operation."""

    document: Document
    operation: Operation
    seed: int
    maker: Maker = field(init=False)

    def __post_init__(self) -> None:
        self.maker = Maker(self.document, seed=self.seed)

    def body_ref(self) -> Ref | None:
        """Return the schema of the JSON body; None without one."""
        body = self.document.resolve(self.operation.node.get("requestBody"))
        found = media_schemas(body.get("content"))
        for name, ref in found.items():
            if name == JSON_TYPE or name.endswith("+json"):
                return ref
        return None

    def body_shape(self) -> Shape | None:
        """Return the JSON body's normal form when it is an object."""
        ref = self.body_ref()
        shape = self.maker.shape(ref) if ref is not None else None
        return shape if shape is not None and "object" in shape.types else None

    def path(self, **changed: Any) -> str:
        """Return the path with valid parameters, some changed; a None leaves one out."""
        filled, query = self.operation.path, []
        for parameter in self.operation.parameters:
            name, place = str(parameter.get("name")), parameter.get("in")
            value = changed[name] if name in changed else self._usual(parameter)
            if place == "path":
                filled = filled.replace("{" + name + "}", quote(_plain(value), safe=""))
            elif place == "query" and value is not None:
                query.append(f"{quote(name, safe='')}={quote(_plain(value), safe='')}")
        return filled + ("?" + "&".join(query) if query else "")

    def _usual(self, parameter: Node) -> Any:
        needed = parameter.get("required") is True or parameter.get("in") == "path"
        return self.maker.valid(parameter_ref(parameter)) if needed else None

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that are required, and the content type of a JSON body."""
        found = [
            (str(p.get("name")), _plain(self.maker.valid(parameter_ref(p))))
            for p in self.operation.parameters
            if p.get("in") == "header" and p.get("required") is True
        ]
        return (("content-type", JSON_TYPE), *found) if self.body_ref() else tuple(found)

    def all(self) -> Iterator[Made]:
        """Yield every request, the plain ones first."""
        yield from self._parameters()
        if self.body_ref() is None:
            yield Made("as described", self.path(), self.headers())
            return
        yield from (made for made in self._bodies() if len(made.body) <= MAX_REQUEST_BYTES)

    def _parameters(self) -> Iterator[Made]:
        body = self.valid_body()
        for parameter in self.operation.parameters:
            name = str(parameter.get("name"))
            if parameter.get("in") not in ("query", "path"):
                continue
            for words, value in self.maker.limits(parameter_ref(parameter)):
                if isinstance(value, (list, dict)) or (value is None and words == "null"):
                    continue
                path = self.path(**{name: value})
                yield Made(f"parameter {name}: {words}", path, self.headers(), body)

    def valid_body(self) -> bytes:
        """Return a body with every member, b"" without a JSON body."""
        ref = self.body_ref()
        return b"" if ref is None else dumped(self.maker.valid(ref))

    def _bodies(self) -> Iterator[Made]:
        ref, shape = self.body_ref(), self.body_shape()
        if ref is None:
            return
        whole = self.maker.valid(ref)
        yield self.made("all fields", whole)
        if shape is None:
            return
        yield self.made("required fields only", {n: whole[n] for n in whole if n in shape.required})
        yield self.made("a field that is not known", {**whole, UNKNOWN_FIELD: 1})
        for name, inner in shape.properties.items():
            yield from self._field(name, inner, whole, shape)

    def _field(self, name: str, ref: Ref, whole: dict[str, Any], shape: Shape) -> Iterator[Made]:
        if name not in shape.required:
            rest = {key: value for key, value in whole.items() if key != name}
            default = self.maker.shape(ref).default
            said = f"{name} given as its default"
            yield self.made(f"{name} left out", rest, same_as=said if default else "")
            if default:
                yield self.made(said, {**rest, name: json.loads(default)})
        for words, value in self.maker.limits(ref):
            yield self.made(f"{name}: {words}", {**whole, name: value})

    def made(self, name: str, body: Any, *, same_as: str = "") -> Made:
        """Return a request with this document as its body."""
        return Made(name, self.path(), self.headers(), dumped(body), same_as)


def dumped(value: Any) -> bytes:
    """Return a document's bytes, integers of any size as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
