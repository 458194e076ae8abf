"""Rows 50 and 51: evidence that is old, thin, missing or of something else opens no gate."""

from datetime import timedelta

import pytest
from django.db.models import F

from rollout import gates
from shadow.models import PairBlock, ServicePair
from tests.bad_input.conftest import assert_refused, row
from tests.rollout.builders import NOW, fresh, ready_for_canary
from traffic.models import Acknowledgement, Proxy, RoutingBlock, TrafficBlock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]
PROMOTE = "/api/v1/migrations/embeddings/promote/"
HOUR = 3600


def shift(*models, seconds):
    def spoil(made):
        for model in models:
            model.objects.update(start=F("start") + seconds)

    return spoil


def gone(*models):
    def spoil(made):
        for model in models:
            model.objects.all().delete()

    return spoil


def change(model, **values):
    def spoil(made):
        model.objects.update(**values)

    return spoil


def one_route_gone(made):
    PairBlock.objects.filter(route="POST /infer").delete()


def other_route(made):
    one_route_gone(made)
    PairBlock.objects.update(route="GET /")


def one_side(made):
    TrafficBlock.objects.filter(arm="candidate_shadow").delete()


SPOILED = [
    row(50, "pairs-an-hour-old", shift(PairBlock, seconds=-HOUR), "discrepancy"),
    row(50, "pairs-stale", shift(PairBlock, seconds=-29), "discrepancy"),
    row(50, "keys-an-hour-old", shift(RoutingBlock, seconds=-HOUR), "split"),
    row(50, "proxy-silent", change(Proxy, last_seen_at=NOW - timedelta(hours=1)), "proxies"),
    row(50, "proxy-never-seen", change(Proxy, last_seen_at=None), "proxies"),
    row(51, "no-pairs", gone(PairBlock), "discrepancy"),
    row(51, "no-requests-compared", change(PairBlock, compared=0), "discrepancy"),
    row(51, "ten-pairs", change(PairBlock, compared=10), "discrepancy"),
    row(51, "pairs-of-another-build", change(PairBlock, builds="a|b"), "discrepancy"),
    row(51, "pairs-of-no-build", change(PairBlock, builds="|"), "discrepancy"),
    row(51, "noise-only", change(PairBlock, kind="noise"), "discrepancy"),
    row(51, "replay-only", change(PairBlock, kind="replay"), "discrepancy"),
    row(51, "pairs-of-another-route", other_route, "discrepancy"),
    row(51, "one-route-without-pairs", one_route_gone, "discrepancy"),
    row(51, "nothing-comparable", change(PairBlock, uncomparable={"x": 999}), "discrepancy"),
    row(51, "all-differ", change(PairBlock, mismatched=5000), "discrepancy"),
    row(51, "no-latencies", gone(TrafficBlock), "latency"),
    row(51, "empty-latencies", change(TrafficBlock, latency={}), "latency"),
    row(51, "latencies-of-another-split", change(TrafficBlock, split="other"), "latency"),
    row(51, "latencies-of-one-side", one_side, "latency"),
    row(51, "no-keys", gone(RoutingBlock), "split"),
    row(51, "nine-keys", change(RoutingBlock, legacy_keys=b"".join([b"\0" * 7 + b"1"])), "split"),
    row(51, "keys-of-another-step", change(RoutingBlock, epoch="old"), "split"),
    row(51, "keys-of-another-split", change(RoutingBlock, split="other"), "split"),
    row(51, "no-acknowledgement", gone(Acknowledgement), "proxies"),
    row(51, "proxy-refused", change(Proxy, state="rejected", reason="bad"), "proxies"),
    row(51, "proxy-older", change(Proxy, generation=1), "proxies"),
]


@pytest.mark.parametrize(("spoil", "gate"), SPOILED)
def test_evidence_that_is_wrong_opens_no_gate_and_the_gate_is_named(send, spoil, gate):
    made = ready_for_canary()
    assert all(r.evidence.verdict == "PASS" for r in gates.evaluate(made, now=NOW) if r.required)
    spoil(made)
    found = {r.key: r.evidence for r in gates.evaluate(fresh(made), now=NOW)}
    assert found[gate].verdict != "PASS"
    assert found[gate].sentence.strip()
    answer = send("POST", PROMOTE, {"version": made.version, "reason": "x"})
    problem = assert_refused(answer, 409, "gates_closed")
    assert gate in {closed["gate"] for closed in problem["gates"]}
    assert (fresh(made).weight, fresh(made).version) == (0, made.version)


def test_a_build_that_nobody_reports_any_more_closes_promote(send):
    """Row 51: evidence of builds that are not known to run."""
    made = ready_for_canary()
    ServicePair.objects.update(candidate_build="")
    answer = send("POST", PROMOTE, {"version": made.version, "reason": "x"})
    assert answer.status_code == 409
    assert fresh(made).weight == 0
