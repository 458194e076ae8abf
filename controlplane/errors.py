"""The one error shape: application/problem+json, for REST and for what Django itself refuses."""

from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from controlplane.middleware import request_id
from rollout.exceptions import RefusalError

log = structlog.get_logger(__name__)
CONTENT_TYPE = "application/problem+json"
# The framework's words for a number outside its bounds, and ours, which the parser uses as well.
CODES = {"min_value": "range", "max_value": "range", "max_string_length": "range"}


def problem(
    request: HttpRequest,
    *,
    status: int,
    code: str,
    detail: str,
    field: str | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """Return a refusal's body; `extra` holds facts for machines, such as the current version."""
    return {
        "type": f"urn:banyan:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "field": field,
        "request_id": request_id(request),
        **extra,
    }


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a REST view raises into the one shape; unknown exceptions stay exceptions (500)."""
    request = context["request"]._request  # noqa: SLF001  # DRF wraps Django's request
    parts = _parts(exc)
    if parts is None:
        return None
    set_rollback()
    body = problem(request, **parts)
    response = Response(body, status=body["status"], content_type=CONTENT_TYPE)
    if body["status"] == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    if body["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = "2"
    if body["status"] in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        log.warning("refused", status=body["status"], code=body["code"], path=request.path)
    return response


def _parts(exc: Exception) -> dict[str, Any] | None:  # noqa: PLR0911  # one per kind of refusal
    if isinstance(exc, RefusalError):
        return {
            "status": exc.status,
            "code": exc.code,
            "detail": exc.detail,
            "field": exc.field,
            **exc.extra,
        }
    if isinstance(exc, exceptions.ValidationError):
        field, detail, code = first_error(exc.get_full_details())
        return {"status": 400, "code": code, "detail": detail, "field": field}
    if isinstance(exc, exceptions.APIException):
        codes = exc.get_codes()
        return {
            "status": exc.status_code,
            "code": codes if isinstance(codes, str) else "refused",
            "detail": str(exc.detail),
            "field": getattr(exc, "field", None),
        }
    if isinstance(exc, Http404):
        return {"status": 404, "code": "not_found", "detail": "There is nothing here."}
    if isinstance(exc, PermissionDenied):
        return {"status": 403, "code": "forbidden", "detail": "Your role does not allow this."}
    if isinstance(exc, OperationalError):
        return {
            "status": 503,
            "code": "database_busy",
            "detail": "The database did not answer in time. Nothing was changed; try again.",
        }
    return None


def first_error(details: Any, path: str = "") -> tuple[str | None, str, str]:
    """Return (field, sentence, code) of the first error in DRF's nested details."""
    if isinstance(details, list):
        return first_error(details[0], path) if details else (path or None, "Invalid.", "invalid")
    if isinstance(details, dict) and {"message", "code"} <= details.keys():
        code = str(details["code"])
        return path or None, str(details["message"]), CODES.get(code, code)
    if isinstance(details, dict) and details:
        key, inner = next(iter(details.items()))
        name = "" if key == "non_field_errors" else str(key)
        return first_error(inner, ".".join(part for part in (path, name) if part))
    return path or None, str(details), "invalid"


def wants_problem(request: HttpRequest) -> bool:
    """Machines read problem+json; people read pages."""
    return request.path.startswith(("/api/", "/edge/"))


def _answer(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if wants_problem(request):
        body = problem(request, status=status, code=code, detail=detail)
        return JsonResponse(body, status=status, content_type=CONTENT_TYPE)
    return render(request, f"{status}.html", {"request_id": request_id(request)}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400."""
    return _answer(request, 400, "bad_request", "The request could not be read.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    return _answer(request, 403, "forbidden", "Your role does not allow this.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404."""
    return _answer(request, 404, "not_found", "There is nothing here.")


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500."""
    return _answer(request, 500, "internal", "Banyan failed. Nothing was half-done.")
