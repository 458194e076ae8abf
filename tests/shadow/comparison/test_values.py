import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.comparison.numbers import PRESETS, Tolerance
from shadow.comparison.ranking import topk
from shadow.comparison.texts import compare_text
from shadow.comparison.values import compare_values, near

numbers = st.one_of(st.integers(), st.floats())


def close(a, b, **limits):
    return near(a, b, Tolerance(**{"atol": 0.0, "strict": False, **limits}))


def test_the_default_is_strict_and_takes_no_infinity():
    assert near(1.0, 1.00009, Tolerance())
    assert not near(0.0, 1e-4, Tolerance())
    assert not near(math.inf, math.inf, Tolerance())
    assert near(0.0, -0.0, Tolerance())


def test_close_measures_from_legacy():
    assert close(1.0, 1.1, rtol=0.1 + 1e-9)
    assert not close(1.0, 1.1, rtol=0.0953)
    assert close(1.1, 1.0, rtol=0.0953)


def test_close_knows_infinities_and_asks_about_nan():
    assert close(math.inf, math.inf)
    assert not close(math.inf, -math.inf, atol=9.0, rtol=0.9)
    assert not close(math.inf, 1.0, atol=9.0, rtol=0.9)
    assert not close(math.nan, math.nan, atol=9.0)
    assert close(math.nan, math.nan, nan_equal=True)
    assert not close(math.nan, 1.0, atol=9.0, nan_equal=True)


def test_integers_beyond_float_are_compared_as_they_are():
    assert not close(2**53, 2**53 + 1, atol=0.5)
    assert close(10**400, 10**400, rtol=1e-4)


@pytest.mark.parametrize("limits", [{"atol": -1.0}, {"atol": math.inf}, {"rtol": 1.0}])
def test_a_tolerance_that_allows_everything_or_nothing_is_refused(limits):
    with pytest.raises(ValueError, match="tol must be"):
        Tolerance(**limits)


@given(numbers, st.sampled_from(sorted(PRESETS)))
def test_everything_is_close_to_itself(value, preset):
    tolerance = PRESETS[preset]
    assert close(value, value, atol=tolerance.atol, rtol=tolerance.rtol, nan_equal=True)


def test_the_first_labels_count_in_order():
    assert topk(["cat", "dog"], ["cat", "fox"])
    assert not topk(["cat", "dog"], ["dog", "cat"])
    assert topk(["cat", "dog", "fox"], ["cat", "dog", "owl"], k=2)
    assert not topk(["cat", "dog"], ["cat"], k=2)
    assert not topk(["cat"], ["cat", "dog"], k=2)
    assert topk(["cat"], ["cat"], k=5)
    assert topk([], [])


def test_labels_that_are_tied_may_swap_also_across_the_last_place():
    labels, scores = ["cat", "dog", "fox"], [0.5, 0.4999, 0.1]
    assert topk(labels, ["dog", "cat", "fox"], k=3, scores=scores, tolerance=1e-3)
    assert topk(labels, ["dog", "cat", "fox"], k=1, scores=scores, tolerance=1e-3)
    assert not topk(labels, ["dog", "dog", "fox"], k=2, scores=scores, tolerance=1e-3)
    assert not topk(labels, ["fox", "cat", "dog"], k=1, scores=scores, tolerance=1e-3)
    assert not topk(labels, ["dog", "cat", "fox"], k=2, scores=scores)


def test_rules_are_chosen_by_name():
    assert compare_values("topk", [3, 1], [3, 1])
    assert not compare_values("topk", [3, 1], [3, 1, 2])
    assert not compare_values("topk", [3, 1], [1, 3])
    with pytest.raises(ValueError, match="no such rule"):
        compare_values("magic", [1], [1])
    with pytest.raises(ValueError, match="could not convert"):
        compare_values("close", ["x"], [1])
    assert not compare_values("seed_abs", [1.0], [1.0, 2.0])
    assert not compare_values("close", [1.0], [1.0, 2.0], atol=1.0)


def test_texts_are_equal_up_to_their_unicode_form_and_outer_space():
    assert compare_text("café ", "\ncafe\u0301")
    assert not compare_text("Café", "café")
    assert not compare_text("a  b", "a b")
