"""A real service that misbehaves: the path begins with how, `/drip` or `/status-600`."""

import asyncio
import socket
import struct
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

Writer = asyncio.StreamWriter
MODES: dict[str, Callable[[Writer], Awaitable[None]]] = {}
JSON_OK = b'{"output":[2.1]}'
KIB, MIB = 1024, 1024 * 1024


def mode(name):
    def register(function):
        MODES[name] = function
        return function

    return register


def head(status="200 OK", *, length=None, kind="application/json", more=""):
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}"]
    if length is not None:
        lines.append(f"content-length: {length}")
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode()


def whole(body=JSON_OK, status="200 OK", **options):
    return head(status, length=len(body), **options) + body


def says(name, raw):
    @mode(name)
    async def answer(writer):
        writer.write(raw)
        await writer.drain()


def _bomb(mib):
    """Return a small gzip body of so many MiB of zeros."""
    packer = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(mib)) + packer.flush()


CHUNKED = "transfer-encoding: chunked\r\n"

says("ok", whole())
says("redirect", whole(b"", "302 Found", more="location: http://127.0.0.1:1/gone\r\n"))
says("html-as-json", whole(b"<html>All is well</html>"))
says("error-page-200", whole(b"<h1>Error 500</h1>", kind="text/html"))
says("wrong-charset", whole(b'{"a":"\xff\xfe"}', kind="application/json; charset=utf-8"))
says("nan", whole(b'{"output":[NaN]}'))
says("duplicate-keys", whole(b'{"output":[2.1],"output":[9]}'))
says("cut-in-chunk", head(more=CHUNKED) + b"400\r\n" + b"x" * 100)
says("length-too-long", head(length=1000) + JSON_OK)
says("length-too-short", head(length=5) + JSON_OK)
says("bad-gzip", whole(b"\x1f\x8b\x08 no gzip at all", more="content-encoding: gzip\r\n"))
says("bad-chunk-size", head(more=CHUNKED) + b"zz\r\nabc\r\n0\r\n\r\n")
says("status-99", whole(status="099 Odd"))
says("status-600", whole(status="600 Beyond"))
says("status-101", head("101 Switching Protocols") + b"anything")
says("gzip-bomb", whole(_bomb(17), more="content-encoding: gzip\r\n"))
says("chained-encodings", whole(JSON_OK, more="content-encoding: " + "gzip, " * 5 + "gzip\r\n"))
says("body-with-204", whole(status="204 No Content"))
says("garbage", b"\x00\x01\x02 what is this\r\n\r\n")
says("nul-in-header", b"HTTP/1.1 200 OK\r\nx-a: b\x00c\r\ncontent-length: 0\r\n\r\n")
says("many-headers", head(length=0, more="".join(f"x-{n}: 1\r\n" for n in range(100_000))))
says("many-cookies", head(length=0, more="set-cookie: a=b; path=/\r\n" * 10_000))
says("closes-at-once", b"")


@mode("drip")
async def drip(writer):
    writer.write(head(length=1000))
    await _for_ever(writer, b"x", 0.02)


@mode("silence")
async def silence(writer):
    await asyncio.sleep(3600)


@mode("endless-headers")
async def endless_headers(writer):
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await _for_ever(writer, b"x-more: 1\r\n", 0.01)


@mode("endless-chunks")
async def endless_chunks(writer):
    writer.write(head(more=CHUNKED))
    await _for_ever(writer, b"10000\r\n" + b"x" * 65_536 + b"\r\n", 0)


@mode("gigabyte")
async def gigabyte(writer):
    writer.write(head(length=2**30))
    await _for_ever(writer, b"x" * 65_536, 0)


@mode("flood-of-1xx")
async def flood(writer):
    await _for_ever(writer, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100, 0.005)


@mode("reset")
async def reset(writer):
    writer.write(head(length=1000) + b"half")
    await writer.drain()
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _for_ever(writer, piece, pause):
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)


async def _serve(reader, writer):
    try:
        first = await reader.readexactly(1)
        if first == b"\x16":  # a TLS handshake
            writer.write(whole(status="400 Bad Request"))
            return
        request = first + await reader.readuntil(b"\r\n\r\n")
        name = request.split(b" ", 2)[1].partition(b"?")[0].strip(b"/").split(b"/")[0].decode()
        await MODES[name](writer)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


@contextmanager
def misbehaving() -> Iterator[str]:
    """Run the service in a thread; yields its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made = asyncio.run_coroutine_threadsafe(asyncio.start_server(_serve, "127.0.0.1", 0), loop)
    server = made.result()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server):
    server.close()
    others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
