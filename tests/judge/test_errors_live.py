import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.arms import ArmBlocks
from judge.counts import differences
from judge.errors_live import ErrorsLivePolicy, judge_errors_live, rho_open
from judge.verdict import Verdict
from tests.judge.build import arms, survives_json, traffic

GUIDE = ErrorsLivePolicy()
DEMO = ErrorsLivePolicy(delta=0.05, alpha_pass=0.05, min_window_s=20, min_requests=200)


def judged(blocks, *, elapsed_s=None, policy=GUIDE, keys=10, planned=360, **more):
    if elapsed_s is None:
        elapsed_s = 10.0 * len(blocks.n_c)
    return survives_json(
        judge_errors_live(
            arms=blocks,
            error_keys=keys,
            elapsed_s=elapsed_s,
            planned_blocks=planned,
            policy=policy,
            **more,
        )
    )


def test_no_requests_are_inconclusive():
    found = judged(arms([]), elapsed_s=0)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.sentence.startswith(
        "no requests of the candidate yet; limit 3 times or +0.1 points"
    )
    assert (found.value, found.lower, found.upper, found.parts, found.eta_s) == (None,) * 3 + (
        (),
        None,
    )
    assert judged(arms([(10, 0, 0, 0)])).sentence.startswith("no requests of legacy yet")


def test_equal_sides_open_and_the_parts_say_by_which_of_two():
    found = judged(traffic(0.001, 0.001, blocks=360))
    assert found.verdict is Verdict.PASS
    ratio, difference = found.parts
    assert (ratio.name, ratio.verdict) == ("ratio", Verdict.PASS)
    assert (difference.name, difference.verdict) == ("difference", Verdict.INCONCLUSIVE)
    assert found.upper < GUIDE.rho_open
    assert found.reasons == ("shown to stay below 3 times legacy's errors, or +0.1 points",)
    assert (found.eta_s, found.eta_best_s, found.needed) == (0, 0, ())


def test_sides_without_errors_open_by_the_difference():
    found = judged(traffic(0, 0, blocks=60, requests=1000), policy=DEMO)
    assert found.verdict is Verdict.PASS
    assert found.parts[1].verdict is Verdict.PASS
    assert found.parts[0].sentence.startswith("no bound of the ratio yet")
    assert found.upper is None
    assert found.value is None


def test_one_in_twenty_failing_is_found_within_two_blocks():
    found = judged(traffic(0.05, 0.001, blocks=2))
    assert found.verdict is Verdict.FAIL
    assert found.parts[0].verdict is Verdict.FAIL
    assert found.fail_log_e >= found.fail_log_needed == pytest.approx(math.log(400))
    assert "tolerated 1.5 times" in found.sentence
    assert "at least" in found.sentence
    assert found.eta_s is found.eta_best_s is None
    assert found.reasons[0] == "shown to have more than 1.5 times legacy's rate of errors"


def test_one_broken_client_does_not_fail_the_candidate():
    found = judged(traffic(0.05, 0.001, blocks=2), keys=2)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no FAIL before 5 errors from 3 distinct keys" in found.reasons
    assert judged(traffic(0.05, 0.001, blocks=2), keys=None).verdict is Verdict.FAIL


def test_four_errors_are_too_few_to_fail():
    blocks = [(10, 4, 1000, 0)]
    found = judged(arms(blocks))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert judged(arms([*blocks, (10, 1, 1000, 0)])).verdict is Verdict.FAIL


def test_a_late_change_is_found_before_the_ratio_of_the_whole_step_knows():
    early = traffic(0.001, 0.001, blocks=300)
    late = traffic(0.01, 0.001, blocks=18, seed=2)
    both = ArmBlocks(
        **{
            name: np.concatenate([getattr(early, name), getattr(late, name)])
            for name in ("n_c", "k_c", "n_l", "k_l")
        }
    )
    found = judged(both)
    assert found.verdict is Verdict.FAIL
    assert "shown to have" not in found.reasons[0]
    assert found.reasons[0].startswith("turned worse: more than 1.5 times")


def test_an_alarm_is_still_one_when_calm_returns():
    stormy = [(100, 12, 1900, 2)] * 2
    calm = [(100, 0, 1900, 2)] * 4000
    found = judged(arms(stormy + calm), planned=5000)
    assert found.verdict is Verdict.FAIL
    assert found.lower is not None


def test_an_alarm_without_a_bound_of_the_ratio_is_said_without_one():
    stormy = [(100, 12, 1900, 0)] * 2
    calm = [(1000, 0, 1000, 20)] * 2000
    found = judged(arms(stormy + calm), planned=5000)
    assert found.verdict is Verdict.FAIL
    assert found.lower is None or found.lower < GUIDE.rho_fail


def test_a_step_longer_than_planned_says_what_that_costs():
    found = judged(traffic(0.001, 0.001, blocks=360), planned=180)
    assert "up to 0.5 %" in found.reasons[0]


def test_bursts_ask_for_more():
    blocks = arms([(100, 3, 1900, 3)] * 2)
    assert judged(blocks).verdict is Verdict.FAIL
    assert judged(blocks, deff=3.0).verdict is Verdict.INCONCLUSIVE
    assert judged(traffic(0.001, 0.001, blocks=360), deff=9.0).verdict is Verdict.INCONCLUSIVE


def test_what_lacks_is_told_in_numbers():
    found = judged(traffic(0.001, 0.001, blocks=30))
    assert [what for what, _ in found.needed] == ["minimum", "requests_without_error", "seconds"]
    assert found.eta_best_s <= found.eta_s
    never = judged(arms([(100, 30, 1900, 570)] * 3), keys=1)
    assert never.needed_text.startswith("evidence") or never.needed


def test_the_shares_cancel_a_ramp_that_would_fool_totals():
    """At 50 % during an incident on both sides, the candidate collects half of its errors."""
    calm, incident = [(50, 0, 950, 1)] * 100, [(500, 25, 500, 25)] * 10
    assert judged(arms(calm + incident)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("weight", "rho"), [(5, 3), (25, 2), (49, 2), (50, 1.5), (100, 1.5)])
def test_the_guide_asks_for_more_at_higher_weights(weight, rho):
    assert rho_open(weight) == rho


@pytest.mark.parametrize(
    ("blocks", "more", "why"),
    [
        (arms([(10, 11, 10, 0)]), {}, "more bad requests of the candidate than requests"),
        (arms([(10, 1, 10, 11)]), {}, "more bad requests of legacy than requests"),
        (arms([(0, 1, 10, 0)]), {}, "more bad requests"),
        (arms([(-1, 0, 10, 0)]), {}, "negative"),
        (ArmBlocks(n_c=[1.0], k_c=[0], n_l=[1], k_l=[0]), {}, "not whole"),
        (ArmBlocks(n_c=differences([9, 5]), k_c=[0], n_l=[1], k_l=[0]), {}, "negative"),
        (arms([]), {"elapsed_s": math.nan}, "a window of nan"),
        (arms([]), {"deff": math.inf}, "a design effect"),
        (arms([]), {"keys": -1}, "-1 distinct keys"),
        (arms([]), {"keys": 1.5}, "1.5 distinct keys"),
        (arms([]), {"planned": 0}, "0 planned blocks"),
        (arms([]), {"planned": True}, "True planned blocks"),
    ],
)
def test_what_cannot_be_believed_is_an_error_and_says_why(blocks, more, why):
    found = judged(blocks, **more)
    assert found.verdict is Verdict.ERROR
    assert why in found.sentence


@pytest.mark.parametrize(
    "wrong",
    [
        {"rho_fail": 0},
        {"rho_open": math.nan},
        {"delta": 1},
        {"alpha_pass": 0},
        {"min_window_s": math.nan},
        {"min_requests": -1},
        {"min_fail_keys": -1},
        {"min_fail_events": 0},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(GUIDE, **wrong)


block = st.tuples(st.integers(0, 60), st.integers(0, 900)).flatmap(
    lambda n: st.tuples(
        st.just(n[0]),
        st.integers(0, min(n[0], 3)),
        st.just(n[1]),
        st.integers(0, min(n[1], 3)),
    )
)


@given(st.lists(block, max_size=20))
@settings(max_examples=40, deadline=None)
def test_evidence_is_finite_whatever_the_counts(rows):
    found = judged(arms(rows), policy=DEMO)
    assert found.verdict in {Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL}
    assert (found.verdict is Verdict.PASS) <= (found.n >= 200)


@given(st.lists(block, max_size=12), st.randoms())
@settings(max_examples=30, deadline=None)
def test_evidence_for_opening_does_not_depend_on_the_order_of_blocks(rows, random):
    found, other = judged(arms(rows)), judged(arms(random.sample(rows, len(rows))))
    assert found.log_e == pytest.approx(other.log_e, abs=1e-9)
    assert found.upper == pytest.approx(other.upper)


@given(st.integers(0, 120), st.integers(0, 120), st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_taking_clean_blocks_away_never_improves_the_verdict(blocks, more, errors):
    order = [Verdict.PASS, Verdict.INCONCLUSIVE]
    dirty, clean = [(20, errors, 180, 0)], [(20, 0, 180, 0)]
    full = judged(arms(dirty + clean * (blocks + more)), policy=DEMO, elapsed_s=60)
    less = judged(arms(dirty + clean * blocks), policy=DEMO, elapsed_s=60)
    assert order.index(less.verdict) >= order.index(full.verdict)


def test_a_healthy_candidate_is_hardly_ever_failed_however_often_one_looks():
    failed = 0
    for seed in range(20):
        blocks = traffic(0.002, 0.002, blocks=120, seed=seed)
        seen = [
            judged(
                ArmBlocks(
                    n_c=blocks.n_c[:t], k_c=blocks.k_c[:t], n_l=blocks.n_l[:t], k_l=blocks.k_l[:t]
                )
            )
            for t in range(10, 121, 10)
        ]
        failed += any(found.verdict is Verdict.FAIL for found in seen)
    assert failed == 0
