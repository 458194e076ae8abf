"""One service's OpenAPI document: its operations, and where its references lead. Pure.

Nothing here raises for what a document says: what is broken is listed as a `Problem` or looks like
a schema that allows everything.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

MAX_DOCUMENT_BYTES = 5 * 1024 * 1024
METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
MAX_REF_HOPS = 50
_PLACEHOLDER = re.compile(r"\{[^/{}]*\}")
Node = Mapping[str, Any]
EMPTY: Node = {}


class DocumentError(ValueError):
    """A document that cannot be used; `code` is stable, the text says what to do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Problem:
    """One place of a document that cannot be read."""

    code: str
    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path. `parameters` are resolved; of the same name the operation's wins."""

    method: str
    path: str
    node: Node
    parameters: tuple[Node, ...]

    @property
    def label(self) -> str:
        """The operation as routes are named."""
        return f"{self.method} {self.path}"


@dataclass(slots=True)
class Document:
    """A document that could be read. `problems` grows while it is walked."""

    root: Node
    problems: list[Problem] = field(default_factory=list)
    # Schemas that were read already, by identity: documents are graphs, and some are cyclic.
    shapes: dict[tuple[int, int], Any] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def note(self, code: str, where: str, detail: str) -> None:
        """Remember a broken place, once."""
        if (code, where) not in self._seen:
            self._seen.add((code, where))
            self.problems.append(Problem(code, where, detail))

    def resolve(self, node: Any, base: Node = EMPTY) -> Node:
        """Follow `$ref` to what it names; a broken one becomes an empty node and a problem.

        `base` is the schema at whose root `#/$defs/...` is looked up when the document has none.
        What stands beside a `$ref` is left to the caller.
        """
        hops, seen = 0, node
        while isinstance(seen, dict) and "$ref" in seen:
            ref, hops = seen["$ref"], hops + 1
            if hops > MAX_REF_HOPS:
                self.note("ref_loop", str(ref)[:200], "the reference leads to itself")
                return EMPTY
            seen = self._look_up(ref, base)
        return seen if isinstance(seen, dict) else EMPTY

    def _look_up(self, ref: Any, base: Node) -> Any:
        if not isinstance(ref, str) or not ref.startswith("#"):
            self.note("remote_ref", str(ref)[:200], "only references within the document are read")
            return EMPTY
        for start in (self.root, base):
            found = _pointer(start, ref)
            if found is not None:
                return found
        self.note("broken_ref", ref[:200], "the reference names nothing in the document")
        return EMPTY

    def operations(self) -> dict[tuple[str, str], Operation]:
        """Return the operations by method and path, the path's parameters without their names."""
        paths = self.root.get("paths")
        found: dict[tuple[str, str], Operation] = {}
        for path, raw in paths.items() if isinstance(paths, dict) else ():
            item = self.resolve(raw)
            if not item and raw:
                self.note("broken_path", str(path)[:200], "a path holds an object of operations")
            for method in METHODS:
                if isinstance(item.get(method), dict):
                    found[method.upper(), bare(path)] = self._operation(method, path, item)
        return found

    def _operation(self, method: str, path: str, item: Node) -> Operation:
        node = item[method]
        named: dict[tuple[str, str], Node] = {}
        for raw in (*listed(item.get("parameters")), *listed(node.get("parameters"))):
            parameter = self.resolve(raw)
            place, name = str(parameter.get("in", "")), str(parameter.get("name", ""))
            named[place, name.lower() if place == "header" else name] = parameter
        return Operation(method.upper(), path, node, tuple(named.values()))


def read_document(raw: bytes) -> Document:
    """Return the document of a body, or raise DocumentError saying what is wrong with it."""
    if len(raw) > MAX_DOCUMENT_BYTES:
        size = MAX_DOCUMENT_BYTES // 1024 // 1024
        raise DocumentError("document_too_large", f"The document is larger than {size} MiB.")
    root = _parsed(raw)
    if not isinstance(root, dict):
        raise DocumentError("document_broken", "The document is no JSON object.")
    if "swagger" in root:
        raise DocumentError(
            "swagger_2", "The document is Swagger 2. Serve OpenAPI 3; converters exist."
        )
    version = root.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        said = "no version" if version is None else f"version {str(version)[:20]}"
        raise DocumentError("not_openapi", f"The document says {said}, OpenAPI 3 is read.")
    if not isinstance(root.get("paths"), dict) or not root["paths"]:
        raise DocumentError("no_paths", "The document describes no paths.")
    return Document(root)


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        error = exc
    try:  # numbers beyond 64 bits, which orjson refuses, stand in documents as limits
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise DocumentError("document_broken", f"The document is no JSON: {error}.") from error


def _pointer(start: Node, ref: str) -> Any:
    found: Any = start
    for part in ref[1:].split("/")[1:]:
        key = part.replace("%7B", "{").replace("%7D", "}").replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            return None
    return found


def bare(path: str) -> str:
    """Return a path template without the names of its placeholders."""
    return _PLACEHOLDER.sub("{}", path)


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and nothing for anything else."""
    return value if isinstance(value, list) else []


def mapped(value: Any) -> Node:
    """Return an object as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else EMPTY
