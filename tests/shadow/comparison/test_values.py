import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.comparison.values import (
    PRESETS,
    close,
    compare_text,
    compare_values,
    seed_abs,
    topk,
)

numbers = st.one_of(st.integers(), st.floats())


def test_the_default_is_strict_and_takes_no_infinity():
    assert seed_abs([1.0], [1.00009])
    assert not seed_abs([0.0], [1e-4])
    assert not seed_abs([math.inf], [math.inf])
    assert not seed_abs([1.0], [1.0, 2.0])
    assert seed_abs([0.0], [-0.0])


def test_close_measures_from_legacy():
    assert close([1.0], [1.1], atol=0.0, rtol=0.1 + 1e-9)
    assert not close([1.0], [1.1], atol=0.0, rtol=0.0953)
    assert close([1.1], [1.0], atol=0.0, rtol=0.0953)
    assert not close([1.0], [1.0, 1.0], atol=1.0, rtol=1.0)


def test_close_knows_infinities_and_asks_about_nan():
    assert close([math.inf], [math.inf], atol=0.0, rtol=0.0)
    assert not close([math.inf], [-math.inf], atol=9.0, rtol=9.0)
    assert not close([math.inf], [1.0], atol=9.0, rtol=9.0)
    assert not close([math.nan], [math.nan], atol=9.0, rtol=9.0)
    assert close([math.nan], [math.nan], atol=0.0, rtol=0.0, nan_equal=True)
    assert not close([math.nan], [1.0], atol=9.0, rtol=9.0, nan_equal=True)


def test_integers_beyond_float_are_compared_as_they_are():
    assert not close([2**53], [2**53 + 1], atol=0.5, rtol=0.0)
    assert close([10**400], [10**400], atol=0.0, rtol=1e-4)


@given(st.lists(numbers), st.sampled_from(sorted(PRESETS)))
def test_everything_is_close_to_itself(values, preset):
    tolerance = PRESETS[preset]
    same = close(values, values, atol=tolerance.atol, rtol=tolerance.rtol, nan_equal=True)
    assert same


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


def test_texts_are_equal_up_to_their_unicode_form_and_outer_space():
    assert compare_text("café ", "\ncafe\u0301")
    assert not compare_text("Café", "café")
    assert not compare_text("a  b", "a b")
