"""Bytes to documents: content-encoding, JSON, and the keys that a parser silently drops."""

import json
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import brotli
import numpy as np
import orjson

from shadow.comparison.columns import TooDeepError

# What a small compressed body may become: a bomb must not fill a worker's memory.
MAX_DECODED_BYTES = 16 * 1024 * 1024
# Two are rare, six are an attack.
MAX_CODINGS = 2
_DEFLATE = 8
_GZIP = 16 + zlib.MAX_WBITS
# What counting bytes costs against one more search.
_BYTES_PER_FIND = 300
# Where counting in one go becomes cheaper than taking strings out.
_SMALL_BYTES = 2_000
_CHUNK = 8_192
_COLON, _QUOTE, _SPACE = b':" '
_LINE_END = re.compile(rb"\r\n|\n|\r")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


class BodyError(Exception):
    """A body cannot be read; `cause` names why in one word."""

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason


def decode(body: bytes, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return a body without its content-encoding; header names in lower case.

    Raises BodyError: `encoded_body` for an encoding that is not read here, or more than MAX_CODINGS
    of them, `body_too_large` for a body that grows beyond MAX_DECODED_BYTES, `not_decodable` for
    one that is not what it says.
    """
    return decoded(body, ",".join(v for name, v in headers if name == "content-encoding"))


def decoded(body: bytes, encoding: str) -> bytes:
    """Return a body without its content-encoding, as `decode` does."""
    codings = [c for c in encoding.lower().replace(" ", "").split(",") if c not in _AS_IT_IS]
    if not codings or not body:
        return body
    if len(codings) > MAX_CODINGS or any(coding not in _DECODERS for coding in codings):
        raise BodyError("encoded_body", f"content-encoding {encoding[:40]}")
    for coding in reversed(codings):
        body = _DECODERS[coding](body)
    return body


def _gunzip(body: bytes) -> bytes:
    parts, room = [], MAX_DECODED_BYTES
    try:
        while body:
            stream = zlib.decompressobj(_GZIP)
            parts.append(stream.decompress(body, room + 1))
            room -= len(parts[-1])
            if room < 0:
                raise _too_large()
            if not stream.eof:
                raise BodyError("not_decodable", "gzip data ends early")
            body = stream.unused_data
    except zlib.error as error:
        raise BodyError("not_decodable", str(error)) from error
    return b"".join(parts)


def _inflate(body: bytes) -> bytes:
    # Half the world sends deflate without the zlib header that it should have.
    zlib_header = body[0] & 0x0F == _DEFLATE and int.from_bytes(body[:2], "big") % 31 == 0
    stream = zlib.decompressobj(zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS)
    try:
        plain = stream.decompress(body, MAX_DECODED_BYTES + 1)
    except zlib.error as error:
        raise BodyError("not_decodable", str(error)) from error
    if len(plain) > MAX_DECODED_BYTES:
        raise _too_large()
    if not stream.eof or stream.unused_data:
        raise BodyError("not_decodable", "deflate data ends early or goes on")
    return plain


def _unbrotli(body: bytes) -> bytes:
    stream = brotli.Decompressor()
    try:
        plain = stream.process(body, output_buffer_limit=MAX_DECODED_BYTES + 1)
    except brotli.error as error:
        raise BodyError("not_decodable", "no brotli data") from error
    if len(plain) > MAX_DECODED_BYTES:
        raise _too_large()
    if not stream.is_finished():
        raise BodyError("not_decodable", "brotli data ends early")
    return bytes(plain)


def _too_large() -> BodyError:
    return BodyError("body_too_large", f"more than {MAX_DECODED_BYTES} bytes decoded")


_AS_IT_IS = {"", "identity"}
_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
}


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
    if members * _BYTES_PER_FIND < len(body):
        few = not _has_more_colons(body, members)
    elif len(body) < _SMALL_BYTES:
        few = body.count(b":") <= members
    else:
        few = _names(body) <= members
    return not few and _STRING.sub(b"", body).count(b":") > members


def _has_more_colons(body: bytes, members: int) -> bool:
    # Few colons in a long text: jumping from one to the next runs at memory speed.
    at = -1
    for _ in range(members + 1):
        at = body.find(b":", at + 1)
        if at < 0:
            return False
    return True


def _names(body: bytes) -> int:
    """Count the colons after a quote or a blank."""
    text, found = np.frombuffer(body, dtype=np.uint8), 0
    # Chunk by chunk: large temporary arrays are new pages of memory each time.
    for start in range(0, len(body), _CHUNK):
        chunk = text[start : start + _CHUNK + 1]
        before = chunk[:-1]
        ends_name = (before == _QUOTE) | (before <= _SPACE)
        found += int(np.count_nonzero(ends_name & (chunk[1:] == _COLON)))
    return found


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its name ("" for the usual one), and its data."""

    name: str
    data: bytes


def split_events(body: bytes) -> list[Event]:
    """Return the whole events of an event stream, as a browser would read them.

    Comments, ids and reconnection times are left out; an event that no blank line ends was never
    sent. Lines end in LF, CR or both.
    """
    events, name, data = [], "", list[bytes]()
    for line in _LINE_END.split(body.removeprefix(b"\xef\xbb\xbf"))[:-1]:
        if not line:
            if data:
                events.append(Event(name, b"\n".join(data)))
            name, data = "", []
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode(errors="replace")[:200]
    return events
