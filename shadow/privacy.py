"""What may be kept of a request and its answers: all that is stored comes through here. Pure.

1. Values of secret headers and of query parameters with secret names are replaced.
2. Values at the route's JSON paths are replaced, at any depth below them; in an event stream in
   the data of each event. A body that cannot be read as JSON, and so not be searched, is withheld
   as a whole when the route names any path.
3. Card numbers in texts are replaced everywhere.

A body that needs nothing of this is kept byte for byte, without its content-encoding. Differences
tell nothing below the route's paths either: `Rules.redact` takes the same list.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from shadow.comparison.bodies import BodyError, decode, has_more_members, split_events
from shadow.comparison.columns import count_members
from shadow.comparison.paths import Step, matches, parse_path

MAX_STORED_CHARS = 262_144
MAX_STORED_HEADERS = 100
MAX_STORED_VALUE = 4_000
REDACTED = "[redacted]"
HEADER = "header:"
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
# Names under which services hand over secrets, in headers and in query parameters.
_SECRET_NAME = re.compile(
    r"token|secret|passw|api-?_?key|auth|session|credential|signature|csrf|jwt|cookie",
    re.IGNORECASE,
)
_CARD = re.compile(r"(?<![\d.])(?:4|5[1-5]|2[2-7]|3[47]|6011|65)(?:[ -]?\d){11,17}(?!\d|\.\d)")
_CARD_DIGITS = range(13, 20)
_PARAMETER = re.compile(r"([?&;])([^=&;#]*)=([^&;#]*)")
Headers = Sequence[tuple[str, str]]


class RedactError(ValueError):
    """An entry of a redaction list that is neither a JSON path nor `header:<name>`."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """What a route keeps to itself: JSON paths and further header names."""

    paths: tuple[tuple[Step, ...], ...] = ()
    headers: frozenset[str] = frozenset()


NOTHING_MORE = Redaction()


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as it may be stored; `count` says how many values were replaced or withheld."""

    headers: list[list[str]]
    body: bytes
    count: int


def read_redaction(entries: Iterable[str]) -> Redaction:
    """Return a route's `redact` list, read strictly; RedactError names the entry."""
    paths, headers = [], set()
    for entry in entries:
        if entry.startswith(HEADER) and entry[len(HEADER) :].strip():
            headers.add(entry[len(HEADER) :].strip().lower())
            continue
        try:
            paths.append(parse_path(entry))
        except ValueError as exc:
            raise RedactError(f"expected a JSON path or header:<name>: {entry[:100]!r}") from exc
    return Redaction(tuple(paths), frozenset(headers))


def redacted(headers: Headers, body: bytes, redaction: Redaction = NOTHING_MORE) -> Kept:
    """Return headers and body of one message as they may be stored; the body decoded."""
    kept_headers, count = [], 0
    for name, value in headers[:MAX_STORED_HEADERS]:
        secret = name.lower() in redaction.headers or is_secret_header(name)
        count += secret
        kept_headers.append([name[:100], REDACTED if secret else _line(value)])
    try:
        plain = decode(body, tuple((name.lower(), value) for name, value in headers))
    except BodyError as error:
        return Kept(kept_headers, _withheld(body, error.cause), count + 1)
    kept_body, replaced = _body(plain, headers, redaction)
    return Kept(kept_headers, kept_body, count + replaced)


def is_secret_header(name: str) -> bool:
    """Whether a header's value is never stored, whatever the route says."""
    lowered = name.lower()
    return lowered in SECRET_HEADERS or bool(_SECRET_NAME.search(lowered))


def redacted_path(path: str) -> str:
    """Return a request's path with the values of secret query parameters replaced."""
    return _PARAMETER.sub(
        lambda m: f"{m[1]}{m[2]}={REDACTED}" if _SECRET_NAME.search(m[2]) else m[0], path
    )


def stored_text(body: bytes) -> str:
    """Return bytes as a text that every database holds, cut at MAX_STORED_CHARS.

    PostgreSQL holds no NUL; what cannot be decoded is shown as a replacement character.
    """
    return body.decode("utf-8", errors="replace").replace("\x00", "\ufffd")[:MAX_STORED_CHARS]


def without_cards(text: str) -> str:
    """Return a text with card numbers replaced."""
    return _CARD.sub(_card, text)


def _line(value: str) -> str:
    return without_cards(value.replace("\x00", "\ufffd"))[:MAX_STORED_VALUE]


def _withheld(body: bytes, why: str) -> bytes:
    return f"[withheld: {len(body)} bytes, {why}]".encode()


def _body(body: bytes, headers: Headers, redaction: Redaction) -> tuple[bytes, int]:
    if not body:
        return body, 0
    kinds = [value.lower() for name, value in headers if name.lower() == "content-type"]
    if kinds and kinds[0].startswith("text/event-stream"):
        return _events(body, redaction)
    return _json(body, redaction)


def _events(body: bytes, redaction: Redaction) -> tuple[bytes, int]:
    total, lines = 0, []
    for event in split_events(body):
        data, count = _json(event.data, redaction)
        total += count
        lines.append(b"event: %s\n" % event.name.encode() if event.name else b"")
        lines += [b"data: %s\n" % line for line in data.split(b"\n")] + [b"\n"]
    return (b"".join(lines), total) if total else (body, 0)


def _json(body: bytes, redaction: Redaction) -> tuple[bytes, int]:
    try:
        document = orjson.loads(body)
        found = [0]
        clean = _clean(document, redaction.paths, found)
    except (ValueError, RecursionError):
        return _not_json(body, redaction)
    if redaction.paths and has_more_members(body, count_members(document)):
        # Of a repeated key only the last value was searched, so only that is kept.
        found[0] += 1
    return (orjson.dumps(clean), found[0]) if found[0] else (body, 0)


def _not_json(body: bytes, redaction: Redaction) -> tuple[bytes, int]:
    if redaction.paths:
        return _withheld(body, "not JSON, so its paths cannot be redacted"), 1
    text = body.decode("utf-8", errors="surrogateescape")
    clean = without_cards(text)
    return (body, 0) if clean == text else (clean.encode("utf-8", "surrogateescape"), 1)


def _clean(value: Any, paths: Sequence[tuple[Step, ...]], found: list[int]) -> Any:
    if any(not path for path in paths):
        found[0] += 1
        return REDACTED
    match value:
        case dict():
            return {name: _clean(x, _below(paths, name), found) for name, x in value.items()}
        case list() if paths or not _all_numbers(value):
            return [_clean(x, _below(paths, at), found) for at, x in enumerate(value)]
        case str() if _CARD.search(value):
            clean = without_cards(value)
            found[0] += clean != value
            return clean
        case int() if value > 10**12 and without_cards(str(value)) == REDACTED:
            found[0] += 1
            return REDACTED
        case _:
            return value


def _all_numbers(values: list[Any]) -> bool:
    return set(map(type, values)) <= {float, bool, type(None)}


def _below(paths: Sequence[tuple[Step, ...]], step: Step) -> list[tuple[Step, ...]]:
    return [path[1:] for path in paths if matches(path[0], step)]


def _card(found: "re.Match[str]") -> str:
    digits = [int(c) for c in found[0] if c.isdigit()]
    return REDACTED if len(digits) in _CARD_DIGITS and _luhn(digits) else found[0]


def _luhn(digits: list[int]) -> bool:
    doubled = [2 * d - 9 * (2 * d > 9) for d in digits[-2::-2]]  # noqa: PLR2004  # the digit sum
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
