"""The application factory: routes in, one ASGI application out."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import errors
from contract import (
    MAX_BODY_BYTES,
    ErrorBody,
    Health,
    InferRequest,
    InferResponse,
    TransformRequest,
    TransformResponse,
    Unready,
)
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from model import Model
from observe import Log, Metrics, Observed
from prometheus_client import generate_latest
from pydantic import BaseModel, ValidationError
from readiness import READY, REASONS, Readiness
from starlette.types import ASGIApp

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DRAIN_BYTES = 16 * MAX_BODY_BYTES
"""So much of a too large body is read and dropped: who still writes can't read an answer."""

Body = TypeVar("Body", bound=BaseModel)


def create_app(
    *,
    build_id: str,
    readiness: Readiness,
    model: Model | None = None,
    inside: Callable[[ASGIApp], ASGIApp] | None = None,
    log: Log,
) -> ASGIApp:
    """Build the service; `inside` may put another ASGI layer between it and the access log."""
    metrics = Metrics()
    model = model or Model()

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        model.transform([0.0])  # pays numpy's first-call cost before the first user
        readiness.start()
        yield

    api = FastAPI(
        title="Inference service",
        version="1.0.0",
        openapi_url=None,  # FastAPI's own route would also take HEAD; ours is below
        redirect_slashes=False,
        lifespan=lifespan,
    )
    errors.install(api)
    _add_inference(api, model, build_id)

    @api.get("/healthz", response_model=Health)
    async def healthz() -> Health:
        return Health(status="ok", build=build_id)

    @api.get("/readyz", response_model=Health, responses={503: {"model": Unready}})
    async def readyz() -> Response:
        state = readiness.current
        if state == READY:
            return JSONResponse(Health(status=state, build=build_id).model_dump())
        body = Unready(status=state, build=build_id, reason=REASONS[state])
        return JSONResponse(body.model_dump(), 503)

    @api.get("/openapi.json", response_model=None, include_in_schema=False)
    async def document() -> dict[str, Any]:
        return api.openapi()

    @api.get("/metrics", response_class=Response, include_in_schema=False)
    async def metrics_text() -> Response:
        return Response(generate_latest(metrics.registry), headers={"content-type": METRICS_TYPE})

    whole = inside(api) if inside else api
    return Observed(whole, build_id=build_id, metrics=metrics, log=log)


def _add_inference(api: FastAPI, model: Model, build_id: str) -> None:
    @api.post("/infer", **_documented(TransformRequest, TransformResponse))
    async def transform(
        body: Annotated[TransformRequest, Depends(_json(TransformRequest))],
    ) -> Response:
        output = model.transform(body.input)
        return _json_response(TransformResponse.model_construct(output=output))

    @api.post("/v1/infer", **_documented(InferRequest, InferResponse))
    async def infer(body: Annotated[InferRequest, Depends(_json(InferRequest))]) -> Response:
        started = time.perf_counter()
        outputs = model.infer(body.inputs, top_k=body.top_k, temperature=body.temperature)
        latency_ms = round((time.perf_counter() - started) * 1000, 3)
        return _json_response(
            InferResponse.model_construct(
                model=body.model, outputs=outputs, latency_ms=latency_ms, version=build_id
            )
        )


def _json(schema: type[Body]) -> Callable[[Request], Any]:
    """Dependency: the request's body as `schema`, or a refusal in the service's error shape.

    The raw bytes go straight to pydantic. FastAPI's own way (json.loads, then validate) would
    also take UTF-16, NaN literals and a byte order mark, and takes three times as long.
    """

    async def parse(request: Request) -> Body:
        kind = request.headers.get("content-type", "").partition(";")[0].strip(" \t").lower()
        if kind != "application/json":
            raise errors.unsupported_media_type()
        raw = await _limited_body(request)
        try:
            return schema.model_validate_json(raw)
        except ValidationError as error:
            raise errors.from_validation(error) from error

    return parse


async def _limited_body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif size > DRAIN_BYTES:
            break
    if size > MAX_BODY_BYTES:
        raise errors.body_too_large()
    return b"".join(chunks)


def _documented(request: type[BaseModel], response: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI entry of a route that reads its body by hand."""
    return {
        "response_model": response,
        "responses": {status: {"model": ErrorBody} for status in (413, 415, 422)},
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": request.model_json_schema()}},
            }
        },
    }


def _json_response(body: BaseModel) -> Response:
    return Response(body.__pydantic_serializer__.to_json(body), media_type="application/json")
