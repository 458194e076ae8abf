"""Where the faults act: in the model, and in a layer between the service and its access log."""

import asyncio
import time
from http import HTTPStatus

import numpy as np
from contract import ErrorDetail
from errors import answer
from faults import Faults
from model import Model
from numpy.typing import NDArray
from starlette.types import ASGIApp, Message, Receive, Scope, Send

INFERENCE = frozenset({"/infer", "/v1/infer"})
RENAMED = ((b'"outputs"', b'"predictions"'), (b'"output"', b'"result"'))
DRIFT, DRIFT_EVERY = 3e-4, 7


class SingleModel(Model):
    """Legacy's model in float32, as the Rust candidate computes it."""

    dtype = np.float32

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def _numbers(self, scores: NDArray[np.floating]) -> list[float]:
        if self._faults.drifts():
            scores = scores.copy()
            scores[::DRIFT_EVERY] += self.dtype(DRIFT)
        return super()._numbers(scores)


class FaultyLayer:
    """ASGI layer: refuses, delays or renames, as the switch says."""

    def __init__(self, inner: ASGIApp, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path in INFERENCE and self._faults.refuses():
            detail = ErrorDetail(code="internal", message="internal error", field=None)
            await answer(500, detail)(scope, receive, send)
            return
        due = time.monotonic() + (self._faults.delay_seconds() if path in INFERENCE else 0)
        start: Message = {}

        async def faulty_send(message: Message) -> None:
            """Hold the head back until the body, one message, is there: its length may change."""
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if start and self._renames(path, start["status"]):
                start, message = _renamed(start, message)
            if start:
                await send(start)
                start = {}
            await send(message)

        plain = scope["type"] != "http" or self._faults.current not in {"slow", "schema"}
        await self._inner(scope, receive, send if plain else faulty_send)

    def _renames(self, path: str, status: int) -> bool:
        said = path in INFERENCE or path == "/openapi.json"
        return self._faults.renames() and said and status == HTTPStatus.OK


def _renamed(start: Message, message: Message) -> tuple[Message, Message]:
    body = message["body"]
    for old, new in RENAMED:
        body = body.replace(old, new)
    headers = [pair for pair in start["headers"] if pair[0] != b"content-length"]
    headers.append((b"content-length", str(len(body)).encode()))
    return {**start, "headers": headers}, {**message, "body": body}
