"""Health, metrics and the OpenAPI document mean the same on both sides."""

import re
from typing import Any

import pytest

from tests.examples.services import Service

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

BUILDS = {
    "legacy": "legacy-2.41.3",
    "candidate": "candidate-0.9.2",
    "standin": "python-stand-in-0.9.2",
}
COUNTED = {
    'http_requests_total{method="POST",path="/infer",status="200"}',
    'http_requests_total{method="GET",path="other",status="404"}',
    "process_resident_memory_bytes",
}
WORDS_ONLY = {"title", "description", "summary", "operationId", "info", "openapi"}


@pytest.mark.parametrize(("path", "status"), [("/healthz", "ok"), ("/readyz", "ready")])
def test_health_differs_only_in_the_build(
    legacy: Service, replacement: Service, path: str, status: str
):
    for service in (legacy, replacement):
        answer = service.send("GET", path)
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert answer.json() == {"status": status, "build": BUILDS[service.name]}


def test_every_answer_carries_the_build_and_the_request_id(legacy: Service, replacement: Service):
    asked = [("POST", "/infer", b'{"input":[1]}'), ("POST", "/infer", b""), ("GET", "/nope", b"")]
    for service in (legacy, replacement):
        for method, path, body in asked:
            headers = {"x-request-id": "id-1", "content-type": "application/json"}
            answer = service.send(method, path, body, headers=headers)
            assert answer.headers["x-build-id"] == BUILDS[service.name]
            assert answer.headers["x-request-id"] == "id-1"


def test_a_request_without_an_id_gets_one(legacy: Service, replacement: Service):
    for service in (legacy, replacement):
        first, second = (service.send("GET", "/healthz").headers["x-request-id"] for _ in "ab")
        assert len(first) == len(second) == 36
        assert first != second


def test_version_is_the_build(legacy: Service, replacement: Service):
    for service in (legacy, replacement):
        answer = service.post("/v1/infer", {"model": "m", "inputs": [1, 2]}).json()
        assert answer["version"] == BUILDS[service.name]
        assert answer["latency_ms"] >= 0


def test_metrics_have_the_same_names_and_labels(legacy: Service, replacement: Service):
    for service in (legacy, replacement):
        service.post("/infer", {"input": [1]})
        service.send("GET", "/somewhere")
    mine, other = (samples(service) for service in (replacement, legacy))
    assert mine == other
    assert len(mine) == len(COUNTED) + 13 + 2  # buckets, count and sum of the duration


def samples(service: Service) -> set[str]:
    answer = service.send("GET", "/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.body.decode().splitlines()
    names = {line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")}
    durations = {name for name in names if re.match(r"http_req.*_seconds.*/infer", name)}
    return {name for name in durations if "/v1" not in name} | (names & COUNTED)


def test_the_documents_mean_the_same(legacy: Service, replacement: Service):
    mine, other = (service.send("GET", "/openapi.json").json() for service in (replacement, legacy))
    assert meaning(mine["paths"], mine) == meaning(other["paths"], other)


def meaning(node: Any, document: dict[str, Any]) -> Any:
    """Resolve references and drop what is only words."""
    if isinstance(node, list):
        return [meaning(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return meaning(target, document)
    if node.get("type") == ["string", "null"]:
        return {"anyOf": [{"type": "string"}, {"type": "null"}]}
    kept = {name: value for name, value in node.items() if name not in WORDS_ONLY}
    return {name: meaning(value, document) for name, value in kept.items()}
