"""The edge API: `GET /edge/v1/snapshot` (long poll) and `POST /edge/v1/report`."""

import json
import re
from collections.abc import Callable, Coroutine
from functools import wraps
from http import HTTPStatus
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from traffic import queries, services
from traffic.api.watch import watch
from traffic.exceptions import TrafficError
from traffic.models import Proxy
from traffic.reports import parse_report

MAX_WAIT_SECONDS = 25
MAX_REPORT_BYTES = 4_194_304

View = Callable[[HttpRequest, Proxy], Coroutine[Any, Any, HttpResponse]]
AsyncView = Callable[[HttpRequest], Coroutine[Any, Any, HttpResponse]]
NOBODY = "The proxy token is missing or unknown."
BUSY = "The database did not answer in time; ask again."
DIGITS = re.compile("[0-9]{1,19}")


def refuse(
    request: HttpRequest, status: int, code: str, detail: str, field: str | None = None
) -> HttpResponse:
    """Answer in the one error shape."""
    body = {
        "type": f"urn:banyan:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "field": field,
        "request_id": str(getattr(request, "request_id", "")),
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")


def only(method: str) -> Callable[[AsyncView], AsyncView]:
    """Answer every other method with 405."""

    def guard(view: AsyncView) -> AsyncView:
        @wraps(view)
        async def checked(request: HttpRequest) -> HttpResponse:
            if request.method != method:
                return refuse(request, 405, "method_not_allowed", f"This is for {method} alone.")
            return await view(request)

        return checked

    return guard


def for_proxy(view: View) -> AsyncView:
    """Give the view the proxy whose token was sent; all bad tokens get the same 401."""

    @wraps(view)
    async def checked(request: HttpRequest) -> HttpResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = None
        try:
            if scheme.lower() == "bearer" and token:
                known = await sync_to_async(queries.proxy_by_token_hash)(services.hash_token(token))
            if known is None:
                return refuse(
                    request, 401, "unauthenticated", "The proxy token is missing or unknown."
                )
            return await view(request, known)
        except TrafficError as exc:
            return refuse(request, exc.status, exc.code, str(exc), exc.field)
        except OperationalError:
            return refuse(
                request, 503, "database_busy", "The database did not answer in time; ask again."
            )

    return checked


@csrf_exempt
@only("GET")
@for_proxy
async def snapshot(request: HttpRequest, proxy: Proxy) -> HttpResponse:
    """Return the newest snapshot as soon as it differs from the one the proxy names, else 204."""
    lineage = request.GET.get("lineage", "")
    if lineage and lineage != proxy.group.lineage:
        return refuse(
            request,
            409,
            "unknown_lineage",
            f"This control plane's lineage is {proxy.group.lineage}.",
        )
    known = _whole_number(request.GET.get("generation"), default=0, high=2**62)
    wait = _whole_number(request.GET.get("wait"), default=0, high=MAX_WAIT_SECONDS)
    if known is None or wait is None:
        return refuse(
            request,
            400,
            "invalid",
            f"generation and wait are whole numbers, wait at most {MAX_WAIT_SECONDS}.",
        )
    newest = await watch.wait(group_id=proxy.group_id, generation=known, seconds=max(wait, 0.5))
    if newest is None or (lineage and newest == known):
        return HttpResponse(status=204)
    found = await sync_to_async(queries.snapshot)(group_id=proxy.group_id, generation=newest)
    return HttpResponse(
        orjson.dumps({**found.document, "proxy": proxy.name}), content_type="application/json"
    )


@csrf_exempt
@only("POST")
@for_proxy
async def report(request: HttpRequest, proxy: Proxy) -> HttpResponse:
    """Store a report; the answer names the sequence number the edge may forget.

    It names the newest generation too: an edge whose long poll died unheard learns of it here.
    """
    raw = request.read(MAX_REPORT_BYTES + 1)
    if len(raw) > MAX_REPORT_BYTES:
        detail = f"Split the report: at most {MAX_REPORT_BYTES} bytes."
        return refuse(request, 413, "report_too_large", detail)
    try:
        document = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return refuse(request, 400, "malformed_json", "The report is not JSON.")
    parsed = parse_report(document)
    sequence = await sync_to_async(services.record_report)(
        proxy=proxy, report=parsed, now=timezone.now()
    )
    return JsonResponse({"ack_seq": sequence, "generation": proxy.group.generation})


def _whole_number(text: str | None, *, default: int, high: int) -> int | None:
    if text is None:
        return default
    return int(text) if DIGITS.fullmatch(text) and int(text) <= high else None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
