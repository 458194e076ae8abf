"""Middleware: kept to what every request needs."""

import re
import time
import uuid
from collections.abc import Awaitable, Callable

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from controlplane.measures import observe_request

GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(request: HttpRequest) -> str:
    """Return the id that answers, logs and ledger entries of this request share."""
    return str(getattr(request, "request_id", ""))


def _begin(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-Id", "")
    rid = given if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
    request.request_id = rid  # type: ignore[attr-defined]  # read back by request_id() only
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=rid)
    return rid


def _measure(request: HttpRequest, response: HttpResponse, begun: float) -> None:
    match = request.resolver_match
    route = match.route if match else None
    seconds = time.perf_counter() - begun
    observe_request(request.method or "", route, response.status_code, seconds)


@sync_and_async_middleware
def RequestIdMiddleware(  # noqa: N802  # named like the classes it stands among in MIDDLEWARE
    get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]],
) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    """Give each request an id (the caller's X-Request-Id if harmless) and answer with it."""
    from inspect import iscoroutinefunction

    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            begun, rid = time.perf_counter(), _begin(request)
            response: HttpResponse = await get_response(request)
            response["X-Request-Id"] = rid
            _measure(request, response, begun)
            return response

        return middleware

    def sync_middleware(request: HttpRequest) -> HttpResponse:
        begun, rid = time.perf_counter(), _begin(request)
        response = get_response(request)
        response["X-Request-Id"] = rid  # type: ignore[index]  # sync branch: never awaitable
        _measure(request, response, begun)  # type: ignore[arg-type]  # as above
        return response  # type: ignore[return-value]

    return sync_middleware
