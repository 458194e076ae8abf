"""JSON as Banyan accepts it: one value per key, finite numbers, bounded size and depth."""

import json
import math
from collections.abc import Mapping
from email.message import Message
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

MAX_BYTES = 1_048_576
MAX_DEPTH = 40
MAX_DIGITS = 19


class JSONRefusedError(ParseError):
    """A body that is JSON to some but not to us."""

    def __init__(self, code: str, detail: str, field: str | None = None) -> None:
        """Keep the field for the problem document."""
        super().__init__(detail, code)
        self.field = field


class TooLargeError(APIException):
    """More than MAX_BYTES."""

    status_code = 413
    default_detail = f"The body is larger than {MAX_BYTES} bytes."
    default_code = "body_too_large"


def strict_loads(raw: bytes) -> Any:
    """Parse JSON, refusing duplicate keys, NaN, infinities, deep nesting and huge integers.

    Raises JSONRefusedError with the position where there is one.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise JSONRefusedError("invalid_utf8", f"Not UTF-8 at byte {exc.start}.") from exc
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_bounded,
        )
    except json.JSONDecodeError as exc:
        detail = f"Malformed JSON at line {exc.lineno} column {exc.colno}: {exc.msg}."
        raise JSONRefusedError("malformed_json", detail) from exc


def _check_depth(text: str) -> None:
    depth, quoted, escaped = 0, False, False
    for char in text:
        if quoted:
            escaped, quoted = (char == "\\" and not escaped), char != '"' or escaped
        elif char == '"':
            quoted = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise JSONRefusedError("too_deep", f"Nested deeper than {MAX_DEPTH} levels.")
        elif char in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise JSONRefusedError("duplicate_key", f"The key {key!r} appears twice.", key)
        found[key] = value
    return found


def _no_constant(name: str) -> float:
    raise JSONRefusedError("not_finite", f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JSONRefusedError("not_finite", f"{text[:20]} is too large for a number.")
    return value


def _bounded(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise JSONRefusedError("range", f"An integer of {len(text)} digits is out of range.")
    return int(text)


def _check_coding(media_type: str, request: Request | None) -> None:
    """Refuse a packed body, and any charset but JSON's own."""
    packed = request.headers.get("Content-Encoding", "") if request else ""
    if packed.lower() not in ("", "identity"):
        raise UnsupportedMediaType(media_type, f"A body packed by {packed[:20]!r} is not read.")
    charset = Message()
    charset["Content-Type"] = media_type
    if str(charset.get_param("charset", "utf-8")).lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(media_type, "JSON is UTF-8; send no other charset.")


class StrictJSONParser(BaseParser):
    """Parses `application/json` request bodies by `strict_loads`; the body must be an object."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Read at most MAX_BYTES and return the object."""
        _check_coding(media_type or "", (parser_context or {}).get("request"))
        raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise TooLargeError
        value = strict_loads(raw)
        if not isinstance(value, dict):
            raise JSONRefusedError("not_an_object", "Expected a JSON object.")
        return value
