"""The one place where Banyan builds HTTP clients: total deadlines, no redirects, bounded bodies.

Whatever a service does, the caller gets a whole answer or one with a named error, in time:

| error | what happened |
|---|---|
| `timeout` | no whole answer within the deadline, however it was spent |
| `connection_refused`, `unknown_host`, `tls_error` | no connection |
| `connection_reset`, `no_answer`, `truncated` | it ended: mid-way, before or within the answer |
| `headers_too_large`, `body_too_large` | more than is read; of the body, what was read is kept |
| `protocol_error` | not HTTP: status outside 200 to 599, a body where none may be, garbage |
| `bad_request` | our own request cannot be put on the wire |

Bodies come as they were on the wire, still encoded: decoding has caps of its own, elsewhere.
"""

import asyncio
import atexit
import os
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import httpx

DEADLINE_SECONDS = 3.0
CONNECT_SECONDS = 1.0
MAX_BODY_BYTES = 65_536
AT_ONCE = 8
STATUSES = range(200, 600)
BODILESS = frozenset({204, 304})
# Told apart by the words of the library underneath; what has no words here is a protocol error.
_PROTOCOL_WORDS = (
    ("without sending complete message body", "truncated"),
    ("without sending a response", "no_answer"),
    ("too long", "headers_too_large"),
)
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What goes on the wire: `path` exactly as it stands, query included; any body."""

    method: str
    address: str
    path: str
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: names of headers in lower case; status 0 when there was no answer."""

    status: int
    headers: Headers
    body: bytes
    duration_us: int
    error: str = ""

    def header(self, name: str) -> str:
        """Return the first value of a header, "" without one."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one GET brought: status 0 and `error` when there was no whole answer in time."""

    status: int
    headers: dict[str, str]
    body: bytes
    duration_us: int
    error: str = ""


def fetch(url: str, *, deadline_s: float = DEADLINE_SECONDS) -> Fetched:
    """GET one address within a total deadline; every failure is a Fetched with a named error."""
    return fetch_all([url], deadline_s=deadline_s)[0]


def fetch_all(urls: list[str], *, deadline_s: float = DEADLINE_SECONDS) -> list[Fetched]:
    """GET several addresses at once, each within the deadline, in the order given."""
    asked = [Request("GET", *_split(url)) for url in urls]
    replies = send_all(asked, deadline_s=deadline_s, at_once=max(len(asked), 1))
    return [
        Fetched(r.status, dict(reversed(r.headers)), r.body, r.duration_us, r.error)
        for r in replies
    ]


def _split(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}", f"{slash}{path}" or "/"


def send_all(
    requests: Sequence[Request],
    *,
    deadline_s: float = DEADLINE_SECONDS,
    max_body_bytes: int = MAX_BODY_BYTES,
    at_once: int = AT_ONCE,
) -> list[Reply]:
    """Send requests, `at_once` together, each within its own total deadline; replies in order."""
    sending = _send_all(requests, deadline_s, max_body_bytes, asyncio.Semaphore(at_once))
    future: Future[list[Reply]] = asyncio.run_coroutine_threadsafe(sending, _runner().loop)
    return future.result()


class _Runner:
    """The event loop and the client of this process, in a thread of their own."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="http", daemon=True)
        self._thread.start()
        # No connection is kept: one that a service has closed meanwhile would look like its
        # failure, and bytes after an answer would be taken for the next one.
        self.client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        atexit.register(self.close)

    def close(self) -> None:
        """End the thread, in the process that began it."""
        if self.pid == os.getpid() and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout=2)
            if not self.loop.is_running():
                self.loop.close()


_lock = threading.Lock()
# Of a process before a fork the last one stays: its loop is not ours to close.
_runners: list[_Runner] = []


def _runner() -> _Runner:
    with _lock:
        if not _runners or _runners[-1].pid != os.getpid():
            _runners.append(_Runner())
        return _runners[-1]


async def _send_all(
    requests: Sequence[Request], deadline_s: float, cap: int, room: asyncio.Semaphore
) -> list[Reply]:
    async def one(request: Request) -> Reply:
        async with room:
            return await _send(request, deadline_s, cap)

    return list(await asyncio.gather(*(one(request) for request in requests)))


async def _send(request: Request, deadline_s: float, cap: int) -> Reply:
    started = time.perf_counter()
    status, body, error = 0, b"", ""
    headers: Headers = ()
    try:
        async with asyncio.timeout(deadline_s):
            status, headers, body, error = await _exchange(request, deadline_s, cap)
    except TimeoutError:
        error = "timeout"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
        error = _named(exc)
    return Reply(status, headers, body, int((time.perf_counter() - started) * 1e6), error)


async def _exchange(
    request: Request, deadline_s: float, cap: int
) -> tuple[int, Headers, bytes, str]:
    timeout = httpx.Timeout(deadline_s, connect=min(deadline_s, CONNECT_SECONDS))
    built = httpx.Request(
        request.method,
        request.address,
        headers=_sent_headers(request),
        content=request.body or None,
        extensions={"timeout": timeout.as_dict(), "target": request.path.encode()},
    )
    response = await _runner().client.send(built, stream=True)
    try:
        found = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in response.headers.raw
        )
        error = _wrong(response)
        if error:
            return 0, (), b"", error
        body, error = await _read(response, cap)
        return response.status_code, found, body, error
    finally:
        await response.aclose()


def _sent_headers(request: Request) -> list[tuple[bytes, bytes]]:
    """Return the headers as bytes; an answer's encoding is not asked for unless the caller does."""
    given = [(name.encode(), value.encode()) for name, value in request.headers]
    names = {name.lower() for name, _ in given}
    ours = ((b"accept-encoding", b"identity"), (b"user-agent", b"banyan"), (b"accept", b"*/*"))
    sent = [(name, value) for name, value in ours if name not in names] + given
    if not request.body and request.method in {"POST", "PUT", "PATCH"}:
        sent.append((b"content-length", b"0"))
    return sent


async def _read(response: httpx.Response, cap: int) -> tuple[bytes, str]:
    parts, size = [], 0
    async for chunk in response.aiter_raw():
        parts.append(chunk)
        size += len(chunk)
        if size > cap:
            return b"".join(parts)[:cap], "body_too_large"
    return b"".join(parts), ""


def _wrong(response: httpx.Response) -> str:
    """Return the error of an answer that HTTP does not allow."""
    if response.status_code not in STATUSES:
        return "protocol_error"
    has_body = response.headers.get("content-length", "0") != "0"
    has_body = has_body or "transfer-encoding" in response.headers
    return "protocol_error" if response.status_code in BODILESS and has_body else ""


def _named(exc: Exception) -> str:
    """Return the one word for what the library raised."""
    match exc:
        case httpx.TimeoutException():
            return "timeout"
        case httpx.ConnectError():
            return _connect_error(exc)
        case httpx.RemoteProtocolError():
            words = str(exc)
            return next((n for text, n in _PROTOCOL_WORDS if text in words), "protocol_error")
        case httpx.NetworkError():
            return "connection_reset"
        case httpx.LocalProtocolError() | httpx.InvalidURL() | ValueError():
            return "bad_request"
        case _:
            return "protocol_error"


def _connect_error(exc: BaseException) -> str:
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls_error"
        if isinstance(cause, socket.gaierror):
            return "unknown_host"
        cause = cause.__cause__ or cause.__context__
    return "connection_refused"
