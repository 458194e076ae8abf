import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.split import split_check
from judge.verdict import Verdict


def check(candidate, legacy, weight, **more):
    return split_check(candidate_keys=candidate, legacy_keys=legacy, weight=weight, **more)


def test_keys_that_fall_as_asked_agree():
    found = check(106, 1894, 0.05)
    assert found.agrees
    assert found.share == pytest.approx(0.053)
    assert found.sentence == "5.3 % of 2 000 keys on the candidate; asked 5 %; as asked"


def test_no_keys_agree_with_nothing_yet():
    found = check(0, 0, 0.05)
    assert (found.verdict, found.share, found.tolerance) == (Verdict.INCONCLUSIVE, None, 0)
    assert "no keys yet" in found.sentence


def test_too_few_keys_do_not_decide():
    assert check(1, 20, 0.05).verdict is Verdict.INCONCLUSIVE
    assert check(1, 20, 0.05, min_keys=20).agrees


def test_a_side_without_keys_is_waited_for():
    assert check(0, 60, 0.05).verdict is Verdict.INCONCLUSIVE
    assert check(60, 0, 0.95).verdict is Verdict.INCONCLUSIVE


def test_a_share_beyond_four_standard_errors_does_not_agree_yet():
    found = check(16, 84, 0.05)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "outside the tolerance" in found.sentence


def test_a_candidate_that_nobody_reaches_is_found_after_about_260_keys():
    assert check(0, 250, 0.05).verdict is Verdict.INCONCLUSIVE
    assert check(0, 270, 0.05).verdict is Verdict.ERROR


def test_twice_the_share_is_found():
    assert check(100, 900, 0.05).verdict is Verdict.ERROR


@pytest.mark.parametrize(("candidate", "legacy", "weight"), [(1, 200, 0.0), (200, 1, 1.0)])
def test_one_key_on_a_side_without_weight_is_an_error(candidate, legacy, weight):
    assert check(candidate, legacy, weight).verdict is Verdict.ERROR


@pytest.mark.parametrize(("candidate", "legacy", "weight"), [(0, 200, 0.0), (200, 0, 1.0)])
def test_all_keys_on_the_only_side_agree(candidate, legacy, weight):
    found = check(candidate, legacy, weight)
    assert found.agrees
    assert found.log_e is None


def test_negative_counts_are_an_error():
    assert check(-1, 5, 0.5).verdict is Verdict.ERROR
    assert check(5, -9, 0.5).share is None


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_an_impossible_weight_is_refused(weight):
    with pytest.raises(ValueError, match="share of one"):
        check(1, 1, weight)


@given(st.integers(0, 5000), st.integers(0, 5000), st.floats(0.01, 0.99))
def test_both_sides_are_judged_alike(candidate, legacy, weight):
    there, back = check(candidate, legacy, weight), check(legacy, candidate, 1 - weight)
    if abs(there.log_e - there.log_needed) > 1e-6:
        assert (there.verdict is Verdict.ERROR) == (back.verdict is Verdict.ERROR)
