"""The peers of the scratch Envoy in the self-test: an upstream that stalls, a bad receiver."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

RESPONSE_BYTES = 200_000

_HTTP2_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_HTTP2_CREDIT = b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x3f\xff\xff\xff"
"""For the connection alone: each stream then stalls by itself at its first 64 KB."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class _Connections:
    """Remembers the open connections of a server, so that they end before it does."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    def kept(self, handler: Handler) -> Handler:
        """Wrap a handler: errors of the connection end it, and its end is known."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            self._open[task] = writer
            try:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    await handler(reader, writer)
            finally:
                writer.close()
                del self._open[task]

        return handle

    async def end(self) -> None:
        """Break all connections and wait for their handlers."""
        tasks = [task for task in self._open if task is not None]
        for writer in self._open.values():
            writer.transport.abort()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)


class StallingUpstream:
    """Listens from the start, but completes no connection before `serve`.

    Its queue has room for one connection, and that one is taken. Each request is then answered by
    200 KB and a close, so that every request connects anew.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(0)
        self.port: int = self._socket.getsockname()[1]
        self._first = socket.create_connection(("127.0.0.1", self.port))
        self._connections = _Connections()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "StallingUpstream":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._first.close()
        if self._server is not None:
            self._server.close()
            await self._connections.end()
        self._socket.close()

    async def serve(self) -> None:
        """Accept from now on; who waited comes through at the next try, after about a second."""
        answer = self._connections.kept(_answer)
        self._server = await asyncio.start_server(answer, sock=self._socket)
        self._first.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(_content_length(request))
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {RESPONSE_BYTES}\r\nconnection: close\r\n\r\n"
    writer.write(head.encode() + b"y" * RESPONSE_BYTES)
    await writer.drain()


def _content_length(request: bytes) -> int:
    for line in request.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


@contextlib.asynccontextmanager
async def sink(path: Path) -> AsyncIterator[None]:
    """Take captures, give no credit and answer nothing: every capture piles up in Envoy."""
    connections = _Connections()
    server = await asyncio.start_unix_server(connections.kept(_swallow), str(path))
    try:
        yield
    finally:
        server.close()
        await connections.end()


async def _swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_HTTP2_SETTINGS + _HTTP2_CREDIT)
    while await reader.read(65536):
        pass
