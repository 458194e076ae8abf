"""Live gates: a candidate that errs or slows down FAILs, and nothing missing opens one."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from judge.verdict import Verdict
from rollout.gates import live
from rollout.gates.reading import read_context
from rollout.lifecycle import Phase, Place
from rollout.models import ServiceMigration
from tests.rollout.builders import NOW, ready_for_canary
from traffic.blocks import EMPTY, ArmBlocks, SplitBlocks

pytestmark = pytest.mark.django_db
BLOCKS = 60


ROUTES = ("POST /infer", "POST /v1/infer")
FROZEN = {
    "requests": 50_000,
    "errors": 50,
    "timed": 50_000,
    "thresholds": {"p50": 1000, "p95": 2000, "p99": 3000},
    "slow": {"p50": 25_000, "p95": 2500, "p99": 500},
    "deff": {},
}


def arm(requests: int, *, errors: int = 0, keys: int = 5, slow: int = 0) -> ArmBlocks:
    def each(count: int) -> np.ndarray:
        return np.full(BLOCKS, count, dtype=np.int64)

    users = "".join(f"{number:016x}" for number in range(keys))
    told = [(2 * block, kind, users) for block in range(BLOCKS) for kind in ("errors", "p95")]
    return replace(
        EMPTY,
        starts=np.arange(BLOCKS, dtype=np.int64) * 2,
        requests=each(requests),
        errors=each(errors),
        slow={"p50": each(requests // 2 + slow), "p95": each(slow), "p99": each(slow // 2)},
        warming=each(0),
        keys=tuple(told),
    )


def context(candidate: ArmBlocks, legacy: ArmBlocks, *, weight=25, step=1, phase=Phase.CANARY):
    known = ServiceMigration.objects.select_related("pair", "split").first()
    migration = known or ready_for_canary()
    migration.accepted_at = NOW - timedelta(seconds=2 * BLOCKS)
    migration.split.slow_us = {"POST /infer": FROZEN["thresholds"]}
    migration.split.frozen = dict.fromkeys(ROUTES, FROZEN)
    arms = {"candidate": candidate, "legacy": legacy}
    blocks = SplitBlocks(overall=arms, routes=dict.fromkeys(ROUTES, arms))
    read = read_context(migration, now=NOW)
    return replace(read, step_blocks=blocks, place=Place(phase, step, weight))


def at_100(candidate: ArmBlocks, *, bad=None, failed_over=0, phase=Phase.CANARY):
    """At 100 %: the candidate's blocks, and reverse pairs that are clean unless said."""
    read = context(candidate, EMPTY, weight=100, step=3 if phase is Phase.CANARY else None)
    counts = {kind: [0, 2000, 0, 0] for kind in ("errors", "p50", "p95")} | (bad or {})
    return replace(
        read,
        reverse=dict.fromkeys(ROUTES, counts),
        failed_over=dict.fromkeys(ROUTES, failed_over),
        place=Place(phase, 3 if phase is Phase.CANARY else None, 100),
    )


def test_a_candidate_that_errs_as_seldom_as_legacy_opens():
    evidence, _ = live.errors(context(arm(50), arm(150)))
    assert evidence.verdict is Verdict.PASS, evidence.sentence


def test_five_per_cent_errors_fail():
    evidence, _ = live.errors(context(arm(50, errors=3), arm(150)))
    assert evidence.verdict is Verdict.FAIL


def test_errors_of_one_client_do_not_fail_the_candidate():
    evidence, _ = live.errors(context(arm(50, errors=3, keys=1), arm(150)))
    assert evidence.verdict is not Verdict.FAIL


def test_at_100_per_cent_legacys_last_rate_fails_and_reverse_pairs_open():
    assert live.errors(at_100(arm(50, errors=3)))[0].verdict is Verdict.FAIL
    assert live.errors(at_100(arm(50)))[0].verdict is Verdict.PASS
    assert live.errors(at_100(arm(50), phase=Phase.FULL))[0].verdict is Verdict.PASS
    found, routes = live.errors(replace(at_100(arm(50)), reverse={}))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.rule == "errors_full"
    assert [name for name, _ in routes] == sorted(ROUTES)


def test_what_legacy_had_to_answer_at_100_per_cent_is_bad_on_the_candidate_alone():
    # The rescued requests make no pair: without them every pair would look clean.
    assert live.errors(at_100(arm(50), failed_over=400))[0].verdict is Verdict.FAIL


def test_at_100_per_cent_slow_requests_are_judged_against_what_was_frozen():
    found, _ = live.latency_regression(at_100(arm(50, slow=12)))
    assert (found.rule, found.verdict) == ("latency_full", Verdict.FAIL)
    found, _ = live.latency_regression(at_100(arm(50)))
    assert found.verdict is Verdict.PASS, found.sentence


def test_the_design_effect_is_legacys_frozen_one_never_below_the_policys_and_is_shown():
    read = context(arm(50), arm(150))
    assert read.deff("", "errors") == 2
    read.migration.split.frozen[""] = {"deff": {"errors": 3.5, "p50": 1.0}}
    assert (read.deff("", "errors"), read.deff("", "p50")) == (3.5, 1.0)
    floor = replace(read, policy=replace(read.policy, min_design_effect=1.5))
    assert floor.deff("", "p50") == 1.5
    told = live.errors(read)[0].reasons[-1]
    assert told == "counts divided by a design effect of errors 3.5 (legacy's history)"


def test_users_with_errors_are_counted_over_the_step_and_not_twice():
    blocks = arm(50, errors=1, keys=2)
    assert blocks.users("errors") == 2
    # The same two users in every block are two, however many blocks there are.
    assert live.errors(context(arm(50, errors=3, keys=2), arm(150)))[0].verdict is not Verdict.FAIL
    other = tuple((s, k, f"{s:016x}") for s, k, _ in blocks.keys)
    several = replace(arm(50, errors=3), keys=other)
    assert live.errors(context(several, arm(150)))[0].verdict is Verdict.FAIL


def test_slowness_of_one_client_does_not_fail_the_candidate():
    one = live.latency_regression(context(arm(50, slow=12, keys=1), arm(150, slow=4)))[0]
    assert one.verdict is not Verdict.FAIL


def test_a_thin_route_keeps_a_step_closed_unless_the_policy_leaves_it():
    read = context(arm(50), arm(150))
    routes = {**read.step_blocks.routes, "POST /v1/infer": {}}
    thin = replace(read, step_blocks=replace(read.step_blocks, routes=routes))
    left = live.errors(thin)[0]
    assert left.verdict is Verdict.PASS
    assert any(r.startswith("POST /v1/infer is left by the policy") for r in left.reasons)
    for mode in ("block", "replay"):
        closed = replace(thin, policy=replace(thin.policy, thin_routes_live=mode))
        found = live.errors(closed)[0]
        assert found.verdict is Verdict.INCONCLUSIVE
        assert "POST /v1/infer" in found.sentence
    covered = live.errors(replace(closed, replayed=frozenset({"POST /v1/infer"})))[0]
    assert covered.verdict is Verdict.PASS
    assert any("covered by replay" in reason for reason in covered.reasons)


def test_a_candidate_that_is_slow_more_often_fails():
    evidence, _ = live.latency_regression(context(arm(50, slow=12), arm(150, slow=4)))
    assert evidence.verdict is Verdict.FAIL, evidence.sentence


def test_without_frozen_thresholds_nothing_is_slow_and_nothing_opens():
    read = context(arm(50), arm(150))
    read.migration.split.slow_us = {}
    assert live.latency_regression(read)[0].verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("gate", [live.errors, live.latency_regression])
def test_before_the_first_step_there_is_nothing_to_judge(gate):
    read = context(arm(50), arm(150), weight=0, step=None, phase=Phase.DUAL_RUN)
    assert gate(read)[0].verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("gate", [live.errors, live.latency_regression])
def test_without_requests_nothing_opens(gate):
    assert gate(context(arm(0), arm(150)))[0].verdict is Verdict.INCONCLUSIVE
    assert gate(replace(context(arm(50), arm(150)), step_blocks=None))[0].verdict is (
        Verdict.INCONCLUSIVE
    )
