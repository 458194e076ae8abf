import math
from dataclasses import replace

import pytest

from judge.split_gate import SplitCounts, SplitPolicy, effective_keys, judge_split
from judge.verdict import Verdict
from tests.judge.build import survives_json

GUIDE = SplitPolicy()


def judged(candidate=106, legacy=1894, weight=0.05, *, elapsed_s=60, policy=GUIDE, **more):
    counts = SplitCounts(candidate_keys=candidate, legacy_keys=legacy, weight=weight, **more)
    return survives_json(judge_split(counts=counts, elapsed_s=elapsed_s, policy=policy))


def test_keys_that_fall_as_asked_pass():
    found = judged()
    assert found.verdict is Verdict.PASS
    assert found.value == pytest.approx(0.053)
    assert found.lower < found.value < found.upper
    assert (found.progress, found.eta_s, found.reasons, found.needed) == (1, 0, (), ())
    assert found.sentence == "5.3 % of 2 000 keys on the candidate; asked 5 %; as asked"


def test_too_few_keys_wait_for_more():
    found = judged(1, 24)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needed == (("keys", 25),)
    assert found.eta_s == 60
    assert found.progress == 0.5
    nobody = judged(0, 0)
    assert (nobody.eta_s, nobody.value, nobody.lower) == (None, None, None)


def test_an_unlikely_share_waits_without_a_number():
    found = judged(16, 84)
    assert (found.verdict, found.needed, found.eta_s) == (Verdict.INCONCLUSIVE, (), None)


def test_a_broken_split_is_an_error_never_a_fail():
    found = judged(0, 300)
    assert found.verdict is Verdict.ERROR
    assert found.fail_log_e >= found.fail_log_needed
    assert judged(1, 200, 0.0).verdict is Verdict.ERROR
    assert judged(200, 0, 1.0).verdict is Verdict.PASS


def test_keys_on_both_sides_are_borne_for_a_while():
    assert judged(flips=2, flips_for_s=30).verdict is Verdict.PASS
    found = judged(flips=2, flips_for_s=31)
    assert found.verdict is Verdict.ERROR
    assert found.reasons == ("2 keys were seen on both sides",)


def test_many_more_requests_than_asked_are_an_error_after_a_while():
    assert judged(request_share=0.2, exposed_for_s=300).verdict is Verdict.PASS
    found = judged(request_share=0.2, exposed_for_s=301)
    assert found.verdict is Verdict.ERROR
    assert found.reasons == ("20 % of the requests reach the candidate, at most 15 % may",)
    assert judged(request_share=0.14, exposed_for_s=9999).verdict is Verdict.PASS


def test_an_unusual_volume_is_a_warning_only():
    found = judged(request_share=0.2, effective_keys=400.0)
    assert found.verdict is Verdict.PASS
    assert "unusual" in found.reasons[0]
    assert judged(request_share=0.06, effective_keys=400.0).reasons == ()


def test_heavy_users_count_as_few():
    assert effective_keys([1] * 100) == 100
    assert effective_keys([1000, 1, 1]) == pytest.approx(1, abs=0.01)
    assert effective_keys([]) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidate": -1},
        {"legacy": 1.5},
        {"weight": math.nan},
        {"weight": 1.1},
        {"flips": -1},
        {"flips_for_s": math.nan},
        {"exposed_for_s": -1},
        {"request_share": 1.5},
        {"effective_keys": 0.0},
        {"elapsed_s": math.inf},
    ],
)
def test_what_cannot_be_believed_is_an_error(wrong):
    found = judged(**wrong)
    assert found.verdict is Verdict.ERROR
    assert found.sentence.startswith("the counts cannot be believed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0},
        {"min_keys": 0},
        {"exposure_factor": 0.5},
        {"flips_s": -1},
        {"exposure_s": math.nan},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(GUIDE, **wrong)
