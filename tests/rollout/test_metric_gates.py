"""A metric gate opens on stored readings of a provider that answered well, and on nothing else."""

import json
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command
from django.test import override_settings

from rollout import gates, services, tasks
from rollout.exceptions import GatesClosedError
from rollout.models import DecisionVerdict, MetricReading, ServiceMigration
from rollout.policy import Policy
from tests.rollout.builders import NOW, OPERATOR, fresh, ready_for_canary
from tests.rollout.life import assert_ledger_holds
from tests.upstream import MODES, misbehaving

pytestmark = pytest.mark.django_db
RULE = {"name": "p99", "provider": "main", "query": "p99", "compare": "max", "threshold": 10.0}
KEY = "metric-p99"
SECOND = timedelta(seconds=1)


def with_metric(migration, **changes):
    policy = {**migration.policy, "metrics": [{**RULE, **changes}]}
    policy = Policy.from_dict(policy).to_dict()
    ServiceMigration.objects.filter(pk=migration.pk).update(policy=policy)
    return fresh(migration)


def said(value="5", at=NOW, **more):
    result = [{"metric": {}, "value": [at.timestamp(), value]}]
    return json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": result}, **more}
    ).encode()


class Replies:
    """Stands for the one place of HTTP: what each query is answered."""

    def __init__(self, monkeypatch, body=None):
        self.body, self.asked = body or (lambda query, now: said(at=now)), []
        self.now = NOW
        monkeypatch.setattr("rollout.services.measuring.send_all", self.send)

    def send(self, requests, **limits):
        found = []
        for request in requests:
            query = parse_qs(urlsplit(request.path).query)["query"][0]
            self.asked.append((request.address, query))
            found.append(self.reply(self.body(query, self.now)))
        return found

    def reply(self, body):
        from shadow.http import Reply

        return Reply(200, (), body, 1000)

    def measure(self, now):
        self.now = now
        return services.measure_due(now=now)


@pytest.fixture(autouse=True)
def provider():
    with override_settings(BANYAN_METRIC_PROVIDERS={"main": "http://127.0.0.1:9090"}):
        yield


@pytest.fixture
def replies(monkeypatch):
    return Replies(monkeypatch)


def gate(migration, now=NOW):
    return next(r for r in gates.evaluate(fresh(migration), now=now) if r.key == KEY)


def measured(replies, *seconds_ago):
    for ago in seconds_ago:
        replies.measure(NOW - ago * SECOND)


def promote(migration, now=NOW):
    migration = fresh(migration)
    return services.promote(
        slug=migration.slug, version=migration.version, reason="read", actor=OPERATOR, now=now
    )


def test_three_good_readings_open_the_gate_and_the_decision_can_be_recomputed(replies, capsys):
    made = with_metric(ready_for_canary())
    assert (gate(made).evidence.verdict, gate(made).required) == ("INCONCLUSIVE", True)
    with pytest.raises(GatesClosedError, match="Metric p99"):
        promote(made)
    measured(replies, 30, 20, 10)
    found = gate(made)
    assert (found.evidence.verdict, found.group, found.evidence.value) == ("PASS", "step", 5)
    assert found.evidence.reasons == ("candidate: p99",)
    assert promote(made).entry.data["to"]["weight"] == 5
    assert KEY in DecisionVerdict.objects.values_list("gate", flat=True)
    call_command("recompute_evidence")
    assert "all as recorded" in capsys.readouterr().out
    assert_ledger_holds()


def test_a_metric_lost_after_it_was_good_closes_the_gate(replies):
    made = with_metric(ready_for_canary())
    measured(replies, 30, 20, 10)
    assert gate(made).evidence.verdict == "PASS"
    late = gate(made, now=NOW + 45 * SECOND)
    assert (late.evidence.verdict, late.blocks) == ("INCONCLUSIVE", True)
    replies.body = lambda query, now: b'{"status":"error","error":"overloaded"}'
    replies.measure(NOW)
    found = gate(made)
    assert found.evidence.verdict == "ERROR"
    assert "p99" in found.evidence.sentence
    assert "overloaded" in found.evidence.sentence
    with pytest.raises(GatesClosedError, match="Metric p99"):
        promote(made)


def test_a_reading_is_kept_once_an_interval_however_many_workers_measure(replies):
    with_metric(ready_for_canary())
    assert [replies.measure(NOW + s * SECOND) for s in (0, 5, 10, 10)] == [1, 0, 1, 0]
    assert MetricReading.objects.count() == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.pair.__class__.objects.update(candidate_build="candidate-2"),
        lambda m: ServiceMigration.objects.update(in_effect_at=NOW),
        lambda m: ServiceMigration.objects.update(in_effect_at=None),
        lambda m: with_metric(fresh(m), query="other"),
        lambda m: with_metric(fresh(m), provider="other"),
        lambda m: with_metric(fresh(m), expect="service=a"),
    ],
)
def test_readings_of_another_build_place_or_query_open_nothing(replies, spoil):
    made = with_metric(ready_for_canary())
    measured(replies, 30, 20, 10)
    spoil(made)
    assert gate(made).evidence.verdict == "INCONCLUSIVE"


def test_legacys_value_is_measured_at_the_same_time(replies):
    made = with_metric(
        ready_for_canary(), query="c", legacy="l", compare="max_ratio", threshold=1.1
    )
    replies.body = lambda query, now: said({"c": "11", "l": "10"}[query], at=now)
    measured(replies, 30, 20, 10)
    found = gate(made).evidence
    assert (found.verdict, found.value, found.limit) == ("PASS", 11, 11)
    assert found.parts[0].value_legacy == 10


def test_each_route_is_measured_escaped_and_all_must_pass(replies):
    made = with_metric(ready_for_canary(), query='x{route="{{route}}",m="{{migration}}"}')
    replies.body = lambda query, now: said("50" if "v1" in query else "5", at=now)
    measured(replies, 30, 20, 10)
    found = gate(made)
    assert found.evidence.verdict == "FAIL"
    assert {name: e.verdict for name, e in found.routes} == {
        "POST /infer": "PASS",
        "POST /v1/infer": "FAIL",
    }
    assert ("http://127.0.0.1:9090", 'x{route="POST /infer",m="embeddings"}') in replies.asked


def test_a_fail_is_latched_until_a_lead_resets_it(replies, monkeypatch):
    made = with_metric(ready_for_canary())
    replies.body = lambda query, now: said("50", at=now)
    measured(replies, 30, 20, 10)
    monkeypatch.setattr("rollout.tasks.timezone.now", lambda: NOW)
    tasks.act(fresh(made), gate(made), NOW)
    assert fresh(made).latches.get().gate == KEY
    replies.body = lambda query, now: said("5", at=now)
    for s in (10, 20, 30):
        replies.measure(NOW + s * SECOND)
    assert gate(made, now=NOW + 30 * SECOND).evidence.verdict == "FAIL"


def test_a_provider_that_nobody_set_is_an_error_that_names_it(replies):
    made = with_metric(ready_for_canary(), provider="elsewhere")
    measured(replies, 30, 20, 10)
    assert "no provider is named elsewhere" in gate(made).evidence.sentence
    assert not replies.asked


@pytest.mark.enable_socket
def test_no_misbehaving_provider_opens_the_gate_or_holds_the_worker():
    """Row 49, T7: every mode of the bad service, all at once, within one deadline."""
    made = ready_for_canary()
    names = [n for n in sorted(MODES) if n != "ok"]
    assert len(names) >= 20
    with misbehaving() as url:
        providers = {f"m{i}": f"{url}/{name}" for i, name in enumerate(names)}
        found = {}
        with override_settings(BANYAN_METRIC_PROVIDERS=providers):
            from judge.metric import Reading, read_sample
            from rollout.metrics import Asked
            from rollout.policy import MetricRule
            from rollout.services import measuring

            due = [
                measuring._Due(
                    made, Asked(MetricRule(**{**RULE, "provider": p}), "", {"candidate": "q"}), None
                )
                for p in providers
            ]
            begun = time.monotonic()
            samples = measuring._ask(due)
            assert time.monotonic() - begun < 3 * measuring.DEADLINE_S
        for name, sample in zip(names, samples, strict=True):
            found[name] = read_sample(sample["candidate"])
        assert all(s.error for s in found.values()), found
        assert Reading(0, found["drip"]).candidate.error == "timeout"


class _Provider(BaseHTTPRequestHandler):
    def do_GET(self):
        body = said(at=NOW)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.mark.enable_socket
def test_a_provider_is_asked_over_http():
    made = with_metric(ready_for_canary())
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with override_settings(BANYAN_METRIC_PROVIDERS={"main": url}):
            for ago in (30, 20, 10):
                services.measure_due(now=NOW - ago * SECOND)
    finally:
        server.shutdown()
        server.server_close()
    assert gate(made).evidence.verdict == "PASS"
