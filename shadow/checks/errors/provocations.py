"""Requests that are wrong in every way that clients get them wrong. Pure."""

import json
from collections.abc import Iterator
from typing import Any

from shadow.checks.openapi.document import Document, Operation
from shadow.checks.openapi.requests import UNKNOWN_FIELD, Made, Requests
from shadow.checks.openapi.shape import Shape

NO_SUCH_PATH = "/banyan-no-such-path"
DEEP = 1000
# Methods that change nothing, whatever the service makes of them.
HARMLESS = ("GET", "HEAD", "OPTIONS")
WRONG_TYPES: tuple[tuple[str, str, Any], ...] = (
    ("null", "null", None),
    ("boolean", "a boolean", True),
    ("number", "a number", 12.5),
    ("string", "a text", "banyan"),
    ("array", "an array", ["banyan"]),
    ("object", "an object", {"banyan": 1}),
)
NOT_FINITE = ("NaN", "Infinity", "-Infinity", "1e400", "9" * 400)
MALFORMED: tuple[tuple[str, bytes], ...] = (
    ("empty body", b""),
    ("white space only", b" \n\t"),
    ("cut in the middle", b'{"a":[1,2'),
    ("trailing comma", b'{"a":1,}'),
    ("single quotes", b"{'a':1}"),
    ("a comment", b'{"a":1 /* one */}'),
    ("two documents", b"{}{}"),
    ("trailing garbage", b'{"a":1} x'),
    ("byte order mark", b'\xef\xbb\xbf{"a":1}'),
    ("UTF-16", '{"a":1}'.encode("utf-16")),
    ("broken UTF-8", b'{"a":"\xff"}'),
    ("half a surrogate pair", b'{"a":"\\ud800"}'),
    ("a control character", b'{"a":"\x01"}'),
    ("a leading zero", b'{"a":01}'),
    ("form data", b"a=1&b=2"),
    ("HTML", b"<html></html>"),
    ("nested too deep", b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}"),
    ("an array", b"[]"),
    ("null", b"null"),
    ("a number", b"3"),
    ("a text", b'"a"'),
    ("an empty object", b"{}"),
)
MEDIA_TYPES: tuple[tuple[str, str], ...] = (
    ("no content type", ""),
    ("content type text/plain", "text/plain"),
    ("content type of a form", "application/x-www-form-urlencoded"),
    ("content type application/xml", "application/xml"),
)
Wrong = tuple[str, Made]


def provoke(
    document: Document, operation: Operation, *, seed: int, large_bytes: int
) -> Iterator[Wrong]:
    """Yield (method, request) for each way to be wrong at one operation."""
    requests = Requests(document, operation, seed)
    yield from routing(operation.method, requests.path())
    yield from ((operation.method, made) for made in _parameters(requests))
    if requests.body_ref() is None:
        return
    body = requests.valid_body()
    yield from bodies(operation.method, requests.path(), requests.headers(), body, large_bytes)
    shape = requests.body_shape()
    if shape is not None:
        whole = json.loads(body)
        yield from ((operation.method, made) for made in _fields(requests, shape, whole))


def routing(method: str, path: str) -> Iterator[Wrong]:
    """Yield requests to paths that are none, and with methods that the path does not take."""
    bare, mark, query = path.partition("?")
    yield "GET", Made("unknown path", f"{bare.rstrip('/')}{NO_SUCH_PATH}")
    yield "GET", Made("unknown path at the root", NO_SUCH_PATH)
    yield "GET", Made("path with a slash too many", f"{bare}/")
    yield "GET", Made("path in capitals", bare.upper() + mark + query)
    for other in HARMLESS:
        if other != method:
            yield other, Made(f"method {other}", path)


def bodies(
    method: str, path: str, headers: tuple[tuple[str, str], ...], valid: bytes, large_bytes: int
) -> Iterator[Wrong]:
    """Yield bodies that are no document, of another type, and too large."""
    for words, body in MALFORMED:
        yield method, Made(words, path, headers, body)
    others = tuple(header for header in headers if header[0] != "content-type")
    for words, kind in MEDIA_TYPES:
        given = (("content-type", kind), *others) if kind else others
        yield method, Made(words, path, given, valid)
    if large_bytes:
        padded = valid.ljust(large_bytes)
        yield method, Made(f"a body of {large_bytes:,} bytes", path, headers, padded)


def _parameters(requests: Requests) -> Iterator[Made]:
    body = requests.valid_body()
    for parameter in requests.operation.parameters:
        name, place = str(parameter.get("name")), parameter.get("in")
        if place == "query" and parameter.get("required") is True:
            path = requests.path(**{name: None})
            yield Made(f"parameter {name} missing", path, requests.headers(), body)
        if place in ("query", "path"):
            path = requests.path(**{name: "banyan ?"})
            yield Made(f"parameter {name} is a text", path, requests.headers(), body)


def _fields(requests: Requests, shape: Shape, whole: dict[str, Any]) -> Iterator[Made]:
    yield requests.made("unknown field", {**whole, UNKNOWN_FIELD: 1})
    yield requests.made("unknown field, and required ones missing", {UNKNOWN_FIELD: 1})
    for name in sorted(shape.required & whole.keys()):
        rest = {key: value for key, value in whole.items() if key != name}
        yield requests.made(f"{name} missing", rest)
    for name, ref in shape.properties.items():
        inner = requests.maker.shape(ref)
        for kind, words, value in WRONG_TYPES:
            if kind not in _taken(inner):
                yield requests.made(f"{name} is {words}", {**whole, name: value})
        for words, value in requests.maker.limits(ref):
            if value is not None:
                yield requests.made(f"{name}: {words}", {**whole, name: value})
        yield from _literals(requests, name, inner, whole)


def _taken(shape: Shape) -> frozenset[str]:
    numbers = frozenset({"number"}) if shape.types & {"integer", "number"} else frozenset()
    return shape.types | numbers


def _literals(requests: Requests, name: str, shape: Shape, whole: dict[str, Any]) -> Iterator[Made]:
    """Yield what no JSON library writes: numbers that are none, and a key that stands twice."""
    for literal in NOT_FINITE:
        if shape.types & {"integer", "number"}:
            yield _spliced(requests, name, literal, whole, f"{name} is {literal[:10]}")
        elif shape.items is not None and requests.maker.shape(shape.items).types & {"number"}:
            yield _spliced(requests, name, f"[0,{literal}]", whole, f"{name} holds {literal[:10]}")
    rest = json.dumps(whole)[1:]
    twice = f"{{{json.dumps(name)}:null,{rest}".encode()
    yield Made(f"{name} twice", requests.path(), requests.headers(), twice)


def _spliced(
    requests: Requests, name: str, literal: str, whole: dict[str, Any], words: str
) -> Made:
    marker = "banyan-literal"
    text = json.dumps({**whole, name: marker}).replace(f'"{marker}"', literal)
    return Made(words, requests.path(), requests.headers(), text.encode())
