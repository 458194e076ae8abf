"""Bytes to documents: content-encoding, JSON, and the keys that a parser silently drops."""

import json
import re
import zlib
from typing import Any

import orjson

from shadow.comparison.answers import Answer
from shadow.comparison.equality import TooDeepError

# What a small compressed body may become: a bomb must not fill a worker's memory.
MAX_DECODED_BYTES = 16 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS
# What counting bytes costs against one more search.
_BYTES_PER_FIND = 300
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


class BodyError(Exception):
    """A body cannot be read; `cause` names why in one word."""

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason


def header(answer: Answer, name: str) -> str:
    """Return the first value of a header (its name in lower case), "" without one."""
    for key, value in answer.headers:
        if key == name:
            return value
    return ""


def decoded(answer: Answer) -> bytes:
    """Return the body without its content-encoding.

    Raises BodyError: `encoded_body` for an encoding that is not read here, `body_too_large` for a
    body that grows beyond MAX_DECODED_BYTES, `not_decodable` for one that is not what it says.
    """
    encoding = header(answer, "content-encoding").strip().lower()
    if encoding in {"", "identity"} or not answer.body:
        return answer.body
    if encoding not in {"gzip", "x-gzip"}:
        raise BodyError("encoded_body", f"content-encoding {encoding[:40]}")
    return _gunzip(answer.body)


def _gunzip(body: bytes) -> bytes:
    parts, room = [], MAX_DECODED_BYTES
    try:
        while body:
            stream = zlib.decompressobj(_GZIP)
            parts.append(stream.decompress(body, room + 1))
            room -= len(parts[-1])
            if room < 0:
                raise BodyError("body_too_large", f"more than {MAX_DECODED_BYTES} bytes decoded")
            if not stream.eof:
                raise BodyError("not_decodable", "gzip data ends early")
            body = stream.unused_data
    except zlib.error as error:
        raise BodyError("not_decodable", str(error)) from error
    return b"".join(parts)


def looks_like_json(answer: Answer) -> bool:
    """Tell whether an answer says that it is JSON, or says nothing."""
    content_type = header(answer, "content-type").lower()
    return not content_type or "json" in content_type


def has_nan_literal(body: bytes) -> bool:
    """Tell whether NaN or Infinity, which JSON does not know, may stand in the body."""
    # One-byte searches run at memory speed, and real bodies rarely hold these capitals.
    return (b"N" in body and b"NaN" in body) or (b"I" in body and b"Infinity" in body)


def parse(body: bytes, *, exact: bool = False) -> Any:
    """Return the document of a JSON body; of a repeated key the last value, as parsers do.

    `exact` keeps integers beyond 64 bits. NaN and Infinity literals are read, so that they can be
    named. Raises BodyError (`not_json`) or TooDeepError.
    """
    try:
        return _parse_slowly(body) if exact else orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "depth limit" in str(error):
            raise TooDeepError from error
        if has_nan_literal(body):
            return _parse_slowly(body)
        raise BodyError("not_json", str(error)) from error


def _parse_slowly(body: bytes) -> Any:
    try:
        return json.loads(body.decode())
    except RecursionError as error:
        raise TooDeepError from error
    except ValueError as error:  # also of wrong UTF-8 and of numbers with thousands of digits
        raise BodyError("not_json", str(error)[:200]) from error


def has_more_members(body: bytes, members: int) -> bool:
    """Tell whether a JSON text has more object members than its parsed form: a repeated key.

    Each member has one colon, after the quote of its name or a blank; any other colon stands in a
    string. So few colons, or few in such places, settle it with a scan or two; only otherwise the
    strings are taken out first.
    """
    if not _has_more_colons(body, members):
        return False
    blanks = any(blank in body for blank in (b" :", b"\n:", b"\t:", b"\r:"))
    if not blanks and body.count(b'":') <= members:
        return False
    return _STRING.sub(b"", body).count(b":") > members


def _has_more_colons(body: bytes, members: int) -> bool:
    if members * _BYTES_PER_FIND > len(body):
        return body.count(b":") > members
    # Few colons in a long text: jumping from one to the next runs at memory speed.
    at = -1
    for _ in range(members + 1):
        at = body.find(b":", at + 1)
        if at < 0:
            return False
    return True
