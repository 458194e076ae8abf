"""Banyan watched from outside: alive, ready, metrics."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from audit import anchoring
from audit.checkpoints import checkpoint_now
from controlplane.models import Heartbeat
from controlplane.tasks import beat_heartbeat
from tests.rollout.builders import ready_for_canary

pytestmark = pytest.mark.django_db


def test_alive_asks_nothing_of_anybody(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_says_how_old_the_last_work_of_a_worker_is(client):
    assert client.get("/readyz").json()["worker"] == {
        "age_s": None,
        "silent": True,
        "pairs_read_age_s": None,
    }
    beat_heartbeat()
    worker = client.get("/readyz").json()["worker"]
    assert worker["age_s"] < 5
    assert not worker["silent"]


def test_a_worker_that_stopped_is_silent_but_pages_stay_ready(client):
    Heartbeat.objects.create(name="worker", at=timezone.now() - timedelta(minutes=5))
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["worker"]["silent"]


def test_without_a_database_it_is_not_ready(client, monkeypatch):
    def broken():
        raise OperationalError("gone")

    monkeypatch.setattr(connection, "cursor", broken)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["database"] == "gone"


def test_metrics_tell_weight_verdicts_proxies_and_ledger(client):
    migration = ready_for_canary()
    text = client.get("/metrics").content.decode()
    assert (
        f'banyan_migration_weight_percent{{migration="{migration.slug}",phase="dual_run"}} 0.0'
        in text
    )
    assert "banyan_ledger_entries" in text
    assert 'banyan_proxy_last_seen_seconds{proxy="edge-1"' in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_they_are_read_only(client, path):
    assert client.post(path).status_code == 405


def test_ready_and_metrics_tell_how_far_the_ledger_is_anchored(client):
    ready_for_canary()
    checkpoint_now(now=timezone.now())
    anchoring._glimpses.clear()
    told = client.get("/readyz").json()["ledger"]
    assert told["state"] == "anchored"
    assert told["anchored_seq"] == told["entries"] > 0
    assert told["text"].startswith(f"anchored up to seq {told['entries']}, ")
    text = client.get("/metrics").content.decode()
    assert f"banyan_ledger_anchored_entries {told['entries']}.0" in text
    assert "banyan_ledger_unanchored_seconds 0.0" in text
    assert 'banyan_ledger_anchor_state{state="anchored"} 1.0' in text
    assert "banyan_ledger_promotion_closed 0.0" in text
