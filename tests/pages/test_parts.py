"""The pure parts: how numbers read, what charts draw, how two answers are lined up."""

import json
from datetime import UTC, datetime, timedelta
from xml.dom import minidom

from hypothesis import given
from hypothesis import strategies as st

from rollout.pages import charts, words
from rollout.pages.diff import Rulebook, diff_rows, lines_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def drawn(svg: str) -> str:
    minidom.parseString(svg)  # noqa: S318  # our own text
    assert "style=" not in svg
    return svg


def test_numbers_read_as_the_design_words_them():
    assert words.rate(0.000183) == "0.0183%"
    assert words.rate(None) == "no data"
    assert words.count(2_480_000) == "2.48 M"
    assert words.count(14202) == "14,202"
    assert words.duration(11400) == "3 h 10 min"
    assert words.duration(148) == "2 min 28 s"
    assert words.share(24.9) == "24.9%"
    assert words.millis(46_000) == "46.0 ms"
    assert words.small(0.0001) == "1e-4"
    assert words.tidy("3 787 more pairs; limit 0.1 %") == "3,787 more pairs; limit 0.1%."
    assert words.plural(1, "gate") == "1 gate"
    assert words.initials("on-call") == "OC"


def test_moments_name_their_day_unless_it_is_today():
    assert words.moment_words(NOW, UTC, NOW) == "12:00:00"
    assert words.moment_words(NOW - timedelta(days=2), UTC, NOW) == "22 Nov 12:00"
    assert words.day(NOW.date(), NOW.date()) == "Today, 24 November"


def test_a_share_that_was_not_measured_is_never_drawn_as_the_set_one():
    svg = charts.split_bar(None, set_to=25)
    assert "no data" in svg
    assert "f-cand" not in svg


@given(st.one_of(st.none(), st.floats(0, 100)), st.integers(0, 100))
def test_every_share_draws_and_names_itself(share, weight):
    drawn(charts.split_bar(share, set_to=weight))


def test_a_gap_in_a_series_breaks_the_line():
    svg = drawn(charts.spark([1.0, 2.0, None, 3.0, 4.0], label="x"))
    assert svg.count("<polyline") == 2


def test_labels_with_markup_stay_text():
    assert "<script" not in charts.meter(5, label="<script>alert(1)</script>")


def test_every_verdict_has_a_shape_of_its_own():
    marks = ("pass", "fail", "inc", "col", "stale", "over", "none")
    shapes = {charts.gate_strip([mark]).split(">", 2)[2] for mark in marks}
    assert len(shapes) == len(marks)


def test_a_drifted_value_stands_beside_its_counterpart_with_its_note():
    legacy = json.dumps({"outputs": [0.1, 0.5, 0.9], "latency_ms": 9})
    candidate = json.dumps({"outputs": [0.1, 0.5003, 0.90001], "latency_ms": 2})
    said = "$.outputs[1] is 0.5, the candidate's 0.5003: 0.0003 apart"
    rules = Rulebook({"$.outputs[1]": said}, 1e-4, frozenset({"$.latency_ms"}))
    rows = diff_rows(legacy, candidate, rules)
    changed = next(i for i, row in enumerate(rows) if row.kind == "chg")
    assert rows[changed].candidate.marked == "003"
    assert (rows[changed + 1].kind, rows[changed + 1].lead) == ("note", "Over tolerance")
    assert [row.text for row in rows if row.kind == "tol"] == ["within 1e-4", "ignored"]


def test_a_member_that_only_one_side_has_does_not_shift_the_rest():
    rows = diff_rows(json.dumps({"a": 1, "b": 2}), json.dumps({"b": 2}), Rulebook())
    assert [row.kind for row in rows] == ["eq", "chg", "eq", "eq"]


def test_long_equal_runs_fold_and_long_diffs_end():
    same = json.dumps(list(range(4000)))
    assert any(r.kind == "fold" for r in diff_rows(same, same, Rulebook()))
    other = json.dumps([n + 1 for n in range(4000)])
    rows = diff_rows(same, other, Rulebook({f"$[{n}]": "x" for n in range(4000)}))
    assert rows[-1].text.endswith("more lines not shown")


@given(st.text(max_size=200))
def test_any_body_can_be_laid_out(body):
    assert lines_of(body)
    assert all(row.kind in {"eq", "fold"} for row in diff_rows(body, body, Rulebook()))
