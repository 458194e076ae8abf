import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge import difference, late, ratio

segment = st.tuples(st.integers(0, 20), st.integers(0, 20), st.floats(0.01, 0.99))
series = st.lists(segment, max_size=20)
rhos = st.floats(0.5, 4)


def columns(rows):
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], []]


@given(series, rhos, st.booleans(), st.randoms())
def test_segments_in_any_order_are_the_same_evidence(rows, rho, better, random):
    shuffled = random.sample(rows, len(rows))
    found = ratio.ratio_log_e(*columns(rows), rho, better)
    assert ratio.ratio_log_e(*columns(shuffled), rho, better) == pytest.approx(found, abs=1e-9)


@given(series, rhos)
def test_segments_of_one_share_merge(rows, rho):
    rows = [(kc, kb, 0.25) for kc, kb, _ in rows]
    kc, kb, w = columns(rows)
    for better in (False, True):
        merged = ratio.ratio_log_e([sum(kc)], [sum(kb)], [0.25], rho, better)
        assert ratio.ratio_log_e(kc, kb, w, rho, better) == pytest.approx(merged, abs=1e-9)


@given(series)
def test_swapping_the_sides_turns_better_into_worse(rows):
    kc, kb, w = columns(rows)
    there = ratio.ratio_log_e(kc, kb, w, 1.0, better=True)
    back = ratio.ratio_log_e(kb, kc, [1 - share for share in w], 1.0, better=False)
    assert there == pytest.approx(back, abs=1e-9)


@given(series, rhos)
def test_empty_sides_say_nothing(rows, rho):
    kc, kb, w = columns(rows)
    for better in (False, True):
        found = ratio.ratio_log_e(kc, kb, w, rho, better)
        padded = ratio.ratio_log_e([*kc, 0, 7], [*kb, 9, 0], [*w, 0.0, 1.0], rho, better)
        assert padded == pytest.approx(found, abs=1e-9)


@given(series)
def test_bounds_agree_with_the_evidence(rows):
    kc, kb, w = columns(rows)
    upper, lower = ratio.ratio_upper(kc, kb, w, 0.01), ratio.ratio_lower(kc, kb, w, 0.01)
    assert upper is None or lower <= upper
    if upper is not None and 1e-5 < upper < 1e5:
        assert ratio.ratio_log_e(kc, kb, w, upper * 1.001, True) >= math.log(100)
        assert ratio.ratio_log_e(kc, kb, w, upper / 1.001, True) <= math.log(100)
    if lower > 1e-5:
        assert ratio.ratio_log_e(kc, kb, w, lower / 1.001, False) >= math.log(100)


def test_pooling_many_segments_hardly_moves_a_bound():
    source = np.random.default_rng(1)
    n_c, n_l = source.poisson(100, 4000), source.poisson(1900, 4000)
    kc, kb, w = source.binomial(n_c, 0.02), source.binomial(n_l, 0.01), n_c / (n_c + n_l)
    upper = ratio.ratio_upper(kc, kb, w, 0.01)
    assert ratio.ratio_log_e(kc, kb, w, upper, True) == pytest.approx(math.log(100), abs=1e-3)


def test_pooling_segments_of_one_share_is_possible():
    assert ratio.ratio_upper([1] * 600, [2] * 600, [0.5] * 600, 0.01) < 1


@pytest.mark.parametrize(
    ("kc", "kb", "w", "why"),
    [
        ([1], [0], [0.0], "without requests"),
        ([0], [1], [1.0], "without requests"),
        ([0], [1], [1.1], "between 0 and 1"),
        ([0], [1], [math.nan], "between 0 and 1"),
        ([-1], [1], [0.5], "negative"),
        ([math.nan], [1], [0.5], "negative"),
    ],
)
def test_segments_that_cannot_be_are_refused(kc, kb, w, why):
    with pytest.raises(ValueError, match=why):
        ratio.ratio_log_e(kc, kb, w, 1.5, better=False)


@given(series, rhos)
def test_the_late_detector_is_its_recursion(rows, rho):
    kc, kb, w = columns(rows)
    terms = ratio.log_terms(*ratio.segments(kc, kb, w), rho, better=False)
    sums = np.zeros(14)
    for term in terms:
        sums = (sums + 1) * np.exp(term)
    level, _ = late.e_sr(kc, kb, w, rho, 0.005, 100)
    assert math.exp(level) == pytest.approx(sums.mean(), rel=1e-9)


def test_an_alarm_stays_the_first_one():
    kc, kb = [0, 0, 6, 6, 0, 0], [1, 1, 0, 0, 0, 0]
    level, alarm = late.e_sr(kc, kb, [0.05] * 6, 1.5, 0.005, 720)
    assert alarm == 2
    assert late.e_sr(kc[:3], kb[:3], [0.05] * 3, 1.5, 0.005, 720)[1] == 2
    assert level > 0


@pytest.mark.parametrize(("alpha", "planned"), [(0, 10), (1, 10), (0.01, 0), (math.nan, 10)])
def test_a_detector_without_a_plan_is_refused(alpha, planned):
    with pytest.raises(ValueError, match="planned blocks"):
        late.e_sr([0], [0], [0.5], 1.5, alpha, planned)


counts = st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(counts, counts, st.floats(0, 0.2))
def test_the_difference_is_shown_exactly_when_its_bound_is_below(candidate, legacy, delta):
    evidence = difference.diff_log_e(*candidate, *legacy, delta)
    assert math.isfinite(evidence)
    upper = difference.diff_upper(*candidate, *legacy, 0.01)
    if abs(evidence - math.log(100)) > 1e-3:
        assert (evidence >= math.log(100)) == (upper <= delta)
    assert difference.diff_lower(*candidate, *legacy, 0.01) <= upper


@given(counts, counts, st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_a_wider_margin_of_the_difference_is_shown_more_easily(candidate, legacy, one, other):
    low, high = sorted((one, other))
    narrow, wide = (difference.diff_log_e(*candidate, *legacy, d) for d in (low, high))
    assert narrow <= wide + 1e-7


def test_one_side_alone_shows_no_difference():
    assert difference.diff_log_e(0, 0, 100, 1, 0.01) == 0
    assert difference.diff_log_e(100, 1, 0, 0, 0.01) == 0
    assert difference.diff_upper(0, 0, 10, 0, 0.01) == 1
