import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.discrepancy import INDEPENDENT_NOTE, DiscrepancyPolicy, judge_discrepancy
from judge.evidence import Evidence
from judge.verdict import Verdict

GUIDE = DiscrepancyPolicy()
DEMO = DiscrepancyPolicy(
    alpha_pass=0.05, alpha_fail=0.05, min_window_s=60, min_blocks=0, use_blocks=False
)
HOUR = 3600


def judged(n_b, k_b, elapsed_s, policy=DEMO, **more):
    return judge_discrepancy(n_b=n_b, k_b=k_b, elapsed_s=elapsed_s, policy=policy, **more)


def two_days(*, pairs=20, dirty_every=None, dirty=1):
    n_b, k_b = np.full(17_280, pairs), np.zeros(17_280, dtype=np.int64)
    if dirty_every:
        k_b[::dirty_every] = dirty
    return n_b, k_b


def test_no_pairs_are_inconclusive():
    found = judged([], [], 600)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert (found.value, found.lower, found.upper, found.progress) == (None, None, None, 0)
    assert found.sentence == "no pairs compared yet; limit 0.1 %; window 60 of 60 s"
    assert found.needed_text == "3 787 more pairs without a mismatch"


def test_enough_clean_pairs_and_time_pass():
    found = judged([3787], [0], 60)
    assert found.verdict is Verdict.PASS
    assert found.upper <= found.limit
    assert (found.needed, found.eta_s, found.eta_best_s, found.progress) == ((), 0, 0, 1)


def test_one_pair_less_is_inconclusive():
    found = judged([3786], [0], 60)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needed == (("pairs_without_mismatch", 1),)
    assert found.upper > found.limit


def test_enough_pairs_in_too_little_time_wait_for_the_window():
    found = judged([5000], [0], 20)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needed == (("seconds", 40.0),)
    assert found.needed_text == "40 s more of the window"
    assert found.eta_s == found.eta_best_s == 40


def test_the_sentence_tells_rate_bound_limit_and_what_there_is():
    found = judged([61_240], [32], 41 * HOUR, replace(GUIDE, use_blocks=False))
    assert found.sentence == (
        "0.0523 % differ; at most 0.0926 % with 99 % confidence; limit 0.1 %; n = 61 240; "
        "evidence 100 %; window 41 of 48 h"
    )


def test_a_drifting_candidate_fails():
    found = judged([600] * 10, [3] * 10, 60)
    assert found.verdict is Verdict.FAIL
    assert found.lower > found.limit
    assert "at least" in found.sentence
    assert (found.eta_s, found.eta_best_s, found.needed_text) == (None, None, "")
    assert found.reasons[0] == "shown to differ more often than 0.1 %: 30 mismatches"


def test_failing_needs_five_mismatches():
    assert judged([40], [4], 60).verdict is Verdict.INCONCLUSIVE
    assert judged([40], [5], 60).verdict is Verdict.FAIL


def test_more_strata_ask_for_more_evidence_to_fail():
    alone, together = judged([1300], [6], 60), judged([1300], [6], 60, strata_count=1000)
    assert alone.verdict is Verdict.FAIL
    assert together.verdict is Verdict.INCONCLUSIVE
    assert together.fail_log_needed > alone.fail_log_needed


def test_a_rate_above_the_limit_so_far_is_said():
    found = judged([2000], [3], 60)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reasons[0] == "so far more than 0.1 % differ"
    assert found.eta_s is None
    assert found.eta_best_s > 0


def test_a_policy_without_blocks_says_what_it_assumes():
    for found in (judged([3787], [0], 60), judged([10], [0], 60), judged([40], [9], 60)):
        assert found.assumption == "independent"
        assert found.reasons[-1] == INDEPENDENT_NOTE
    assert INDEPENDENT_NOTE not in judged(*two_days(), 48 * HOUR, GUIDE).reasons


def test_two_clean_days_pass_the_guide():
    found = judged(*two_days(), 48 * HOUR, GUIDE)
    assert (found.verdict, found.assumption) == (Verdict.PASS, "blocks")


def test_many_pairs_in_few_blocks_do_not_pass_the_guide():
    found = judged(np.full(1000, 10_000), np.zeros(1000, dtype=int), 48 * HOUR, GUIDE)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needed == (("blocks", 16_280), ("blocks_without_mismatch", 5160.0))
    assert found.log_e < found.log_needed


def test_bursts_at_the_limit_do_not_pass_the_guide():
    n_b, k_b = two_days(dirty_every=900, dirty=20)
    found = judged(n_b, k_b, 48 * HOUR, GUIDE)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.k / found.n > 0.001


def test_the_block_test_fails_a_candidate_that_keeps_differing():
    n_b, k_b = two_days(dirty_every=4)
    assert judged(n_b, k_b, 48 * HOUR, GUIDE).verdict is Verdict.FAIL


def test_a_single_route_needs_the_independent_test_only():
    found = judged([6000], [0], 60, GUIDE, stratum=True)
    assert found.verdict is Verdict.PASS
    assert judged([6000], [0], 60, GUIDE).verdict is Verdict.INCONCLUSIVE
    assert "window" not in found.sentence
    assert judged([100], [0], 60, GUIDE, stratum=True).needed == (("pairs_without_mismatch", 5485),)


def test_the_forecast_is_the_slowest_of_what_lacks():
    n_b, k_b = np.full(6000, 20), np.zeros(6000, dtype=np.int64)
    found = judged(n_b, k_b, 60_000, GUIDE)
    assert found.eta_s == pytest.approx(17_280 * 10 - 60_000)
    early = judged([100], [0], 10)
    assert early.eta_s is None
    assert early.eta_best_s == pytest.approx((3787 - 100) * 10 / 100)


def test_no_time_gives_no_forecast():
    assert judged([100], [0], 0).eta_best_s is None


@pytest.mark.parametrize(
    ("n_b", "k_b", "elapsed_s", "reason"),
    [
        ([3], [4], 60, "more mismatches than pairs"),
        ([3, 3], [1], 60, "2 blocks of pairs but 1"),
        ([-3], [0], 60, "negative number of pairs"),
        ([3], [-1], 60, "negative number of mismatches"),
        ([3.0], [1], 60, "not whole numbers"),
        ([math.nan], [1], 60, "not whole numbers"),
        ([True], [1], 60, "not whole numbers"),
        ([None], [1], 60, "not whole numbers"),
        (["3"], [1], 60, "not whole numbers"),
        ([[3]], [[1]], 60, "not one number per block"),
        ([[3], [3, 4]], [1], 60, "not one number per block"),
        ([10**12 + 1], [0], 60, "in a block"),
        ([10**30], [0], 60, "not whole numbers"),
        ([10**12, 1], [0, 0], 60, "more than 1 000 000 000 000 pairs"),
        ([3], [1], -1, "a window of -1 s"),
        ([3], [1], math.nan, "a window of nan s"),
        ([3], [1], math.inf, "a window of inf s"),
    ],
)
def test_what_cannot_be_believed_is_an_error_and_says_why(n_b, k_b, elapsed_s, reason):
    found = judged(n_b, k_b, elapsed_s)
    assert found.verdict is Verdict.ERROR
    assert reason in found.sentence
    assert found.sentence.endswith(found.reasons[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": 1},
        {"limit": math.nan},
        {"alpha_pass": 0},
        {"alpha_fail": 0.7},
        {"min_window_s": -1},
        {"min_window_s": math.inf},
        {"min_blocks": -1},
        {"min_fail_events": 0},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)).split("_", maxsplit=1)[0]):
        replace(GUIDE, **wrong)


@given(
    st.lists(st.integers(0, 3000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))),
    st.floats(0, 1e6),
    st.sampled_from([GUIDE, DEMO]),
    st.booleans(),
)
@settings(max_examples=60)
def test_evidence_is_finite_round_trips_and_is_consistent(rows, elapsed_s, policy, stratum):
    found = judged([n for n, _ in rows], [k for _, k in rows], elapsed_s, policy, stratum=stratum)
    document = json.loads(json.dumps(found.to_dict(), sort_keys=True, allow_nan=False))
    assert Evidence.from_dict(document) == found
    assert (found.verdict is Verdict.PASS) <= (found.upper is not None)
    if found.verdict is Verdict.PASS:
        assert found.upper <= found.limit * (1 + 1e-9)
        assert not found.needed


ORDER = [Verdict.PASS, Verdict.INCONCLUSIVE]


@given(st.integers(1, 30), st.integers(100, 500), st.integers(0, 3), st.floats(0, 120))
@settings(max_examples=60)
def test_taking_clean_evidence_away_never_improves_the_verdict(blocks, pairs, k, elapsed_s):
    n_b, k_b = [pairs] * blocks, [k] + [0] * (blocks - 1)
    full = judged(n_b, k_b, elapsed_s).verdict
    less = judged(n_b[:1], k_b[:1], elapsed_s).verdict
    shorter = judged(n_b, k_b, elapsed_s / 2).verdict
    assert ORDER.index(less) >= ORDER.index(full)
    assert ORDER.index(shorter) >= ORDER.index(full)


def test_evidence_refuses_numbers_that_are_not_finite():
    good = judged([100], [0], 60)
    with pytest.raises(ValueError, match="not finite"):
        replace(good, upper=math.inf)
    with pytest.raises(ValueError, match="not finite"):
        replace(good, needed=(("seconds", math.nan),))
