"""One JSON line per request, with the same fields and types on both sides."""

import re

import pytest

from tests.examples.services import JSON, Service

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

ASKED = [
    ("POST", "/infer?secret=1", b'{"input":[1]}', 200, "info"),
    ("POST", "/v1/infer", b"{}", 422, "warning"),
    ("GET", "/nope", b"", 404, "warning"),
    ("DELETE", "/inf%65r", b"", 405, "warning"),
    ("GET", "/readyz", b"", 200, "info"),
]
FIELDS = {
    "ts": str,
    "level": str,
    "logger": str,
    "message": str,
    "method": str,
    "path": str,
    "status": int,
    "duration_ms": float,
    "request_id": str,
    "bytes_out": int,
    "build": str,
}


def test_lines_have_the_same_fields_types_and_values(legacy: Service, replacement: Service):
    for service in (legacy, replacement):
        for turn, (method, path, body, status, level) in enumerate(ASKED):
            name = f"log-{service.name}-{turn}"
            headers = {"content-type": JSON, "x-request-id": name}
            answer = service.send(method, path, body, headers=headers)
            line = service.log_line(name)
            assert {key: type(value) for key, value in line.items()} == FIELDS
            assert list(line) == list(FIELDS)
            assert (line["method"], line["path"]) == (method, path.partition("?")[0])
            assert (line["status"], line["level"]) == (status, level)
            assert line["bytes_out"] == len(answer.body)
            assert 0 <= line["duration_ms"] < 10_000
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["ts"])


def test_stdout_holds_nothing_but_access_lines(legacy: Service, replacement: Service):
    for service in (legacy, replacement):
        service.send("GET", "/healthz")
        assert all(line["logger"] == "access" for line in service.log_lines())
