import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge import arrays, rates
from judge.design_effect import UNKNOWN, deff, deff_of_history

counts = st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(counts, st.floats(1e-5, 0.999))
def test_many_at_once_are_what_one_by_one_are(nk, p0):
    n, k = nk
    below = arrays.log_e_below(float(n), np.array([float(k)]), p0)
    above = arrays.log_e_above(float(n), np.array([float(k)]), p0, 0.5)
    rounding = 1e-9 + 1e-15 * n
    assert below[0] == pytest.approx(rates.log_e_below(n, k, p0), rel=1e-10, abs=rounding)
    assert above[0] == pytest.approx(rates.log_e_above(n, k, p0, 0.5), rel=1e-10, abs=rounding)


def test_where_the_tails_underflow_evidence_stays_finite_in_either_form():
    for n, k, p0 in ((1e9, 1e8, 0.001), (1e9, 0.0, 0.5)):
        below = arrays.log_e_below(n, np.array([k]), p0)[0]
        above = arrays.log_e_above(n, np.array([k]), p0, 0.5)[0]
        assert math.isfinite(below)
        assert math.isfinite(above)
        assert below == pytest.approx(rates.log_e_below(n, k, p0), rel=1e-7)
        assert above == pytest.approx(rates.log_e_above(n, k, p0, 0.5), rel=1e-7)


@pytest.mark.parametrize(
    ("n_b", "k_b"),
    [([], []), ([10], [3]), ([10, 10], [0, 0]), ([10, 10], [10, 10]), ([0, 9], [0, 1])],
)
def test_a_spread_that_cannot_be_told_inflates_nothing(n_b, k_b):
    assert deff(n_b, k_b) == 1.0


def test_bursts_of_mean_m_inflate_by_two_m_minus_one():
    source = np.random.default_rng(3)
    bursts = source.poisson(0.5, 40_000)
    events = np.array([source.geometric(0.25, count).sum() for count in bursts])
    assert deff(np.full(40_000, 10_000), events) == pytest.approx(2 * 4 - 1, rel=0.1)


def test_a_thin_history_is_taken_for_two():
    assert deff_of_history([100] * 10, [4] * 10) == UNKNOWN
    assert deff_of_history([100] * 10, [5] * 10) == 1.0
