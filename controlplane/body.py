"""Request bodies are bounded where they come in: Django would read an endless one to its end."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[..., Awaitable[None]]

# A little above what the views accept, so that their own refusals are heard where they can be.
MAX_BYTES = 1_114_112
MAX_REPORT_BYTES = 4_259_840
READ_SECONDS = 20.0


class _RefusedError(Exception):
    """The body is too large, or comes too slowly."""

    def __init__(self, status: HTTPStatus, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


class BoundedBody:
    """Wraps an ASGI app: a body ends within MAX_BYTES (edge: MAX_REPORT_BYTES) and READ_SECONDS.

    A longer one is answered 413, a slower one 408, and the connection closed; of either no more is
    read. The app must read the whole body before it begins to answer, as Django does.
    """

    def __init__(self, app: App) -> None:
        """Nothing is read yet."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cap = MAX_REPORT_BYTES if scope["path"].startswith("/edge/") else MAX_BYTES
        try:
            if _declared(scope) > cap:
                raise _too_large(cap)
            await self._app(scope, _bounded(receive, cap), send)
        except _RefusedError as refused:
            await _refuse(send, refused)


def _declared(scope: Scope) -> int:
    """Return Content-Length; the server itself refuses one that is no number."""
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(values[0]) if values and values[0].isdigit() else 0


def _bounded(receive: Receive, cap: int) -> Receive:
    size, whole, ends = 0, False, time.monotonic() + READ_SECONDS

    async def bounded() -> Message:
        nonlocal size, whole
        if whole:  # what comes now is the end of the connection, for which an app may wait long
            return await receive()
        try:
            async with asyncio.timeout(ends - time.monotonic()):
                message = await receive()
        except TimeoutError:
            raise _too_slow() from None
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if size > cap:
            raise _too_large(cap)
        return message

    return bounded


def _too_large(cap: int) -> _RefusedError:
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return _RefusedError(status, "body_too_large", f"The body is larger than {cap} bytes.")


def _too_slow() -> _RefusedError:
    detail = f"The body did not arrive within {READ_SECONDS:g} s."
    return _RefusedError(HTTPStatus.REQUEST_TIMEOUT, "body_too_slow", detail)


async def _refuse(send: Send, refused: _RefusedError) -> None:
    request_id = uuid.uuid4().hex
    body = {
        "type": f"urn:banyan:problem:{refused.code}",
        "title": refused.status.phrase,
        "status": refused.status.value,
        "detail": refused.detail,
        "code": refused.code,
        "field": None,
        "request_id": request_id,
    }
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    start = {"type": "http.response.start", "status": refused.status.value, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
