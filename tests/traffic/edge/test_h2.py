import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.edge import h2

HEADERS_BLOCK = b"\x83\x86"


class Notes:
    """A sink that notes what it got, and wants no more after `enough` messages."""

    def __init__(self, enough: int = 10**6) -> None:
        self.messages: list[bytes] = []
        self.over = False
        self._enough = enough

    def message(self, data: bytes) -> bool:
        self.messages.append(data)
        return len(self.messages) < self._enough

    def ended(self) -> None:
        self.over = True


class Wire(asyncio.Transport):
    """The receiver's side of a connection, kept in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True


class Peer:
    """A scripted Envoy: feeds frames to a receiver and reads what comes back."""

    def __init__(self, *, enough: int = 10**6, window: int = 1 << 20) -> None:
        self.sinks: list[Notes] = []
        self.wire = Wire()
        self.receiver = h2.Receiver(lambda: self._open(enough), window=window)
        self.receiver.connection_made(self.wire)

    def _open(self, enough: int) -> Notes:
        self.sinks.append(Notes(enough))
        return self.sinks[-1]

    def send(self, *parts: bytes) -> "Peer":
        for part in parts:
            self.receiver.data_received(part)
        return self

    def greet(self) -> "Peer":
        return self.send(h2.PREFACE, h2.frame(h2.SETTINGS, 0, 0))

    def answers(self, kind: int) -> list[tuple[int, int, bytes]]:
        """(flags, stream, payload) of the frames of a kind that the receiver sent."""
        found, at = [], 0
        while at < len(self.wire.sent):
            high, low, this, flags, stream = h2.FRAME_HEADER.unpack_from(self.wire.sent, at)
            at += h2.FRAME_HEADER.size
            end = at + (high << 8 | low)
            if this == kind:
                found.append((flags, stream, self.wire.sent[at:end]))
            at = end
        return found


def grpc_message(data: bytes) -> bytes:
    return b"\0" + len(data).to_bytes(4, "big") + data


def opened(stream: int = 1, flags: int = h2.END_HEADERS) -> bytes:
    return h2.frame(h2.HEADERS, flags, stream, HEADERS_BLOCK)


def data(payload: bytes, stream: int = 1, flags: int = 0) -> bytes:
    return h2.frame(h2.DATA, flags, stream, payload)


def test_settings_ask_for_no_header_table_and_settings_and_pings_are_answered() -> None:
    peer = Peer().greet().send(h2.frame(h2.PING, 0, 0, b"12345678"))
    assert peer.answers(h2.SETTINGS)[0][2][:6] == struct.pack(">HL", 1, 0)
    assert peer.answers(h2.SETTINGS)[1] == (h2.ACK, 0, b"")
    assert peer.answers(h2.PING) == [(h2.ACK, 0, b"12345678")]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=8), st.data())
def test_messages_arrive_whole_however_they_are_cut(
    messages: list[bytes], cut: st.DataObject
) -> None:
    body = b"".join(grpc_message(message) for message in messages)
    frames, rest = b"", body
    while rest:
        size = cut.draw(st.integers(1, len(rest)))
        frames += data(rest[:size])
        rest = rest[size:]
    stream = h2.PREFACE + opened() + frames
    peer = Peer()
    while stream:
        size = cut.draw(st.integers(1, len(stream)))
        peer.send(stream[:size])
        stream = stream[size:]
    assert peer.sinks[0].messages == messages


def test_a_stream_ends_at_once_with_status_zero_when_its_sink_has_enough() -> None:
    peer = Peer(enough=1).greet()
    peer.send(opened(), data(grpc_message(b"a")), data(grpc_message(b"late")))
    assert peer.sinks[0].messages == [b"a"]
    assert not peer.sinks[0].over
    ((flags, stream, block),) = peer.answers(h2.HEADERS)
    assert (flags, stream) == (h2.END_HEADERS | h2.END_STREAM, 1)
    assert block.endswith(b"grpc-status\x010")
    assert peer.answers(h2.RST_STREAM) == [(0, 1, b"\0\0\0\0")]


@pytest.mark.parametrize(
    "ending",
    [
        data(b"", flags=h2.END_STREAM),
        opened(flags=h2.END_HEADERS | h2.END_STREAM),
        h2.frame(h2.RST_STREAM, 0, 1, b"\0\0\0\x08"),
    ],
    ids=["data", "trailers", "reset"],
)
def test_the_sink_learns_once_that_the_peer_ended_the_stream(ending: bytes) -> None:
    peer = Peer().greet().send(opened(), data(grpc_message(b"a")), ending)
    assert peer.sinks[0].over
    peer.sinks[0].over = False
    peer.receiver.connection_lost(None)
    assert not peer.sinks[0].over


def test_sinks_of_open_streams_learn_that_the_connection_is_gone() -> None:
    peer = Peer().greet().send(opened(1), opened(3))
    peer.receiver.connection_lost(None)
    assert [sink.over for sink in peer.sinks] == [True, True]


def test_flow_control_credit_comes_back_per_stream_and_per_connection() -> None:
    peer = Peer(window=32_768).greet().send(opened())
    size = 16_000
    for _ in range(300):
        peer.send(data(grpc_message(bytes(size - 5))))
    updates = peer.answers(h2.WINDOW_UPDATE)[1:]
    returned = dict.fromkeys((0, 1), 0)
    for _, stream, payload in updates:
        returned[stream] += int.from_bytes(payload, "big")
    assert returned[1] > 299 * size - 32_768
    assert returned[0] > 300 * size - h2.CREDIT_EVERY_BYTES


def test_padding_is_removed_and_continuations_are_skipped() -> None:
    padded = b"\x03" + grpc_message(b"a") + b"\0\0\0"
    peer = Peer().greet()
    peer.send(opened(flags=0), h2.frame(9, h2.END_HEADERS, 1, b"\x84"))
    peer.send(data(padded, flags=h2.PADDED))
    assert peer.sinks[0].messages == [b"a"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        h2.PREFACE + b"\xff\xff\xff" + bytes(6),
        h2.PREFACE + opened(2),
        h2.PREFACE + opened() + data(b"\x01" + bytes(4)),
        h2.PREFACE + opened() + data(b"\x00\xff\xff\xff\xff"),
        h2.PREFACE + opened() + data(b"\x09a", flags=h2.PADDED),
    ],
    ids=["http1", "huge frame", "even stream", "compressed", "huge message", "padding"],
)
def test_a_peer_that_breaks_the_protocol_is_disconnected(garbage: bytes) -> None:
    peer = Peer().send(garbage)
    assert peer.wire.closed
    assert len(peer.answers(h2.GOAWAY)) == 1


@given(st.binary(max_size=2000))
def test_no_bytes_whatever_raise(noise: bytes) -> None:
    Peer().send(noise)
    Peer().send(h2.PREFACE + opened() + noise)
    frames = b"".join(
        h2.frame(noise[at] % 12, noise[at + 1], noise[at + 2] % 6, noise[at + 3 : at + 40])
        for at in range(0, max(len(noise) - 40, 0), 40)
    )
    Peer().send(h2.PREFACE + frames)


@pytest.mark.filterwarnings("default")
async def test_an_independent_grpc_client_is_understood(tmp_path: Path) -> None:
    sinks: list[Notes] = []

    def open_stream() -> Notes:
        sinks.append(Notes())
        return sinks[-1]

    server = h2.Server(tmp_path / "h2.sock", open_stream, window=1 << 20)
    await server.start()
    assert (tmp_path / "h2.sock").stat().st_mode & 0o777 == 0o660
    messages = [b"x" * size for size in (0, 1, 5, 70_000, 900_000)]

    async def requests() -> AsyncIterator[bytes]:
        for message in messages:
            yield message

    try:
        async with grpc.aio.insecure_channel(f"unix:{tmp_path}/h2.sock") as channel:
            for _ in range(3):
                call = channel.stream_stream("/any.Service/Call")(requests())
                assert [reply async for reply in call] == []
                assert await call.code() is grpc.StatusCode.OK
    finally:
        await server.stop()
    assert [sink.messages for sink in sinks] == [messages] * 3
    assert all(sink.over for sink in sinks)
    assert not (tmp_path / "h2.sock").exists()
