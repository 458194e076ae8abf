"""Requests of the corpus as they come in, line by line, read without trusting them. Pure.

A line is a JSON object: `method`, `path` and, if there are any, `headers` (an object, or a list of
pairs or of `{"name", "value"}`) and one of `body` (text), `json` (a document), `body_base64`. A
line of an HTTP archive, `{"request": {"method", "url", "headers", "postData"}}`, is read alike; its
`url` must be a path, for a recording never says which host is asked.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from shadow.privacy import REDACTED, Redaction, is_secret_header, redacted, redacted_path

MAX_LINES = 5_000
MAX_LINE_BYTES = 512 * 1024
MAX_BODY_BYTES = 256 * 1024
MAX_PATH_CHARS = 2_000
MAX_HEADERS = 60
MAX_HEADER_CHARS = 4_096
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_ROUTE = "other"
# Of one connection, not of the request; and what the sender says for itself.
HOP_HEADERS = frozenset(
    {
        "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host",
        "content-length", "expect", "accept-encoding", "proxy-connection",
    }
)  # fmt: skip
FIELDS = frozenset(
    {"method", "path", "headers", "body", "json", "body_base64", "id", "at", "route", "source"}
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_PLACEHOLDER = re.compile(r"\{[^/{}]*\}")
Pairs = tuple[tuple[str, str], ...]


class LineError(ValueError):
    """A line that is no request; the text says why."""


@dataclass(frozen=True, slots=True)
class Written:
    """One request as a line says it; `number` is its line, `id` and `at` the line's own."""

    method: str
    path: str
    headers: Pairs = ()
    body: bytes = b""
    number: int = 0
    id: str = ""
    at: float | None = None

    @property
    def sha256(self) -> str:
        """A digest of everything that is sent."""
        parts = (self.method, self.path, json.dumps(sorted(self.headers)))
        head = "\n".join(parts).encode("utf-8", "surrogatepass")
        return hashlib.sha256(head + b"\n" + self.body).hexdigest()


@dataclass(slots=True)
class Import:
    """What the lines of one import were."""

    good: list[Written] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)
    repeated_ids: int = 0
    backwards: int = 0
    duplicates: int = 0
    redacted: int = 0


def read_lines(raw: bytes) -> Import:
    """Return every request of the lines, and each bad line's number and reason."""
    found = Import()
    ids: set[str] = set()
    last = None
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if number > MAX_LINES:
            found.bad.append((number, f"more than {MAX_LINES} lines; send them in parts"))
            break
        if not line.strip():
            continue
        try:
            written = replace(read_line(line.rstrip(b"\r")), number=number)
        except LineError as exc:
            found.bad.append((number, str(exc)))
            continue
        found.good.append(written)
        found.repeated_ids += bool(written.id) and written.id in ids
        ids.add(written.id)
        if written.at is not None:
            found.backwards += last is not None and written.at < last
            last = written.at
    return found


def read_line(line: bytes) -> Written:
    """Return the request of one line, or raise LineError."""
    if len(line) > MAX_LINE_BYTES:
        raise LineError(f"longer than {MAX_LINE_BYTES} bytes")
    document = _object(line)
    if isinstance(document.get("request"), dict):
        return _from_archive(document["request"])
    for name in document:
        if name not in FIELDS:
            raise LineError(f"{str(name)[:60]!r} is not known")
    return Written(
        method=_method(document.get("method")),
        path=_path(document.get("path")),
        headers=_headers(document.get("headers", [])),
        body=_body(document),
        id=str(document.get("id") or "")[:80],
        at=_moment(document.get("at")),
    )


def _object(line: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise LineError(f"no JSON: {exc}") from exc
    if not isinstance(document, dict):
        raise LineError("no JSON object")
    return document


def _from_archive(request: Mapping[str, Any]) -> Written:
    data = request.get("postData")
    text = data.get("text", "") if isinstance(data, dict) else ""
    return Written(
        method=_method(request.get("method")),
        path=_path(request.get("url")),
        headers=_headers(request.get("headers", [])),
        body=_body({"body": text}),
    )


def _method(value: Any) -> str:
    if not isinstance(value, str) or value not in METHODS:
        raise LineError(f"method is one of {', '.join(sorted(METHODS))}")
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str):
        raise LineError("path is missing")
    if not value.startswith("/") or value.startswith("//"):
        raise LineError("path begins with one slash; it names no host")
    if len(value) > MAX_PATH_CHARS:
        raise LineError(f"path is longer than {MAX_PATH_CHARS} characters")
    if not value.isascii() or not value.isprintable() or any(c in value for c in " #\\"):
        raise LineError("path holds a space, a line break or another sign that is not sent as is")
    return value


def _headers(value: Any) -> Pairs:
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, list) or len(pairs) > MAX_HEADERS:
        raise LineError(f"headers are an object or a list of at most {MAX_HEADERS} pairs")
    return tuple(_header(pair) for pair in pairs)


def _header(pair: Any) -> tuple[str, str]:
    if isinstance(pair, dict):
        pair = (pair.get("name"), pair.get("value"))
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:  # noqa: PLR2004  # name and value
        raise LineError("a header is a name and a value")
    name, value = pair
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise LineError(f"a header's name is wrong: {str(name)[:40]!r}")
    if not isinstance(value, str) or len(value) > MAX_HEADER_CHARS:
        raise LineError(f"the value of {name} is no text of at most {MAX_HEADER_CHARS} characters")
    if any(ord(c) < 32 or ord(c) == 127 for c in value) or not value.isascii():  # noqa: PLR2004
        raise LineError(f"the value of {name} holds a line break or another control character")
    return name.lower(), value


def _body(document: Mapping[str, Any]) -> bytes:
    given = [name for name in ("body", "json", "body_base64") if name in document]
    if len(given) > 1:
        raise LineError(f"{given[0]} and {given[1]} say the same twice")
    body = _decoded(given[0], document[given[0]]) if given else b""
    if len(body) > MAX_BODY_BYTES:
        raise LineError(f"the body is longer than {MAX_BODY_BYTES} bytes")
    return body


def _decoded(name: str, value: Any) -> bytes:
    if name == "json":
        return orjson.dumps(value)
    if not isinstance(value, str):
        raise LineError(f"{name} is a text")
    if name == "body":
        return value.encode()
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as exc:
        raise LineError("body_base64 is not base64") from exc


def _moment(value: Any) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not good:
        raise LineError("at is a number, in unix seconds")
    return None if value is None else float(value)


def without_secrets(written: Written, redaction: Redaction) -> tuple[Written, int]:
    """Return the request as it may be stored and sent, and how many values went.

    Secret headers are left out whole: a service must not see a placeholder for a credential.
    """
    kept = [(name, value) for name, value in written.headers if name not in HOP_HEADERS]
    named = redaction.headers
    clear = [(n, v) for n, v in kept if not (is_secret_header(n) or n in named)]
    made = redacted(clear, written.body, redaction)
    path = redacted_path(written.path).replace(REDACTED, "redacted")
    changed = len(kept) - len(clear) + made.count + (path != written.path)
    cleaned = replace(written, path=path, headers=tuple(clear), body=made.body)
    return cleaned, changed


def route_of(method: str, path: str, routes: Iterable[tuple[str, str]]) -> str:
    """Return the label of the route that a request belongs to; an exact path before a template."""
    bare = path.partition("?")[0]
    mine = [template for of, template in routes if of == method]
    for template in mine:
        if template == bare:
            return f"{method} {template}"
    for template in mine:
        parts = map(re.escape, _PLACEHOLDER.split(template))
        if "{" in template and re.fullmatch("[^/]+".join(parts), bare):
            return f"{method} {template}"
    return OTHER_ROUTE


def as_line(
    *, source: str, route: str, method: str, path: str, headers: Sequence[Any], body: bytes
) -> str:
    """Return a stored request as a line that can be read again."""
    document: dict[str, Any] = {
        "method": method,
        "path": path,
        "headers": [list(pair) for pair in headers],
        "route": route,
        "source": source,
    }
    try:
        document["body"] = body.decode()
    except UnicodeDecodeError:
        document["body_base64"] = base64.b64encode(body).decode()
    return json.dumps(document)
