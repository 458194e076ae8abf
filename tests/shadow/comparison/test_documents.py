"""How two JSON answers compare: STATISTICS section 9, one promise each."""

import json
import math
from pathlib import Path

import pytest

from shadow.comparison import Rules, signature
from shadow.comparison.differences import NumberDiffers
from shadow.comparison.report import MAX_DIFFERENCES, MAX_PER_SIGNATURE
from tests.shadow.comparison.build import kinds, outcome

VECTORS = json.loads((Path(__file__).parents[2] / "judge" / "vectors.json").read_text())
SEED_ABS = [
    (case["in"]["legacy"], case["in"]["candidate"], case["out"])
    for case in VECTORS["groups"]["compare"]["cases"]
    if case["in"]["rule"] == "seed_abs"
]


@pytest.mark.parametrize(("legacy", "candidate", "equal"), SEED_ABS)
def test_the_default_rule_agrees_with_the_vectors(legacy, candidate, equal):
    def numbers(values):
        return [float(value) for value in values]

    found = outcome(numbers(legacy), numbers(candidate))
    assert (found.kind == "match") is equal


def test_the_tolerance_is_strict_and_in_float64():
    assert outcome([1.0], [1.00009999]).kind == "match"
    assert outcome([0.0], [1e-4]).kind == "mismatch"
    assert outcome([1.0], [1.5], Rules(atol=0.5)).kind == "mismatch"
    assert outcome([1.0], [1.5], Rules(atol=0.51)).kind == "match"


def test_without_tolerance_only_equal_numbers_match():
    assert outcome(b"[1.0]", b"[1]", Rules(atol=0)).kind == "match"
    assert outcome(b"[1.0]", b"[1.0000000000000002]", Rules(atol=0)).kind == "mismatch"


@pytest.mark.parametrize("pad", [0, 40])
def test_integers_and_floats_are_both_numbers(pad):
    assert outcome([1, *[2.5] * pad], [1.0, *[2.5] * pad]).kind == "match"


@pytest.mark.parametrize("pad", [0, 40])
@pytest.mark.parametrize(("legacy", "candidate"), [(1, True), (0.0, False), (True, 1)])
def test_a_boolean_is_no_number(pad, legacy, candidate):
    rest = [2.5] * pad
    for at in (0, pad):
        found = outcome([*rest[:at], legacy, *rest[at:]], [*rest[:at], candidate, *rest[at:]])
        assert kinds(found) == ["type"]


@pytest.mark.parametrize("pad", [0, 40])
def test_minus_zero_is_zero(pad):
    assert outcome([-0.0, *[1.5] * pad], [0.0, *[1.5] * pad]).kind == "match"


@pytest.mark.parametrize("pad", [0, 40])
@pytest.mark.parametrize("big", [2**53 + 1, 2**63 + 1, 2**64 + 1, 10**40, -(2**70)])
def test_integers_that_float64_cannot_hold_are_compared_as_integers(big, pad):
    rest = [1.5] * pad
    assert kinds(outcome([big, *rest], [big - 1, *rest])) == ["number"]
    assert outcome(json.dumps([big, *rest]).encode() + b" ", [big, *rest]).kind == "match"


def test_a_big_integer_and_its_float_are_equal():
    assert outcome(b"[9007199254740992]", b"[9007199254740992.0]").kind == "match"
    assert outcome(b"[9007199254740993]", b"[9007199254740992.0]").kind == "mismatch"


@pytest.mark.parametrize("pad", [0, 40])
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_never_match_even_themselves(odd, pad):
    rest = [1.5] * pad
    assert kinds(outcome([odd, *rest], [odd, *rest])) == ["not_finite"]
    assert kinds(outcome([1.0, *rest], [odd, *rest])) == ["not_finite"]


def test_a_text_that_speaks_of_nan_still_matches():
    assert outcome({"a": "NaN, Infinity"}, {"a": "NaN, Infinity"}).kind == "match"


def test_members_may_come_in_any_order_elements_may_not():
    assert outcome(b'{"a":1,"b":2}', b'{"b":2,"a":1}').kind == "match"
    assert outcome([1, 2], [2, 1]).kind == "mismatch"


def test_missing_and_unexpected_members_are_told_apart():
    found = outcome({"a": 1, "b": 2}, {"b": 2, "c": 3})
    assert kinds(found) == ["missing", "unexpected"]
    assert [difference.path for difference in found.differences] == ["$.a", "$.c"]
    assert found.cause == "missing"


def test_an_absent_member_is_not_null():
    assert kinds(outcome({"a": None}, {})) == ["missing"]


def test_lengths_and_types_differ_by_name():
    assert kinds(outcome({"a": [1, 2]}, {"a": [1]})) == ["length"]
    assert kinds(outcome({"a": [1]}, {"a": {"0": 1}})) == ["type"]
    assert kinds(outcome({"a": "1"}, {"a": 1})) == ["type"]
    assert kinds(outcome(["a"] * 20, ["a"] * 19 + [1])) == ["type"]


def test_texts_are_compared_as_they_are():
    assert kinds(outcome({"a": "x"}, {"a": "X"})) == ["value"]
    assert kinds(outcome({"a": True}, {"a": False})) == ["value"]


def test_differences_say_what_and_where():
    found = outcome({"out": [{"x": 1.5}]}, {"out": [{"x": 2.0}]})
    (difference,) = found.differences
    assert isinstance(difference, NumberDiffers)
    assert difference.path == "$.out[0].x"
    assert difference.describe() == "$.out[0].x is 1.5, the candidate's 2.0: 0.5 apart"
    assert signature(difference) == ("$.out[*].x", "number")
    assert found.max_distance == 0.5


def test_a_signature_keeps_the_brackets_of_a_name():
    (difference,) = outcome({"a[1]": [1]}, {"a[1]": [2]}).differences
    assert difference.path == "$['a[1]'][0]"
    assert signature(difference) == ("$['a[1]'][*]", "number")


@pytest.mark.parametrize("name", ["it's", 'say "x"', "a\\b", "new\nline", "é", "x" * 500, ""])
def test_odd_names_are_quoted_and_cut(name):
    (difference,) = outcome({name: 1}, {name: 2}).differences
    assert difference.path.startswith("$['") or difference.path.startswith("$.xxx")
    assert len(difference.path) < 80
    assert signature(difference) == (difference.path, "number")


def test_a_drifting_vector_does_not_crowd_out_another_cause():
    found = outcome({"o": [1.0] * 1000, "z": 1}, {"o": [2.0] * 1000})
    assert found.total == 1001
    assert kinds(found).count("number") == MAX_PER_SIGNATURE
    assert kinds(found)[-1] == "missing"


def test_differences_are_capped_and_counted():
    found = outcome({f"a{i}": i for i in range(200)}, {f"a{i}": i + 1 for i in range(200)})
    assert (len(found.differences), found.total) == (MAX_DIFFERENCES, 200)


ROWS = {
    "type": (1, "1"),
    "not_finite": (1, float("nan")),
    "value": ("x", "y"),
    "length": ([1], []),
    "missing": ({"a": 1}, {}),
    "unexpected": ({}, {"a": 1}),
    "number": (1, 2),
}


@pytest.mark.parametrize("kind", ROWS)
def test_every_kind_is_capped_counted_and_described(kind):
    legacy, candidate = ROWS[kind]
    found = outcome([legacy, "x"] * 30, [candidate, "x"] * 30)
    assert (set(kinds(found)), found.total) == ({kind}, 30)
    assert len(found.differences) == MAX_PER_SIGNATURE
    assert found.differences[0].describe().startswith("$[0]")


@pytest.mark.parametrize("mixed", [["a"], [[1]], [{"x": 1}], [None]])
def test_mixed_lists_are_walked_element_by_element(mixed):
    rest = [1.5] * 20
    assert outcome(rest + mixed, [*rest, *mixed]).kind == "match"
    assert outcome(mixed + rest, json.dumps([*mixed, *rest]).encode() + b" ").kind == "match"
    assert kinds(outcome(rest + mixed, [2.5, *rest[1:], *mixed])) == ["number"]


def test_the_largest_distance_is_kept_of_matches_too():
    assert outcome([1.0, 2.0], [1.00001, 2.0]).max_distance == pytest.approx(1e-5)
    assert outcome({"o": [1.0] * 50, "b": 1}, {"o": [1.00005] * 50, "b": 1}).max_distance == (
        pytest.approx(5e-5)
    )
    assert outcome({"a": "x"}, b'{"a": "x" }').max_distance is None


class TestIgnoredPaths:
    rules = Rules(ignore=("$.latency_ms", "$.items[*].t", "$.list[1]", "$.deep.er"))

    def test_they_may_differ_or_be_absent_on_either_side(self):
        assert outcome({"latency_ms": 1}, {"latency_ms": "x"}, self.rules).kind == "match"
        assert outcome({"latency_ms": 1}, {}, self.rules).kind == "match"
        assert outcome({}, {"latency_ms": [1]}, self.rules).kind == "match"

    def test_everything_beside_them_counts(self):
        found = outcome({"latency_ms": 1, "a": 1}, {"latency_ms": 2, "b": 1}, self.rules)
        assert kinds(found) == ["missing", "unexpected"]
        assert kinds(outcome({}, {"a": 1, "latency_ms": 2}, self.rules)) == ["unexpected"]

    def test_they_reach_into_lists_and_objects(self):
        legacy = {"items": [{"t": 1, "x": 1}, {"t": 2, "x": 2}], "list": [0, 1], "deep": {"er": 1}}
        candidate = {"items": [{"t": 9, "x": 1}, {"x": 2}], "list": [0, "?"], "deep": {}}
        assert outcome(legacy, candidate, self.rules).kind == "match"
        candidate["items"][1]["x"] = 3
        found = outcome(legacy, candidate, self.rules)
        assert [difference.path for difference in found.differences] == ["$.items[1].x"]

    def test_the_length_of_a_list_still_counts(self):
        rules = Rules(ignore=("$.a[*]",))
        assert outcome({"a": [1]}, {"a": [2]}, rules).kind == "match"
        assert kinds(outcome({"a": [1]}, {"a": [1, 2]}, rules)) == ["length"]
        assert kinds(outcome({"a": [1], "b": 1}, {"a": [2], "b": 2}, rules)) == ["number"]
