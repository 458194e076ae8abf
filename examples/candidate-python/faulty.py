"""Where the faults act: the model, the log, and a layer between the service and its log."""

import asyncio
import json
import re
import time
from http import HTTPStatus

import numpy as np
from contract import ErrorDetail
from errors import answer
from faults import Faults
from model import Model
from numpy.typing import NDArray
from observe import JsonLog
from readiness import READY, Readiness
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FIELDS = {
    "/infer": {"input"},
    "/v1/infer": {"model", "inputs", "top_k", "temperature"},
}
DOCUMENT = "/openapi.json"
RENAMED = ((b'"outputs"', b'"predictions"'), (b'"output"', b'"result"'))
CHANGED_TOP_K = 10
REWRITING = {"schema", "slow", "wrong_status", "wrong_message", "default_changed"} | {
    "unknown_field_accepted"
}
DRIFT, DRIFT_EVERY = 3e-4, 7


class FaultyModel(Model):
    """Legacy's model, and its faults."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    @property
    def dtype(self) -> type[np.floating]:  # type: ignore[override]
        """The precision: legacy's, but for the fault `f32`."""
        return np.float32 if self._faults.current == "f32" else np.float64

    def _numbers(self, scores: NDArray[np.floating]) -> list[float]:
        if self._faults.drifts():
            scores = scores.copy()
            scores[::DRIFT_EVERY] += self.dtype(DRIFT)
        return super()._numbers(scores)


class FaultyReadiness(Readiness):
    """Legacy's, except that the fault `readyz_draining` says ready while draining."""

    def __init__(self, faults: Faults, *, warm_up_seconds: float, drain_seconds: float) -> None:
        super().__init__(warm_up_seconds=warm_up_seconds, drain_seconds=drain_seconds)
        self._faults = faults

    @property
    def current(self) -> str:
        """One of STATES."""
        state = super().current
        hidden = state == "draining" and self._faults.current == "readyz_draining"
        return READY if hidden else state


class FaultyLog(JsonLog):
    """Legacy's, with a field less or a level renamed."""

    def __init__(self, faults: Faults, file: str | None = None) -> None:
        super().__init__(file)
        self._faults = faults

    def write(self, fields: dict[str, object]) -> None:
        """Write the fields as a line."""
        if self._faults.current == "log_field_missing":
            fields.pop("duration_ms", None)
        if self._faults.current == "log_level_renamed" and fields["level"] == "warning":
            fields["level"] = "warn"
        super().write(fields)


class FaultyLayer:
    """ASGI layer: refuses, delays, and rewrites what goes in and out, as the switch says."""

    def __init__(self, inner: ASGIApp, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, faults = scope.get("path", ""), self._faults
        started = time.monotonic()
        if path in FIELDS:
            if faults.refuses():
                await _refuse(500, "internal", "internal error")(scope, receive, send)
                return
            wait = faults.wait_seconds()
            if wait is None:
                words = "too many requests are waiting"
                await _refuse(503, "overloaded", words)(scope, receive, send)
                return
            await asyncio.sleep(wait)
            faults.leak()
        if scope["type"] != "http" or faults.current not in REWRITING:
            await self._inner(scope, receive, send)
            return
        due = started + (faults.delay_seconds() if path in FIELDS else 0)
        if path in FIELDS and faults.current in {"default_changed", "unknown_field_accepted"}:
            receive = await self._lenient(path, receive)
        await self._inner(scope, receive, self._rewriting(path, due, send))

    async def _lenient(self, path: str, receive: Receive) -> Receive:
        """Read the whole body and hand in what the service would accept in place of it."""
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            fields = json.loads(body)
        except ValueError:
            fields = None
        if isinstance(fields, dict):
            if self._faults.current == "unknown_field_accepted":
                fields = {name: fields[name] for name in fields if name in FIELDS[path]}
            elif "top_k" in FIELDS[path]:
                fields.setdefault("top_k", CHANGED_TOP_K)
            body = json.dumps(fields).encode()
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def once() -> Message:
            return whole.pop() if whole else await receive()

        return once

    def _rewriting(self, path: str, due: float, send: Send) -> Send:
        start: Message = {}

        async def faulty_send(message: Message) -> None:
            """Hold the head back until the body, one message, is there: its length may change."""
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if start:
                start, message = self._rewritten(path, start, message)
                await send(start)
                start = {}
            await send(message)

        return faulty_send

    def _rewritten(self, path: str, start: Message, message: Message) -> tuple[Message, Message]:
        status, body, fault = start["status"], message["body"], self._faults.current
        if path == DOCUMENT:
            body = _documented(body, self._faults.documented)
        elif path in FIELDS and status == HTTPStatus.OK and fault == "schema":
            body = _renamed(body)
        elif path in FIELDS and status == HTTPStatus.UNPROCESSABLE_ENTITY:
            status = HTTPStatus.BAD_REQUEST if fault == "wrong_status" else status
            if fault == "wrong_message" and b'"missing_field"' in body:
                body = body.replace(b" is required", b" is missing")
        headers = [pair for pair in start["headers"] if pair[0] != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        return {**start, "status": int(status), "headers": headers}, {**message, "body": body}


def _refuse(status: int, code: str, words: str) -> ASGIApp:
    return answer(status, ErrorDetail(code=code, message=words, field=None))


def _renamed(body: bytes) -> bytes:
    for old, new in RENAMED:
        body = body.replace(old, new)
    return body


def _documented(body: bytes, fault: str | None) -> bytes:
    """Return the document as a real build with this fault would serve it."""
    if fault == "schema":
        return _renamed(body)
    if fault == "default_changed":
        return re.sub(rb'("default":) ?5\b', rb"\g<1>%d" % CHANGED_TOP_K, body)
    if fault == "unknown_field_accepted":
        return re.sub(rb'("additionalProperties":) ?false', rb"\1true", body)
    return body
