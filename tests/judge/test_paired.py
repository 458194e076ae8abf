import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.paired import paired_log_e, paired_lower, paired_upper

few = st.integers(0, 200)
many = st.integers(0, 100_000)
deltas = st.floats(-0.5, 0.5)
LN100 = math.log(100)


@given(few, many, few, deltas, deltas)
def test_a_wider_margin_is_shown_more_easily(plus, zero, minus, one, other):
    low, high = sorted((one, other))
    narrow, wide = (paired_log_e(plus, zero, minus, delta) for delta in (low, high))
    assert narrow <= wide + 1e-9


@given(few, many, few, deltas)
def test_the_bound_never_contradicts_the_evidence(plus, zero, minus, delta):
    evidence, bound = paired_log_e(plus, zero, minus, delta), paired_upper(plus, zero, minus, 0.01)
    if abs(evidence - LN100) > 1e-6:
        assert (evidence >= LN100) == (bound <= delta)


@given(few, many, few)
def test_swapped_sides_have_swapped_bounds(plus, zero, minus):
    assert paired_lower(plus, zero, minus, 0.01) == -paired_upper(minus, zero, plus, 0.01)
    assert paired_lower(plus, zero, minus, 0.01) <= paired_upper(plus, zero, minus, 0.01)


def test_nothing_bounds_without_pairs():
    assert paired_upper(0, 0, 0, 0.01) == 1
    assert paired_lower(0, 0, 0, 0.01) == -1


def test_clean_pairs_pass_at_the_published_number():
    assert paired_log_e(0, 7140, 0, 0.001) == pytest.approx(LN100, rel=2e-3)
