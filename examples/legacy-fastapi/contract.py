"""What the service accepts and answers: the schemas, and their limits in numbers.

`README.md` beside this file says the same in words. A replacement is held to both.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, FailFast, Field

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Larger bodies are refused with 413 before they are parsed."""

MAX_VALUES = 100_000
MAX_MAGNITUDE = 1e9

Value = Annotated[float, Field(ge=-MAX_MAGNITUDE, le=MAX_MAGNITUDE)]
Values = Annotated[list[Value], Field(min_length=1, max_length=MAX_VALUES), FailFast()]


class Strict(BaseModel):
    """JSON types are taken as they are: no numbers in strings, no bools as numbers, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class TransformRequest(Strict):
    """Body of `POST /infer`."""

    input: Values


class TransformResponse(BaseModel):
    """`output[i] = input[i] * 2 + 0.1`."""

    output: list[float]


class InferRequest(Strict):
    """Body of `POST /v1/infer`."""

    model: Annotated[str, Field(min_length=1, max_length=64)]
    inputs: Values
    top_k: Annotated[int, Field(ge=1, le=1000)] = 5
    temperature: Annotated[float, Field(ge=0.01, le=100)] = 1.0


class InferResponse(BaseModel):
    """`outputs`: the `top_k` largest of `(x * 2 + 0.1) / temperature`, largest first."""

    model: str
    outputs: list[float]
    latency_ms: float
    version: str


class Health(BaseModel):
    """Body of `/healthz`, and of `/readyz` while the service is ready."""

    status: str
    build: str


class Unready(Health):
    """Body of `/readyz` while it is not."""

    reason: str


class ErrorDetail(BaseModel):
    """`code` for programs, `message` for people, `field` says where (null: whole request)."""

    code: str
    message: str
    field: str | None


class ErrorBody(BaseModel):
    """Body of every answer from 400 up."""

    error: ErrorDetail
