"""The receiving half of gRPC over HTTP/2, for one peer: the Envoy on the same machine.

A general gRPC server costs more than a millisecond of CPU per stream in Python, and every capture
is a stream of its own. This receiver does only what that peer needs: it answers SETTINGS and PING,
cuts DATA into gRPC messages, returns flow control credit, and ends a stream with status 0. Header
blocks are skipped unread: nothing in them is needed, and with a header table of size 0 skipping
them loses no state. Anything that is not HTTP/2 closes the connection; Envoy connects again.
"""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_FRAME_BYTES = 16_384
MAX_MESSAGE_BYTES = 8 << 20
MAX_STREAMS = 2048
CONNECTION_WINDOW = 64 << 20
CREDIT_EVERY_BYTES = 4 << 20
DEFAULT_WINDOW = 65_535
SOCKET_MODE = 0o660

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PREFIX_BYTES = 5
FRAME_HEADER = struct.Struct(">HBBBL")

# ":status: 200" (static index 8), then content-type and grpc-status as literals without indexing.
_ANSWER = b"\x88\x0f\x10\x10application/grpc\x00\x0bgrpc-status\x010"


class ProtocolError(Exception):
    """The peer does not speak the HTTP/2 that this receiver understands."""


class Sink(Protocol):
    """What becomes of one stream."""

    def message(self, data: bytes) -> bool:
        """Take one gRPC message; False ends the stream at once."""

    def ended(self) -> None:
        """Learn that the peer ended the stream or is gone. Not called after a False."""


@dataclass(slots=True)
class _Stream:
    sink: Sink
    partial: bytearray = field(default_factory=bytearray)
    uncredited: int = 0


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one HTTP/2 frame."""
    size = len(payload)
    return FRAME_HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def settings(window: int) -> bytes:
    """Return the receiver's SETTINGS: no header table, so header blocks can be skipped."""
    pairs = ((1, 0), (3, MAX_STREAMS), (4, window), (5, MAX_FRAME_BYTES))
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", *pair) for pair in pairs))


def credit(stream: int, size: int) -> bytes:
    """Return a WINDOW_UPDATE that gives back `size` bytes; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big"))


class Receiver(asyncio.Protocol):
    """One connection. `open_stream` makes the sink of each stream, `window` is bytes per stream."""

    def __init__(self, open_stream: Callable[[], Sink], *, window: int) -> None:
        self._open_stream = open_stream
        self._window = window
        self._streams: dict[int, _Stream] = {}
        self._rest = b""
        self._out: list[bytes] = []
        self._greeted = False
        self._last_stream = 0
        self._uncredited = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A stream server's transport; uvloop's is one by shape, not by class.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            settings(self._window) + credit(0, CONNECTION_WINDOW - DEFAULT_WINDOW)
        )

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.sink.ended()

    def data_received(self, data: bytes) -> None:
        try:
            self._rest = self._consume(self._rest + data if self._rest else data)
        except ProtocolError:
            self._out.append(frame(GOAWAY, 0, 0, struct.pack(">LL", self._last_stream, 1)))
            self.close()
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def close(self) -> None:
        """Close the connection once what was written is out."""
        if self._transport is not None:
            self._transport.write(b"".join(self._out))
            self._out.clear()
            self._transport.close()

    def _consume(self, data: bytes) -> bytes:
        """Handle every complete frame and return what is left."""
        at = 0
        if not self._greeted:
            if not PREFACE.startswith(data[: len(PREFACE)]):
                raise ProtocolError("not HTTP/2")
            if len(data) < len(PREFACE):
                return data
            self._greeted, at = True, len(PREFACE)
        while len(data) - at >= FRAME_HEADER.size:
            high, low, kind, flags, stream = FRAME_HEADER.unpack_from(data, at)
            start = at + FRAME_HEADER.size
            end = start + (high << 8 | low)
            if end - start > MAX_FRAME_BYTES:
                raise ProtocolError("frame too large")
            if len(data) < end:
                break
            self._frame(kind, flags, stream & 0x7FFFFFFF, data[start:end])
            at = end
        return data[at:]

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == DATA:
            self._data(flags, number, payload)
        elif kind == HEADERS:
            self._headers(flags, number)
        elif kind == RST_STREAM:
            if stream := self._streams.pop(number, None):
                stream.sink.ended()
        elif kind == SETTINGS and not flags & ACK:
            self._out.append(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self._out.append(frame(PING, ACK, 0, payload))
        # CONTINUATION belongs to a skipped header block; the rest asks for nothing.

    def _headers(self, flags: int, number: int) -> None:
        if number > self._last_stream:
            if not number & 1:
                raise ProtocolError("even stream from a client")
            self._last_stream = number
            self._streams[number] = _Stream(self._open_stream())
        if flags & END_STREAM:
            self._peer_ended(number)

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        self._uncredited += len(payload)
        if self._uncredited >= CREDIT_EVERY_BYTES:
            self._out.append(credit(0, self._uncredited))
            self._uncredited = 0
        stream = self._streams.get(number)
        if stream is None:  # in flight when we ended the stream
            return
        size = len(payload)
        if flags & PADDED:
            payload = _unpadded(payload)
        if not self._messages(stream, payload):
            del self._streams[number]
            # Ended at once: until then Envoy counts the stream against its limit of open requests.
            self._out += (
                frame(HEADERS, END_HEADERS | END_STREAM, number, _ANSWER),
                frame(RST_STREAM, 0, number, b"\0\0\0\0"),
            )
        elif flags & END_STREAM:
            self._peer_ended(number)
        else:
            stream.uncredited += size
            if stream.uncredited >= self._window // 2:
                self._out.append(credit(number, stream.uncredited))
                stream.uncredited = 0

    def _peer_ended(self, number: int) -> None:
        if stream := self._streams.pop(number, None):
            stream.sink.ended()
            self._out.append(frame(HEADERS, END_HEADERS | END_STREAM, number, _ANSWER))

    @staticmethod
    def _messages(stream: _Stream, payload: bytes) -> bool:
        """Hand out the messages completed by `payload`; False when the sink wants no more."""
        partial = stream.partial
        if not partial and len(payload) == _message_end(payload):
            return stream.sink.message(payload[PREFIX_BYTES:])
        partial += payload
        while len(partial) >= (end := _message_end(partial)):
            message = bytes(partial[PREFIX_BYTES:end])
            del partial[:end]
            if not stream.sink.message(message):
                return False
        return True


def _message_end(data: bytes | bytearray) -> int:
    """Where the gRPC message at the front ends; beyond the data while it is not complete."""
    if len(data) < PREFIX_BYTES:
        return PREFIX_BYTES
    if data[0]:
        raise ProtocolError("compressed message")
    size = int.from_bytes(data[1:PREFIX_BYTES], "big")
    if size > MAX_MESSAGE_BYTES:
        raise ProtocolError("message too large")
    return PREFIX_BYTES + size


def _unpadded(payload: bytes) -> bytes:
    if not payload or payload[0] >= len(payload):
        raise ProtocolError("padding longer than the frame")
    return payload[1 : len(payload) - payload[0]]


class Server:
    """A unix socket that accepts any number of peers."""

    def __init__(self, path: Path, open_stream: Callable[[], Sink], *, window: int) -> None:
        self._path = path
        self._open_stream = open_stream
        self._window = window
        self._server: asyncio.AbstractServer | None = None
        self._connections: set[_TrackedReceiver] = set()

    async def start(self) -> None:
        """Listen; a socket that a dead process left behind is replaced."""
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._accept, str(self._path))
        self._path.chmod(SOCKET_MODE)

    async def stop(self) -> None:
        """Stop listening and close every connection; sinks of open streams are told."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.close()
        self._path.unlink(missing_ok=True)
        await asyncio.sleep(0)

    def _accept(self) -> "_TrackedReceiver":
        return _TrackedReceiver(self._connections, self._open_stream, window=self._window)


class _TrackedReceiver(Receiver):
    def __init__(
        self, known: "set[_TrackedReceiver]", open_stream: Callable[[], Sink], *, window: int
    ) -> None:
        super().__init__(open_stream, window=window)
        self._known = known

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._known.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._known.discard(self)
        super().connection_lost(exc)
