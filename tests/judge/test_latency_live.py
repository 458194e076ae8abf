import math
from dataclasses import replace

import pytest

from judge.latency_live import LatencyLivePolicy, judge_latency_live
from judge.verdict import Verdict
from tests.judge.build import arms, survives_json, traffic

GUIDE = LatencyLivePolicy()
SHARES = {"p50": 0.5, "p95": 0.05, "p99": 0.01}


def slow(times, *, blocks, **more):
    return {
        name: traffic(min(1, share * times), share, blocks=blocks, seed=seed, **more)
        for seed, (name, share) in enumerate(SHARES.items())
    }


def judged(counts, *, elapsed_s=None, keys=None, policy=GUIDE, planned=360, **more):
    if elapsed_s is None:
        elapsed_s = 10.0 * len(counts["p50"].n_c)
    return survives_json(
        judge_latency_live(
            slow=counts,
            slow_keys=keys,
            elapsed_s=elapsed_s,
            planned_blocks=planned,
            policy=policy,
            **more,
        )
    )


def test_no_requests_are_inconclusive():
    found = judged(dict.fromkeys(SHARES, arms([])), elapsed_s=0)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.sentence.startswith("no requests of both sides yet")
    assert found.parts[0].sentence == "p50: no requests of both sides yet"
    assert (found.value, found.eta_s) == (None, None)
    assert found.needed_text.startswith("evidence that p50, p95, p99 is no worse than legacy")


def test_a_faster_candidate_passes_at_every_threshold():
    found = judged(slow(0.5, blocks=360))
    assert found.verdict is Verdict.PASS
    assert [(part.name, part.verdict) for part in found.parts] == [
        (name, Verdict.PASS) for name in SHARES
    ]
    assert (found.eta_s, found.needed, found.progress) == (0, (), 1)
    assert found.reasons == ("shown to be slow no more often than legacy, within the limits",)


def test_a_candidate_slow_twice_as_often_fails():
    found = judged(slow(2, blocks=30))
    assert found.verdict is Verdict.FAIL
    assert "at least" in found.parts[0].sentence
    assert found.value > 1.1
    assert found.eta_s is None
    assert len(set(found.reasons)) == len(found.reasons)


def test_the_tail_alone_may_fail():
    counts = {**slow(0.5, blocks=120), "p99": slow(4, blocks=120)["p99"]}
    found = judged(counts)
    assert found.verdict is Verdict.FAIL
    assert [part.verdict for part in found.parts] == [Verdict.PASS, Verdict.PASS, Verdict.FAIL]
    assert found.limit == 1.5


def test_what_lacks_names_the_thresholds_behind():
    found = judged(slow(0.8, blocks=20))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needed[1][0] == "requests_not_slow"
    assert "none slower than" in found.needed_text


def test_slow_requests_of_few_keys_do_not_fail():
    counts = slow(2, blocks=30)
    few, many = dict.fromkeys(SHARES, 2), dict.fromkeys(SHARES, 3)
    assert judged(counts, keys=few).verdict is Verdict.INCONCLUSIVE
    assert judged(counts, keys={}).verdict is Verdict.INCONCLUSIVE
    assert judged(counts, keys=many).verdict is Verdict.FAIL


def test_bursts_and_strata_ask_for_more():
    counts = slow(0.6, blocks=36)
    assert judged(counts).log_e > judged(counts, deff={"p99": 4.0}).log_e
    worse = slow(2, blocks=5)
    assert judged(worse, strata_count=5).fail_log_needed == pytest.approx(
        judged(worse).fail_log_needed + math.log(5)
    )


def test_a_candidate_that_is_never_slow_has_no_upper_bound_to_show_too_early():
    counts = dict.fromkeys(SHARES, arms([(5, 0, 95, 0)] * 3))
    found = judged(counts)
    assert found.upper is None
    assert "no ratio yet" in found.sentence


def test_an_early_alarm_fails_also_when_the_bound_says_little():
    stormy, calm = [(100, 40, 1900, 0)] * 2, [(1000, 0, 1000, 600)] * 400
    found = judged(dict.fromkeys(SHARES, arms(stormy + calm)), planned=500)
    assert found.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"counts": {"p50": arms([]), "p95": arms([])}}, "nothing was counted above p99"),
        ({"counts": dict.fromkeys(SHARES, arms([(1, 2, 1, 0)]))}, "more bad requests"),
        ({"elapsed_s": -1}, "a window of -1"),
        ({"planned": 0}, "0 planned blocks"),
        ({"deff": {"p50": 0.5}}, "a design effect of 0.5"),
        ({"keys": {"p50": -1}}, "-1 distinct keys"),
    ],
)
def test_what_cannot_be_believed_is_an_error_and_says_why(change, why):
    found = judged(**{"counts": dict.fromkeys(SHARES, arms([])), "elapsed_s": 0, **change})
    assert found.verdict is Verdict.ERROR
    assert why in found.sentence


@pytest.mark.parametrize(
    "wrong",
    [
        {"rho": {}},
        {"rho": {"p50": 0.9}},
        {"rho": {"p50": math.nan}},
        {"alpha_pass": 1},
        {"min_window_s": -1},
        {"min_requests": -1},
        {"min_fail_keys": -1},
        {"min_fail_events": 0},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(GUIDE, **wrong)
