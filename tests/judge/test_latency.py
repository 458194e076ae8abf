import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge import arrays, histogram, quantiles
from judge.latency import Latencies, LatencyPolicy, judge_latency, quantile_interval
from judge.verdict import Verdict
from tests.judge.build import latencies, survives_json

GUIDE = LatencyPolicy()
FIRST = (0.5, 0.9, 0.95, 0.99)


def judged(legacy, candidate, *, required=FIRST, elapsed_s=3600, policy=GUIDE, **more):
    return survives_json(
        judge_latency(
            legacy=legacy,
            candidate=candidate,
            required=required,
            elapsed_s=elapsed_s,
            policy=policy,
            **more,
        )
    )


def test_no_latencies_are_inconclusive():
    found = judged(Latencies(), Latencies())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.sentence == "no latencies of both sides yet"
    assert (found.parts, found.value, found.needed) == ((), None, (("minimum", 1000.0),))


def test_legacy_alone_is_inconclusive():
    found = judged(latencies(1, 4000), Latencies())
    assert (found.verdict, found.parts, found.n) == (Verdict.INCONCLUSIVE, (), 2000)


def test_a_faster_candidate_passes_and_each_percentile_says_so():
    found = judged(latencies(1, 40_000), latencies(0.8, 40_000, seed=2))
    assert found.verdict is Verdict.PASS
    assert [part.name for part in found.parts] == ["p50", "p90", "p95", "p99", "p99.9"]
    assert [part.verdict for part in found.parts[:4]] == [Verdict.PASS] * 4
    assert [part.required for part in found.parts] == [True] * 4 + [False]
    assert "p99.9" in found.sentence
    assert "(not required yet)" in found.sentence
    assert found.parts[0].upper < 1
    assert found.reasons == ("shown to be faster at p50, p90, p95, p99",)
    assert found.eta_s == 0


def test_the_slowest_thousandth_is_asked_for_when_it_is_required():
    sides = latencies(1, 40_000), latencies(0.8, 40_000, seed=2)
    found = judged(*sides, required=(*FIRST, 0.999))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needed[0][0] == "requests"
    assert 0 < found.eta_s < 36_000


def test_a_slower_candidate_fails():
    found = judged(latencies(1, 40_000), latencies(1.2, 40_000, seed=2))
    assert found.verdict is Verdict.FAIL
    assert found.reasons[0].startswith("shown to be slower than legacy at p50, p90, p95")
    assert found.value > 1
    assert (found.eta_s, found.needed) == (None, ())


def test_equal_sides_never_pass_and_say_that_no_time_helps():
    found = judged(latencies(1, 200_000), latencies(1, 200_000, seed=2))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.eta_s is None
    assert found.needed_text == "evidence that p50, p90, p95, p99 is faster than legacy's"


def test_faster_on_average_but_slow_at_the_end_does_not_pass():
    slow_end = latencies(0.5, 40_000, seed=2)
    histogram.add(slow_end.odd, 5_000_000, 1000)
    found = judged(latencies(1, 40_000), slow_end)
    assert found.verdict is Verdict.FAIL
    assert found.parts[0].verdict is Verdict.PASS
    assert found.parts[3].verdict is Verdict.FAIL


def test_an_advantage_within_one_bucket_is_never_proved():
    same = {500: 10**7}
    found = judged(Latencies(even=same), Latencies(odd=same))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.log_e < -20


def test_a_margin_must_be_beaten_and_a_negative_one_tolerates():
    sides = latencies(1, 200_000), latencies(0.95, 200_000, seed=2)
    assert judged(*sides, required=(0.5, 0.9)).verdict is Verdict.PASS
    asked = judged(*sides, required=(0.5, 0.9), policy=replace(GUIDE, margin=10))
    assert asked.verdict is Verdict.INCONCLUSIVE
    assert asked.limit == pytest.approx(1.01**-10)
    slower = latencies(1, 200_000), latencies(1.03, 200_000, seed=2)
    assert judged(*slower, required=(0.5,)).verdict is Verdict.FAIL
    tolerant = judged(*slower, required=(0.5,), policy=replace(GUIDE, margin=-8))
    assert tolerant.verdict is Verdict.PASS


def test_bursts_and_strata_ask_for_more():
    sides = latencies(1, 20_000), latencies(0.8, 20_000, seed=2)
    assert judged(*sides).verdict is Verdict.PASS
    assert judged(*sides, deff={0.99: 4.0}).verdict is Verdict.INCONCLUSIVE
    back = judged(sides[1], sides[0])
    assert back.verdict is Verdict.FAIL
    many = judged(sides[1], sides[0], strata_count=100)
    assert many.fail_log_needed == pytest.approx(back.fail_log_needed + math.log(100))


def test_window_and_warming_are_shown():
    sides = latencies(1, 20_000), latencies(0.8, 20_000, seed=2, warming=77)
    found = judged(*sides, elapsed_s=600, policy=replace(GUIDE, min_window_s=3600))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needed == (("seconds", 3000.0),)
    assert found.reasons[-1] == "77 latencies of instances that had just started left out"
    assert found.sentence.endswith("window 10 of 60 min")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"table": "us-2pct-v1"}, "edge table"),
        ({"even": {5: -1}}, "a count of latencies that is none"),
        ({"even": {5: 1.5}}, "a count of latencies that is none"),
        ({"odd": {1628: 1}}, "a bucket that does not exist"),
        ({"odd": {0.5: 1}}, "a bucket that does not exist"),
        ({"odd": {5: 10**12 + 1}}, "more than 1 000 000 000 000 latencies"),
        ({"odd": {5: 100}, "rejected": 1}, "are no durations"),
        ({"rejected": -1}, "a count of latencies that is none"),
    ],
)
def test_what_cannot_be_believed_is_an_error_and_says_why(wrong, why):
    for sides in ((Latencies(**wrong), Latencies()), (Latencies(), Latencies(**wrong))):
        found = judged(*sides)
        assert found.verdict is Verdict.ERROR
        assert why in found.sentence


def test_a_window_or_design_effect_that_cannot_be_is_an_error():
    assert judged(Latencies(), Latencies(), elapsed_s=math.nan).verdict is Verdict.ERROR
    assert judged(Latencies(), Latencies(), deff={0.5: 0.0}).verdict is Verdict.ERROR


@pytest.mark.parametrize("required", [(), (0.75,)])
def test_percentiles_that_the_policy_lacks_cannot_be_required(required):
    with pytest.raises(ValueError, match="required"):
        judged(Latencies(), Latencies(), required=required)


@pytest.mark.parametrize(
    "wrong",
    [
        {"taus": ()},
        {"taus": (1.0,)},
        {"margin": 5000},
        {"max_rejected": 1},
        {"alpha_fail": 0},
        {"min_window_s": -1},
        {"min_samples": 0},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(GUIDE, **wrong)


counts = st.lists(st.integers(0, 400), min_size=3, max_size=90)


@given(counts, counts, st.sampled_from([0.5, 0.9, 0.99]), st.integers(-5, 5))
@settings(max_examples=60)
def test_looking_only_where_it_matters_finds_the_least_evidence(cand, leg, tau, margin):
    size = min(len(cand), len(leg))
    cand, leg = np.array(cand[:size]), np.array(leg[:size])
    at = np.clip(np.arange(size) - margin, 0, size - 1)
    c = np.concatenate([[0.0], np.cumsum(cand)])[at]
    above = arrays.log_e_above(float(cand.sum()), c, tau, 0.5)
    below = arrays.log_e_below(float(leg.sum()), np.cumsum(leg).astype(float), tau)
    found = quantiles.quantile_better_log_e(cand, leg, tau, margin)
    assert found == pytest.approx((above + below).min(), abs=1e-9)


@given(counts, counts, st.sampled_from([0.5, 0.9]))
@settings(max_examples=40)
def test_both_sides_are_never_shown_faster_than_each_other(cand, leg, tau):
    size = min(len(cand), len(leg))
    there = quantiles.quantile_better_log_e(cand[:size], leg[:size], tau)
    back = quantiles.quantile_better_log_e(leg[:size], cand[:size], tau)
    assert min(there, back) < math.log(100)


@given(st.lists(st.integers(0, 600_000_000), max_size=300), st.floats(0.01, 0.99))
@settings(max_examples=40)
def test_the_interval_holds_the_quantile_that_is_shown(values, tau):
    seen = {}
    histogram.add_many(seen, values)
    lower, upper = quantile_interval(seen, tau, 0.05)
    shown = histogram.quantile(seen, tau)
    assert lower is None or lower < shown
    assert upper is None or upper >= shown


def test_an_interval_may_begin_at_nothing_and_end_in_the_overflow():
    assert quantile_interval({0: 100_000}, 0.5, 0.05) == (0, 1)
    lower, upper = quantile_interval({histogram.OVERFLOW: 100_000}, 0.5, 0.05)
    assert (lower, upper) == (602_626_220, None)
    assert (
        judged(Latencies(even={0: 100_000}), Latencies(odd={histogram.OVERFLOW: 100_000})).verdict
        is Verdict.FAIL
    )


@pytest.mark.parametrize("n", [1, 10, 1000])
@pytest.mark.parametrize("tau", [0.1, 0.5, 0.999])
def test_ranks_enclose_the_rank_of_the_quantile(n, tau):
    low, high = quantiles.quantile_ranks(n, tau, 0.05)
    assert -1 <= low <= n * tau <= high <= n + 1


def test_a_forecast_needs_both_sides():
    assert quantiles.forecast_factor([0, 0], [5, 5], 0.5, 0, 4.6) is None
    assert quantiles.forecast_factor([5, 5], [0, 0], 0.5, 0, 4.6) is None


@given(st.integers(2000, 20_000), st.integers(0, 20_000))
@settings(max_examples=15, deadline=None)
def test_more_of_the_same_never_worsens_the_verdict_of_a_faster_candidate(n, more):
    order = [Verdict.PASS, Verdict.INCONCLUSIVE]
    cand, leg = {400: 9, 500: 1}, {480: 9, 520: 1}
    part, whole = (
        judged(
            Latencies(even={b: k * size for b, k in leg.items()}),
            Latencies(odd={b: k * size for b, k in cand.items()}),
            required=(0.5,),
        )
        for size in (n // 10, (n + more) // 10)
    )
    assert order.index(whole.verdict) <= order.index(part.verdict)
