"""A metric gate against a real Prometheus that scrapes an exporter."""

import shutil
import socket
import subprocess
import time
from datetime import timedelta

import httpx
import pytest
from django.test import override_settings
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from rollout import services
from rollout.models import MetricReading
from tests.rollout.builders import NOW, ready_for_canary
from tests.rollout.test_metric_gates import gate, with_metric

pytestmark = [pytest.mark.django_db, pytest.mark.real, pytest.mark.enable_socket]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def exporter():
    registry = CollectorRegistry()
    latency = Gauge("latency_ms", "p99", ["service", "side"], registry=registry)
    server, thread = start_http_server(0, "127.0.0.1", registry=registry)
    yield latency, server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def prometheus(exporter, tmp_path):
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not installed")
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: a\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{exporter[1]}']}}]\n"
    )
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url, query):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{url}/api/v1/query", params={"query": query}).json()
            if answer["data"]["result"]:
                return float(answer["data"]["result"][0]["value"][0])
        except (httpx.HTTPError, ValueError):
            pass
        time.sleep(0.2)
    raise AssertionError(f"{query} never had a value")


def test_the_gate_follows_what_prometheus_says(exporter, prometheus, monkeypatch):
    latency, _ = exporter
    latency.labels("embeddings", "candidate").set(11)
    latency.labels("embeddings", "legacy").set(10)
    named = 'latency_ms{service="{{migration}}",side="%s"}'
    wait_for(prometheus, "latency_ms")
    # The real clock, since Prometheus has it.
    now = NOW.fromtimestamp(time.time(), tz=NOW.tzinfo)
    made = with_metric(
        ready_for_canary(now=now),
        query=named % "candidate",
        legacy=named % "legacy",
        compare="max_ratio",
        threshold=1.2,
        readings=1,
        expect="side=candidate",
    )

    def judged(**changes):
        MetricReading.objects.all().delete()
        migration = with_metric(made, **{**rule, **changes})
        services.measure_due(now=now)
        return gate(migration, now=now + timedelta(seconds=1)).evidence

    rule = made.policy["metrics"][0]
    with override_settings(BANYAN_METRIC_PROVIDERS={"main": prometheus}):
        found = judged()
        assert (found.verdict, found.value, found.limit) == ("PASS", 11, 12)
        assert judged(threshold=1.05).verdict == "FAIL"
        assert judged(expect="side=legacy").verdict == "ERROR"
        assert "series match" in judged(query="latency_ms").sentence
        assert judged(query="gone").verdict == "INCONCLUSIVE"
        assert "parse error" in judged(query="sum by").sentence
        assert judged(query='latency_ms{side="candidate"}[5m]').verdict == "ERROR"
        assert judged(query="0/0*latency_ms{side='candidate'}").verdict == "ERROR"
