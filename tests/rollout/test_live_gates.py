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


def arm(requests: int, *, errors: int = 0, keys: int = 5, slow: int = 0) -> ArmBlocks:
    def each(count: int) -> np.ndarray:
        return np.full(BLOCKS, count, dtype=np.int64)

    return replace(
        EMPTY,
        starts=np.arange(BLOCKS, dtype=np.int64) * 2,
        requests=each(requests),
        errors=each(errors),
        error_keys=each(min(errors, keys)),
        slow={"p50": each(requests // 2 + slow), "p95": each(slow), "p99": each(slow // 2)},
        warming=each(0),
    )


def context(candidate: ArmBlocks, legacy: ArmBlocks, *, weight=25, step=1, phase=Phase.CANARY):
    known = ServiceMigration.objects.select_related("pair", "split").first()
    migration = known or ready_for_canary()
    migration.accepted_at = NOW - timedelta(seconds=2 * BLOCKS)
    migration.split.slow_us = {"POST /infer": {"p50": 1000, "p95": 2000, "p99": 3000}}
    arms = {"candidate": candidate, "legacy": legacy}
    if weight == 100:
        arms = {"candidate": candidate, "legacy_shadow": legacy}
    blocks = SplitBlocks(overall=arms, routes={"POST /infer": arms, "POST /v1/infer": arms})
    read = read_context(migration, now=NOW)
    return replace(read, step_blocks=blocks, place=Place(phase, step, weight))


def test_a_candidate_that_errs_as_seldom_as_legacy_opens():
    evidence, _ = live.errors(context(arm(50), arm(150)))
    assert evidence.verdict is Verdict.PASS, evidence.sentence


def test_five_per_cent_errors_fail():
    evidence, _ = live.errors(context(arm(50, errors=3), arm(150)))
    assert evidence.verdict is Verdict.FAIL


def test_errors_of_one_client_do_not_fail_the_candidate():
    evidence, _ = live.errors(context(arm(50, errors=3, keys=1), arm(150)))
    assert evidence.verdict is not Verdict.FAIL


def test_at_100_per_cent_the_copies_to_legacy_stand_for_it():
    bad = context(arm(50, errors=3), arm(50), weight=100, step=3)
    assert live.errors(bad)[0].verdict is Verdict.FAIL
    good = context(arm(50), arm(50), weight=100, step=None, phase=Phase.FULL)
    assert live.errors(good)[0].verdict is Verdict.PASS


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
