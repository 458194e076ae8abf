"""The log format check: what a reader of legacy's lines would stumble over, by name."""

import json

import pytest

from judge.verdict import Verdict
from shadow.checks.base import SettingsError, Severity
from shadow.checks.logs.check import judge
from shadow.checks.logs.gathering import Gathered
from shadow.checks.logs.readers import reader_for
from shadow.checks.logs.settings import read_settings
from tests.shadow.checks.log_lines import line, lines, logfmt_lines, text_lines


def check(legacy, candidate, **settings):
    return judge(Gathered({"legacy": legacy, "candidate": candidate}), read_settings(settings))


def breaking(result):
    return [(f.code, f.where) for f in result.findings if f.severity is Severity.BREAKING]


def test_lines_of_the_same_format_pass():
    result = check(lines(), lines(build="candidate-2", duration_ms=0.25))
    assert result.verdict is Verdict.PASS, result.sentence
    assert (result.findings, result.n, result.failed) == ((), 200, 0)
    assert result.details["parser"] == "JSON"
    assert result.details["event_field"] == "message"
    assert "same fields, types, formats and levels" in result.sentence


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"duration_ms": None}, "field_missing", "`duration_ms` is missing in all of its 200"),
        ({"span": "abc"}, "field_unknown", "writes `span`"),
        ({"status": "200"}, "type_changed", "string"),
        ({"status": 200.5}, "type_changed", "number"),
        ({"bytes_out": None, "bytesOut": 3}, "field_missing", "`bytes_out`"),
        ({"duration_ms": "1.5ms"}, "type_changed", "legacy's is number"),
        ({"build": {"id": 3}}, "field_missing", "`build`"),
        ({"ts": "2026-11-24T12:00:00Z"}, "format_changed", "whole seconds, Z"),
        ({"ts": "2026-11-24T12:00:00.123456Z"}, "format_changed", "6 decimals, Z"),
        ({"ts": "2026-11-24T12:00:00.123+00:00"}, "format_changed", "offset"),
        ({"ts": "2026-11-24 12:00:00.123Z"}, "format_changed", "a blank"),
        ({"ts": 1795521600}, "type_changed", "integer"),
        ({"ts": "1795521600123"}, "format_changed", "epoch milliseconds, as text"),
        ({"message": "http_request"}, "event_missing", "never writes `request`"),
    ],
)
def test_each_change_is_found_by_name(changes, code, words):
    result = check(lines(), lines(**changes))
    assert result.verdict is Verdict.FAIL
    assert code in {found for found, _ in breaking(result)}
    assert any(words in f.sentence for f in result.findings if f.code == code), result.findings


def test_a_missing_field_leaves_all_lines_unread():
    result = check(lines(), lines(duration_ms=None))
    assert breaking(result) == [("field_missing", "request duration_ms")]
    assert (result.failed, result.n) == (200, 200)
    assert result.details["unread_share"] == 1.0


def test_a_renamed_level_is_told_with_the_word_legacy_uses():
    renamed = [found.replace('"warning"', '"warn"') for found in lines()]
    result = check(lines(), renamed)
    assert breaking(result) == [("level_changed", "level warn")]
    assert "`warn` in 10 lines; legacy writes `warning` for that severity" in result.sentence
    assert result.failed == 10


@pytest.mark.parametrize("word", ["INFO", "Info", "chatty"])
def test_levels_in_other_letters_or_words_are_found(word):
    result = check(lines(), lines(level=word))
    assert ("level_changed", f"level {word}") in breaking(result)


def test_a_severity_that_legacy_had_no_cause_to_write_is_no_difference():
    failing = [line(n, answered=500) for n in range(10)]
    result = check(lines(), lines() + failing)
    assert result.verdict is Verdict.PASS, result.sentence
    assert [(f.code, f.severity) for f in result.findings] == [("level_unseen", Severity.NOTE)]


def test_one_strange_line_in_two_thousand_is_borne_and_one_in_a_hundred_is_not():
    borne = check(lines(2000), [*lines(1999), "Listening on 127.0.0.1"])
    assert borne.verdict is Verdict.PASS
    assert borne.failed == 1
    often = check(lines(2000), [*lines(1980), *["Traceback (most recent call last):"] * 20])
    assert often.verdict is Verdict.FAIL
    assert breaking(often) == [("unreadable", "every line")]
    assert "Traceback" in often.findings[0].candidate


def test_a_field_that_legacy_writes_now_and_then_may_be_absent_now_and_then():
    sometimes = [line(n, user="u" if n % 3 == 0 else None) for n in range(300)]
    assert check(sometimes, [line(n, user="u") for n in range(300)]).verdict is Verdict.PASS
    never = check(sometimes, lines())
    assert breaking(never) == [("field_missing", "request user")]


def test_a_null_where_legacy_never_had_one_is_another_type():
    nulls = [json.dumps({**json.loads(found), "build": None}) for found in lines()]
    assert breaking(check(lines(), nulls)) == [("type_changed", "request build")]
    assert check(nulls, nulls).verdict is Verdict.PASS


def test_fields_may_be_left_out_of_the_comparison_or_allowed_on_top():
    more = lines(span="abc")
    assert check(lines(), more, extra_fields="allowed").verdict is Verdict.PASS
    assert check(lines(), more, ignore=["span"]).verdict is Verdict.PASS
    assert check(lines(), lines(build=None), ignore=["build"]).verdict is Verdict.PASS


@pytest.mark.parametrize(("legacy", "candidate"), [(49, 200), (200, 49), (0, 0)])
def test_too_few_lines_are_inconclusive_with_the_words_to_act_on(legacy, candidate):
    result = check(lines(legacy), lines(candidate))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.advice
    assert "50 of each side are needed" in result.sentence


def test_lines_of_different_events_on_each_side_are_inconclusive():
    legacy = [line(n, message=f"event {n % 10}") for n in range(300)]
    result = check(legacy, legacy)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "same events" in result.sentence


def test_plain_text_is_read_by_its_fixed_places():
    result = check(text_lines(), text_lines())
    assert result.verdict is Verdict.PASS, result.sentence
    assert result.details["parser"] == "plain text"
    assert {"part 1", "part 2"} <= set(result.details["fields"][""])
    changed = [found.replace(",", ".", 1) for found in text_lines()]
    result = check(text_lines(), changed)
    assert result.verdict is Verdict.FAIL
    assert breaking(result) == [("unreadable", "every line")]


def test_logfmt_is_read_by_its_pairs():
    assert check(logfmt_lines(), logfmt_lines()).verdict is Verdict.PASS
    missing = check(logfmt_lines(), logfmt_lines(took=None))
    assert breaking(missing) == [("field_missing", "handled it took")]
    unit = check(logfmt_lines(), logfmt_lines(took="0.5s"))
    assert breaking(unit) == [("format_changed", "handled it took")]


def test_json_where_legacy_writes_text_cannot_be_read():
    result = check(text_lines(), lines())
    assert result.verdict is Verdict.FAIL
    assert result.failed == 200


@pytest.mark.parametrize("made", [lines, text_lines, logfmt_lines])
def test_a_parser_reads_the_lines_it_was_made_for(made):
    read = reader_for(made()).read
    assert all(read(found) is not None for found in made())


def test_hostile_lines_are_only_unreadable():
    strange = [
        "{" * 5000,
        '{"a":' * 900 + "1" + "}" * 900,
        "\x1b[31m\ufffd",
        "=" * 9000,
        '"' * 9999,
    ]
    result = check(lines(), [*lines(), *strange * 20])
    assert result.verdict is Verdict.FAIL
    assert result.failed == 100


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"depth": 1}, "depth"),
        ({"legacy": "x"}, "legacy"),
        ({"legacy": {"path": "/x"}}, "legacy.path"),
        ({"candidate": {"file": "log/x"}}, "candidate.file"),
        ({"candidate": {"file": "/var/log/../../etc/passwd"}}, "candidate.file"),
        ({"unknown_limit": 2}, "unknown_limit"),
        ({"min_lines": 1}, "min_lines"),
        ({"extra_fields": "some"}, "extra_fields"),
        ({"redact": "name"}, "redact"),
        ({"wait_s": float("nan")}, "wait_s"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_by_name(given, field):
    with pytest.raises(SettingsError) as refused:
        read_settings(given)
    assert refused.value.field == field
