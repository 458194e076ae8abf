"""Answers to "is this very child ready?": makers of async functions of the child's pid."""

import asyncio
import contextlib
import json
import socket
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from controlplane.stack.child import Probe
from controlplane.stack.proc import peer_pid, session_owns_port

TIMEOUT_SECONDS = 1.0
LARGEST_BODY_BYTES = 65_536
OK = 200
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def reachable(host: str) -> str:
    """Return the address to call for a listening host: a wildcard is called on loopback."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared


async def _ask(streams: Streams, host: str, path: str) -> tuple[int, bytes]:
    """Send one GET and return status and the body as it came (perhaps in chunks)."""
    reader, writer = streams
    try:
        # Not HTTP/1.0: Envoy answers that with 426.
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        raw = b""
        while len(raw) < LARGEST_BODY_BYTES and (part := await reader.read(LARGEST_BODY_BYTES)):
            raw += part
    finally:
        writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1] if head.startswith(b"HTTP/") else b"0"
    return int(status), body


async def http_get(host: str, port: int, path: str) -> tuple[int, bytes]:
    """GET over plain HTTP; (0, b"") when there is no answer within a second."""
    with contextlib.suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(TIMEOUT_SECONDS):
            streams = await asyncio.open_connection(reachable(host), port)
            return await _ask(streams, f"{host}:{port}", path)
    return 0, b""


def http_ready(host: str, port: int, path: str) -> Probe:
    """Ready when the path answers 200 and nobody but the child listens on the port."""

    async def probe(pid: int) -> bool:
        status, _ = await http_get(host, port, path)
        return status == OK and session_owns_port(pid, host, port)

    return probe


def http_ok(host: str, port: int, path: str) -> Probe:
    """Ready when the path answers 200, whoever serves it."""

    async def probe(_pid: int) -> bool:
        return (await http_get(host, port, path))[0] == OK

    return probe


def heartbeat_ready(host: str, port: int) -> Probe:
    """Ready when web reports a heartbeat (beat sent, a worker did it) younger than the child."""
    first_seen: dict[int, float] = {}

    async def probe(pid: int) -> bool:
        started = first_seen.setdefault(pid, time.monotonic())
        _, body = await http_get(host, port, "/readyz")
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return float(json.loads(body)["worker"]["age_s"]) < time.monotonic() - started
        return False

    return probe


def admin_ready(admin: Path, host: str, port: int) -> Probe:
    """Ready when Envoy's own admin socket says LIVE and its listener is the child's."""

    async def probe(pid: int) -> bool:
        with contextlib.suppress(OSError, TimeoutError, ValueError, IndexError):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_unix_connection(admin)
                connection: socket.socket = writer.get_extra_info("socket")
                owner = peer_pid(connection)
                status, body = await _ask((reader, writer), "admin", "/ready")
                live = status == OK and b"LIVE" in body
                return live and owner == pid and session_owns_port(pid, host, port)
        return False

    return probe


def file_ready(path: Path) -> Probe:
    """Ready when the file is there (it is removed before each start)."""

    async def probe(_pid: int) -> bool:
        return path.exists()

    return probe


async def alive(_pid: int) -> bool:
    """Ready as soon as it runs: for programs without anything to ask."""
    return True


def _command(*words: str) -> bytes:
    """Encode a Redis command."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts)


async def redis_ping(url: str) -> str:
    """PING a Redis by its URL; empty when it answers PONG, else what went wrong."""
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        return "its address is not redis://host:port or rediss://host:port"
    login = [unquote(word) for word in (parts.username, parts.password) if word]
    ask = (_command("AUTH", *login) if login else b"") + _command("PING")
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port or 6379, ssl=True if parts.scheme == "rediss" else None
            )
            try:
                writer.write(ask)
                answers = [await reader.readline() for _ in range(2 if login else 1)]
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        return str(error) or "no answer within a second"
    refused = [answer for answer in answers if not answer.startswith(b"+")]
    return refused[0].decode(errors="replace").strip() or "no answer" if refused else ""


def redis_ready(url: str) -> Probe:
    """Ready when it answers PONG with our password and the port is the child's."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 6379

    async def probe(pid: int) -> bool:
        return not await redis_ping(url) and session_owns_port(pid, host, port)

    return probe
