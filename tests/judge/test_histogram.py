import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge import histogram
from judge.verdict import Verdict, worst

durations = st.lists(st.integers(0, 700_000_000), max_size=200)


def counted(values):
    found = {}
    histogram.add_many(found, values)
    return found


@given(st.integers(0, 700_000_000))
def test_a_duration_lies_in_its_bucket(us):
    edges, bucket = histogram.edges(), histogram.hist_bucket(us)
    assert bucket == np.searchsorted(edges, us, side="left")
    assert bucket == 0 or edges[bucket - 1] < us
    assert bucket == histogram.OVERFLOW or us <= edges[bucket]


def test_a_part_of_a_microsecond_is_dropped():
    assert histogram.hist_bucket(100.9) == histogram.hist_bucket(100)


def test_no_answer_is_the_slowest_of_all():
    assert histogram.hist_bucket(math.inf) == histogram.OVERFLOW


@pytest.mark.parametrize("us", [-1, -0.5, math.nan, -math.inf])
def test_what_is_no_duration_is_refused(us):
    with pytest.raises(ValueError, match="not a duration"):
        histogram.hist_bucket(us)


@given(durations)
def test_one_by_one_and_all_at_once_count_the_same(values):
    single = {}
    for value in values:
        histogram.add(single, value)
    assert single == counted(values)


def test_negative_durations_are_rejected_and_counted():
    found = {}
    assert histogram.add_many(found, [-5, 1, 1]) == 1
    assert found == {0: 2}


@given(durations, durations)
def test_merging_is_adding(left, right):
    assert histogram.merge([counted(left), counted(right)]) == counted(left + right)


@given(durations)
def test_the_wire_brings_a_histogram_back(values):
    found = counted(values)
    assert histogram.from_wire(histogram.to_wire(found)) == found
    assert histogram.total(found) == len(values) == histogram.dense(found).sum()


@pytest.mark.parametrize(
    "counts",
    [{"1628": 1}, {"-1": 1}, {"+1": 1}, {"01": 1}, {"x": 1}, {"²": 1}, {"1" * 9: 1}],
)
def test_a_bucket_that_does_not_exist_is_refused(counts):
    with pytest.raises(ValueError, match="no such bucket"):
        histogram.from_wire(counts)


@pytest.mark.parametrize("count", [-1, 1.0, True, "1", None])
def test_a_count_that_is_none_is_refused(count):
    with pytest.raises(ValueError, match="not a count"):
        histogram.from_wire({"1": count})


def test_another_edge_table_is_refused():
    with pytest.raises(ValueError, match="edge table"):
        histogram.from_wire({}, table="us-2pct-v1")


@given(st.lists(st.integers(0, 600_000_000), min_size=1, max_size=100), st.floats(0, 1))
def test_a_quantile_is_right_within_one_bucket(values, q):
    true = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
    edge = histogram.edges()[histogram.hist_bucket(true)]
    assert histogram.quantile(counted(values), q) == edge


def test_quantiles_in_the_overflow_show_the_largest_duration_seen():
    late = {histogram.OVERFLOW: 1}
    assert histogram.quantile(late, 0.5, max_us=700_000_000) == 700_000_000
    assert histogram.quantile(late, 0.5) == 602_626_220


def test_nothing_counted_has_no_quantile():
    assert histogram.quantile({}, 0.5) is None
    with pytest.raises(ValueError, match="not a quantile"):
        histogram.quantile({}, 1.5)


def test_the_table_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        histogram.edges()[0] = 7


def test_no_verdicts_are_inconclusive_and_the_worst_wins():
    assert worst([]) is Verdict.INCONCLUSIVE
    assert worst([Verdict.PASS, Verdict.PASS]) is Verdict.PASS
    assert worst([Verdict.PASS, Verdict.INCONCLUSIVE]) is Verdict.INCONCLUSIVE
    assert worst([Verdict.ERROR, Verdict.INCONCLUSIVE]) is Verdict.ERROR
    assert worst([Verdict.FAIL, Verdict.ERROR, Verdict.PASS]) is Verdict.FAIL
