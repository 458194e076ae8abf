"""What surrounds every request: build id, request id, access log line, metrics."""

import json
import sys
import time
import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, TextIO

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KNOWN_PATHS = frozenset({"/infer", "/v1/infer", "/healthz", "/readyz", "/metrics", "/openapi.json"})
"""Anything else is counted as `other`: a scanner must not be able to grow the metrics."""

REQUEST_ID_BYTES = 128
"""A caller's id longer than this is replaced, not logged."""

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The service's own registry, so that two services in one process don't collide."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        labels = ("method", "path", "status")
        self.requests = Counter(
            "http_requests", "Requests answered.", labels, registry=self.registry
        )
        self.duration = Histogram(
            "http_request_duration_seconds",
            "Time from the first byte of the request to the last of the answer.",
            ("path",),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def record(self, *, method: str, path: str, status: int, seconds: float) -> None:
        known = path if path in KNOWN_PATHS else "other"
        self.requests.labels(method, known, str(status)).inc()
        self.duration.labels(known).observe(seconds)


class Log(Protocol):
    """Takes one line at a time."""

    def write(self, fields: dict[str, object]) -> None:
        """Write the fields as a line."""


class JsonLog:
    """One line of JSON on stdout, and in a file when one is named."""

    def __init__(self, file: str | None = None) -> None:
        self._outputs: list[TextIO] = [sys.stdout]
        if file:
            self._outputs.append(Path(file).open("a", encoding="utf-8"))  # noqa: SIM115

    def write(self, fields: dict[str, object]) -> None:
        line = json.dumps(fields, separators=(",", ":")) + "\n"
        for output in self._outputs:
            output.write(line)
            output.flush()


class Observed:
    """ASGI wrapper: adds `x-build-id` and `x-request-id` to each answer, logs and counts it."""

    def __init__(self, inner: ASGIApp, *, build_id: str, metrics: Metrics, log: Log) -> None:
        self._inner = inner
        self._build_id = build_id
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        status, sent = 500, 0

        async def observed_send(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                headers.append((b"x-build-id", self._build_id.encode("latin-1")))
                headers.append((b"x-request-id", request_id))
                message = {**message, "headers": headers}
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._inner(scope, receive, observed_send)
        finally:
            seconds = time.perf_counter() - started
            line = {
                "method": scope["method"],
                "path": scope["raw_path"].decode("latin-1"),
                "status": status,
                "duration_ms": round(seconds * 1000, 3),
                "request_id": request_id.decode("latin-1"),
                "bytes_out": sent,
                "build": self._build_id,
            }
            self._write(status, line)
            self._metrics.record(
                method=scope["method"], path=scope["path"], status=status, seconds=seconds
            )

    def _write(self, status: int, line: dict[str, object]) -> None:
        now = datetime.fromtimestamp(time.time(), tz=UTC)
        stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        whole = {"ts": stamp, "level": _level(status), "logger": "access", "message": "request"}
        self._log.write(whole | line)


def _level(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "error"
    return "warning" if status >= HTTPStatus.BAD_REQUEST else "info"


def _request_id(scope: Scope) -> bytes:
    """Take the caller's id, so that one id names the request in every log; else make one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and 0 < len(value) <= REQUEST_ID_BYTES:
            return bytes(value)
    return str(uuid.uuid4()).encode()
