import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.errors_paired import ErrorsPairedPolicy, judge_errors_paired
from judge.pairs import PairCounts
from judge.verdict import Verdict
from tests.judge.build import pairs, survives_json

GUIDE = ErrorsPairedPolicy()


def judged(counts, elapsed_s=600, policy=GUIDE, **more):
    return survives_json(
        judge_errors_paired(pairs=counts, elapsed_s=elapsed_s, policy=policy, **more)
    )


def test_no_pairs_are_inconclusive():
    found = judged(pairs())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.sentence == "no pairs compared yet; limit +0.1 points"
    assert found.needed == (("pairs_without_error", 7132),)
    assert (found.value, found.eta_s, found.eta_best_s) == (None, None, None)


def test_pairs_without_differences_pass_at_the_published_number():
    assert judged(pairs(zero=7131)).verdict is Verdict.INCONCLUSIVE
    found = judged(pairs(zero=7132))
    assert found.verdict is Verdict.PASS
    assert found.upper <= GUIDE.delta
    assert (found.needed, found.eta_s, found.progress) == ((), 0, 1)
    assert found.reasons == ("shown to fail at most 0.1 points more often than legacy",)


def test_errors_on_both_sides_count_for_neither_but_are_shown():
    found = judged(pairs(plus=10, zero=49_980, minus=10, both=40))
    assert found.verdict is Verdict.PASS
    assert found.sentence.startswith("0.1 % errors, legacy 0.1 %; difference at most ")


def test_a_candidate_that_fails_more_often_fails():
    found = judged(pairs(plus=30, zero=4000))
    assert found.verdict is Verdict.FAIL
    assert found.lower > GUIDE.delta
    assert "difference at least +" in found.sentence
    assert (found.eta_s, found.eta_best_s, found.needed) == (None, None, ())
    assert found.reasons[0].startswith("shown to fail more often than legacy by more than 0.1")


def test_failing_needs_pairs_in_which_only_the_candidate_failed():
    patient = replace(GUIDE, min_fail_events=13)
    assert judged(pairs(plus=12), policy=patient).verdict is Verdict.INCONCLUSIVE
    assert judged(pairs(plus=13), policy=patient).verdict is Verdict.FAIL


def test_more_strata_ask_for_more_evidence_to_fail():
    assert judged(pairs(plus=15, zero=1000)).verdict is Verdict.FAIL
    assert judged(pairs(plus=15, zero=1000), strata_count=10_000).verdict is Verdict.INCONCLUSIVE


def test_bursts_ask_for_more_pairs():
    assert judged(pairs(zero=10_000)).verdict is Verdict.PASS
    found = judged(pairs(zero=10_000), deff=3.0)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needed == (("pairs_without_error", 3 * 7132 - 10_000 - 1),)


def test_window_and_minimum_are_waited_for():
    policy = replace(GUIDE, min_window_s=3600, min_pairs=20_000)
    found = judged(pairs(zero=10_000), 600, policy)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needed == (("minimum", 10_000.0), ("seconds", 3000.0))
    assert found.needed_text == "10 000 more pairs; 50 min more of the window"
    assert found.eta_s == 3000
    assert found.sentence.endswith("window 10 of 60 min")


def test_the_forecast_grows_with_differences_and_is_never_at_the_limit():
    clean, dirty = judged(pairs(zero=3000)), judged(pairs(plus=1, zero=3000))
    assert clean.eta_s < dirty.eta_s
    assert dirty.eta_best_s < dirty.eta_s
    assert judged(pairs(plus=20, zero=10_000)).eta_s is None


def test_a_margin_of_nothing_is_never_reached_by_clean_pairs():
    found = judged(pairs(zero=100), policy=replace(GUIDE, delta=0.0))
    assert found.needed_text == "evidence that legacy fails more often"
    assert judged(pairs(minus=100), policy=replace(GUIDE, delta=0.0)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("counts", "elapsed_s", "deff", "why"),
    [
        (PairCounts(n_plus=[-1], n_zero=[1], n_minus=[0]), 1, 1, "negative"),
        (PairCounts(n_plus=[math.nan], n_zero=[1], n_minus=[0]), 1, 1, "not whole"),
        (PairCounts(n_plus=None, n_zero=[1], n_minus=[0]), 1, 1, "not one number per block"),
        (PairCounts(n_plus=[1], n_zero=[1, 2], n_minus=[0]), 1, 1, "do not fit together"),
        (pairs(zero=3, both=4), 1, 1, "more pairs bad on both sides than pairs that agree"),
        (pairs(zero=10**12, minus=1), 1, 1, "more than 1 000 000 000 000 in all"),
        (pairs(), math.nan, 1, "a window of nan"),
        (pairs(), 1, 0.9, "a design effect of 0.9"),
        (pairs(), 1, math.nan, "a design effect of nan"),
    ],
)
def test_what_cannot_be_believed_is_an_error_and_says_why(counts, elapsed_s, deff, why):
    found = judged(counts, elapsed_s, deff=deff)
    assert found.verdict is Verdict.ERROR
    assert why in found.sentence


@pytest.mark.parametrize(
    "wrong",
    [
        {"delta": -0.1},
        {"delta": 1},
        {"delta": math.nan},
        {"alpha_pass": 0},
        {"alpha_fail": 0.7},
        {"min_window_s": -1},
        {"min_pairs": -1},
        {"min_fail_events": 0},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(GUIDE, **wrong)


rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3000), st.integers(0, 3)), max_size=8)


@given(rows, st.randoms(), st.floats(1, 4))
@settings(max_examples=40)
def test_blocks_merge_in_any_order(blocks, random, deff):
    def counted(some):
        return PairCounts(
            n_plus=np.array([p for p, _, _ in some], dtype=int),
            n_zero=[z for _, z, _ in some],
            n_minus=[m for _, _, m in some],
        )

    whole = judged(counted(blocks), deff=deff)
    assert judged(counted(random.sample(blocks, len(blocks))), deff=deff) == whole
    sums = [sum(column) for column in zip(*blocks, strict=True)] or [0, 0, 0]
    assert judged(pairs(*sums), deff=deff) == whole


@given(st.integers(0, 3), st.integers(0, 20_000), st.integers(0, 20_000), st.floats(0, 1))
@settings(max_examples=40)
def test_taking_clean_pairs_away_never_improves_the_verdict(plus, zero, more, part):
    order = [Verdict.PASS, Verdict.INCONCLUSIVE]
    full = judged(pairs(plus, zero + more), policy=replace(GUIDE, min_window_s=600))
    less = judged(pairs(plus, zero), policy=replace(GUIDE, min_window_s=600))
    shorter = judged(pairs(plus, zero + more), 600 * part, replace(GUIDE, min_window_s=600))
    assert order.index(less.verdict) >= order.index(full.verdict)
    assert order.index(shorter.verdict) >= order.index(full.verdict)
