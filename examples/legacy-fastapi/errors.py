"""One error shape for everything the service refuses: `{"error": {code, message, field}}`.

Only the first problem is reported: fields in their declared order, then unknown fields in the
order in which they stand in the body.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from contract import MAX_BODY_BYTES, MAX_VALUES, ErrorBody, ErrorDetail
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

FIELD_NAME_CHARS = 64
"""An unknown field's name is repeated in the answer up to this many characters."""

_RANGES = {
    "input": "between -1000000000 and 1000000000",
    "inputs": "between -1000000000 and 1000000000",
    "top_k": "between 1 and 1000",
    "temperature": "between 0.01 and 100",
    "model": "1 to 64 characters long",
}
_RULES: dict[str, tuple[str, str]] = {
    "missing": ("missing_field", "is required"),
    "float_type": ("wrong_type", "must be a number"),
    "int_type": ("wrong_type", "must be an integer"),
    "string_type": ("wrong_type", "must be a string"),
    "list_type": ("wrong_type", "must be an array"),
    "finite_number": ("not_finite", "must be a finite number"),
    "too_short": ("too_few_values", "must hold at least 1 value"),
    "too_long": ("too_many_values", f"must hold at most {MAX_VALUES} values"),
    "extra_forbidden": ("unknown_field", "is not a known field"),
}
_OUT_OF_RANGE = frozenset(
    {"greater_than_equal", "less_than_equal", "string_too_short", "string_too_long"}
)


class RefusedError(Exception):
    """The request breaks the contract; carries the status and the body to answer with."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.detail = ErrorDetail(code=code, message=message, field=field)


def unsupported_media_type() -> RefusedError:
    return RefusedError(415, "unsupported_media_type", "content-type must be application/json")


def body_too_large() -> RefusedError:
    return RefusedError(413, "body_too_large", f"body must be at most {MAX_BODY_BYTES} bytes")


def from_validation(error: ValidationError) -> RefusedError:
    """Put pydantic's first complaint into this service's words."""
    first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
    kind: str = first["type"]
    if kind == "json_invalid":
        return RefusedError(422, "malformed_json", "body is not valid JSON")
    if not first["loc"]:
        return RefusedError(422, "wrong_type", "body must be a JSON object")
    root = str(first["loc"][0])
    field = root[:FIELD_NAME_CHARS] + "".join(f"[{index}]" for index in first["loc"][1:])
    if kind in _OUT_OF_RANGE:
        return RefusedError(422, "out_of_range", f"{field} must be {_RANGES[root]}", field)
    code, words = _RULES[kind]
    return RefusedError(422, code, f"{field} {words}", field)


def install(api: FastAPI) -> None:
    """Answer refusals, unknown paths, wrong methods and crashes in the one shape."""
    api.add_exception_handler(RefusedError, _on_refused)
    api.add_exception_handler(HTTPException, _on_http)
    api.add_exception_handler(Exception, _on_crash)


def answer(
    status: int, detail: ErrorDetail, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(ErrorBody(error=detail).model_dump(), status, headers)


async def _on_refused(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RefusedError):
        raise error
    return answer(error.status, error.detail)


async def _on_http(_request: Request, error: Exception) -> JSONResponse:
    """Starlette raises these for paths and methods that no route takes."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        words = f"only {allowed} is allowed here"
        detail = ErrorDetail(code="method_not_allowed", message=words, field=None)
        return answer(405, detail, error.headers)
    return answer(404, ErrorDetail(code="not_found", message="no such path", field=None))


async def _on_crash(_request: Request, _error: Exception) -> JSONResponse:
    return answer(500, ErrorDetail(code="internal", message="internal error", field=None))
