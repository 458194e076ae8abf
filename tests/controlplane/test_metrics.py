"""What Banyan measures of itself: complete in the reference, bounded, of every process."""

import re
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import pytest
from celery.worker.request import Request as CeleryRequest
from django.utils import timezone

from controlplane import measures
from controlplane.metrics import REGISTRY
from controlplane.tasks import beat_heartbeat
from rollout import gates, services
from shadow.models import StreamCursor
from tests.rollout.builders import NOW, fresh, ready_for_canary
from traffic.edge import metrics as edge

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
STATUS = SimpleNamespace(state=SimpleNamespace(position=None, applied=True, hold=None))


def names(registry):
    """Return the names that a query uses; a histogram by its base name."""
    found = set()
    for family in registry.collect():
        if family.name.startswith("banyan_"):
            total = family.type == "counter"
            found.add(f"{family.name}_total" if total else family.name)
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def living(db):
    made = ready_for_canary()
    services.note_evaluations(migration=fresh(made), results=gates.evaluate(made, now=NOW), now=NOW)
    beat_heartbeat()
    StreamCursor.objects.update_or_create(
        stream="banyan:pairs", defaults={"read_at": timezone.now()}
    )
    return made


def test_the_reference_lists_exactly_what_is_exported(living):
    documented = set(re.findall(r"^\| `(banyan_\w+)`", REFERENCE.read_text(), re.MULTILINE))
    collector = edge.StatusCollector(lambda: STATUS)
    of_edge = {family.name for family in collector.collect()} | names(edge.REGISTRY)
    assert documented == names(REGISTRY) | names(measures.OWN) | of_edge


@pytest.mark.django_db
def test_requests_are_measured_by_pattern_never_by_what_was_asked(client):
    client.get("/healthz")
    for path in ("/nothing-17", "/nothing-18"):
        client.get(path)
    client.generic("BREW", "/healthz")
    text = client.get("/metrics").content.decode()
    assert 'banyan_http_request_seconds_count{method="GET",route="healthz",status="2xx"}' in text
    assert 'method="GET",route="none",status="4xx"' in text
    assert "nothing-17" not in text
    assert "BREW" not in text


def test_a_gates_verdict_age_and_the_decisions_are_told(living, client):
    text = client.get("/metrics").content.decode()
    assert 'banyan_gate_verdict{gate="split",migration="embeddings",verdict="PASS"} 1.0' in text
    assert 'banyan_gate_age_seconds{gate="split",migration="embeddings"}' in text
    assert 'banyan_decisions_total{action="start",actor_kind="user"} 1.0' in text
    assert 'banyan_proxy_generation_lag{proxy="edge-1"} 0.0' in text


@pytest.mark.enable_socket
def test_a_worker_serves_how_long_tasks_took(monkeypatch):
    monkeypatch.setattr(CeleryRequest, "acknowledge", lambda *args: None)
    request = object.__new__(measures.MeasuredRequest)
    monkeypatch.setattr(measures.MeasuredRequest, "name", "a.task")
    request.time_start, request.acknowledged = time.time() - 0.2, False
    request.acknowledge()
    port = free_port()
    server = measures.serve_worker(port)
    measures.serve_worker(port)  # taken: told, not fatal
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
    finally:
        server()
    assert 'banyan_task_seconds_count{task="a.task"} 1.0' in text


@pytest.mark.enable_socket
def test_an_edge_serves_where_it_stands():
    port = free_port()
    stop = edge.serve(edge.StatusCollector(lambda: STATUS), port)
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
    finally:
        stop()
    assert "banyan_edge_applied 1.0" in text
    assert "banyan_edge_control_silent_seconds" in text
