import math

import pytest

from judge import gate
from judge.counts import differences
from judge.evidence import Part
from judge.numerics import log_beta, smallest_factor
from judge.verdict import Verdict


def test_a_part_refuses_numbers_that_are_not_finite():
    with pytest.raises(ValueError, match="part p50 holds a number that is not finite"):
        Part(name="p50", verdict=Verdict.PASS, sentence="", lower=math.nan)


def test_the_fewest_is_found_and_never_beyond_reason():
    assert gate.fewest(lambda _: True) == 0
    assert gate.fewest(lambda m: m >= 1) == 1
    assert gate.fewest(lambda m: m >= 12_345) == 12_345
    assert gate.fewest(lambda _: False) is None


def test_a_running_counter_that_falls_gives_a_negative_count():
    assert differences([3, 5, 2]).tolist() == [2, -3]
    assert differences([]).tolist() == []


def test_beta_functions_stay_exact_where_log_gammas_cancel():
    assert log_beta(0.5, 0.5) == pytest.approx(math.log(math.pi))
    assert log_beta(0.5, 1e12) == pytest.approx(0.5 * math.log(math.pi / 1e12), rel=1e-12)


def test_a_forecast_may_be_coarser_than_a_bound():
    assert smallest_factor(lambda f: f >= 3, 10) == pytest.approx(3, rel=1e-2)


def minimums(**changes):
    return gate.Minimums(
        **{"elapsed_s": 60.0, "window_s": 0.0, "n": 10, "least": 0, "unit": "pairs", **changes}
    )


def test_a_forecast_is_the_slowest_of_what_lacks():
    assert minimums().forecast() == 0
    assert minimums().forecast(2.0, 3.0) == 120
    assert minimums(least=40).forecast(2.0) == 180
    assert minimums(window_s=600.0).forecast(2.0) == 540
    assert minimums().forecast(2.0, None) is None
    assert minimums(n=0).forecast(1.0) is None
    assert minimums(elapsed_s=0.0).forecast(1.0) is None
