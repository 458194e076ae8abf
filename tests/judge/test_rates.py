import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge import numerics, rates
from judge.verdict import Verdict

counts = st.integers(0, 10**6).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
shares = st.floats(1e-5, 0.3)
alphas = st.sampled_from([0.001, 0.01, 0.05, 0.5])


@pytest.mark.parametrize(("alpha", "n"), [(0.05, 3787), (0.01, 5585), (0.001, 8069)])
def test_clean_pairs_pass_exactly_at_the_published_number(alpha, n):
    assert rates.rate_gate(n, 0, 0.001, alpha, alpha) is Verdict.PASS
    assert rates.rate_gate(n - 1, 0, 0.001, alpha, alpha) is Verdict.INCONCLUSIVE
    assert rates.min_samples(0, 0.001, alpha) == n


@given(counts, shares, alphas)
def test_the_bound_on_the_screen_never_contradicts_the_decision(nk, p0, alpha):
    n, k = nk
    evidence, needed = rates.log_e_below(n, k, p0), rates.log_needed(alpha)
    if abs(evidence - needed) > 1e-6:
        assert (evidence >= needed) == (rates.rate_upper(n, k, alpha) <= p0)


@given(counts, shares, alphas)
def test_bounds_enclose_the_observed_rate(nk, p0, alpha):
    n, k = nk
    rate = k / n if n else 0.0
    lower, upper = rates.rate_cs(n, k, alpha)
    assert 0 <= lower <= rate + 1e-12 <= upper + 2e-12 <= 1 + 2e-12
    assert rates.rate_lower(n, k, alpha, "gate", p0) <= rate + 1e-12
    assert rates.rate_upper(n, k, alpha) >= rate - 1e-12


@given(counts, shares)
def test_one_more_mismatch_never_helps(nk, p0):
    n, k = nk
    if k < n:
        assert rates.log_e_below(n, k + 1, p0) <= rates.log_e_below(n, k, p0) + 1e-9


@given(counts, shares)
def test_evidence_is_finite_up_to_the_corners(nk, p0):
    assert math.isfinite(rates.log_e_below(*nk, p0))
    assert math.isfinite(rates.log_e_above(*nk, p0))


def test_nothing_observed_is_no_evidence():
    assert rates.log_e_below(0, 0, 0.001) == pytest.approx(0, abs=1e-12)
    assert rates.log_e_above(0, 0, 0.001) == pytest.approx(0, abs=1e-12)


def test_evidence_stays_finite_where_the_tails_underflow():
    assert rates.log_e_below(10**9, 10**8, 0.001) < 0
    assert rates.log_e_above(10**9, 0, 0.01) < 0
    assert math.isfinite(numerics.log_upper_tail(0.5, 1e9, 0.5))


@pytest.mark.parametrize(
    ("n", "k", "deff"), [(10, 11, 1), (-1, 0, 1), (10, -1, 1), (math.nan, 0, 1), (10, 1, 0.5)]
)
def test_counts_that_cannot_be_are_an_error(n, k, deff):
    assert rates.rate_gate(n, k, 0.001, 0.01, 0.01, deff) is Verdict.ERROR


def test_four_mismatches_are_too_few_to_fail():
    assert rates.rate_gate(40, 4, 0.001, 0.01, 0.01) is Verdict.INCONCLUSIVE
    assert rates.rate_gate(40, 5, 0.001, 0.01, 0.01) is Verdict.FAIL


def test_forecast_is_never_at_a_rate_above_the_limit():
    assert rates.eta_samples(1000, 5, 0.001, 0.01) is None
    assert rates.eta_samples(0, 0, 0.001, 0.01) is None


def test_forecast_gives_up_when_the_rate_is_all_but_the_limit():
    assert rates.eta_samples(1000, 0.50049, 0.001, 0.01) is None


@pytest.mark.parametrize("alpha", [0, -1, 0.6, math.nan])
def test_an_impossible_alpha_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha"):
        rates.rate_upper(10, 1, alpha)
