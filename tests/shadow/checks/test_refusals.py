"""Refusals compared by rule: status, shape and words, each difference with its provocation."""

import json

import pytest

from shadow.checks.asking import Asked, Question
from shadow.checks.base import SettingsError
from shadow.checks.errors.check import read_settings
from shadow.checks.errors.comparing import ErrorRules, judge_refusals
from shadow.checks.schema.answers import judge_answers
from shadow.checks.schema.check import read_settings as read_schema_settings
from shadow.http import Reply

JSON = (("content-type", "application/json"),)
QUESTION = Question("top_k is a text", "POST /infer", "POST", "/infer")
ERROR = {"error": {"code": "wrong_type", "message": "top_k must be an integer", "at": 5}}


def reply(status=422, body=None, headers=JSON, error=""):
    raw = body if isinstance(body, bytes) else json.dumps(ERROR if body is None else body).encode()
    return Reply(status, headers, raw, 100, error)


def codes(candidate, *, legacy=None, **rules):
    asked = Asked(QUESTION, legacy or reply(), candidate)
    found = list(judge_refusals(asked, ErrorRules(**rules)))
    assert all(QUESTION.name in finding.where for finding in found)
    return [finding.code for finding in found]


def changed(**parts):
    return {"error": {**ERROR["error"], **parts}}


DIFFERENCES = [
    (reply(), []),
    (reply(400), ["status"]),
    (reply(200), ["acceptance"]),
    (reply(0, b"", (), "timeout"), ["no_answer"]),
    (reply(body=changed(message="top_k is wrong")), ["message"]),
    (reply(body=changed(code="bad")), ["message"]),
    (reply(body=changed(at="5")), ["shape"]),
    (reply(body=changed(at=5.0)), []),
    (reply(body={"detail": "top_k must be an integer"}), ["shape"]),
    (reply(body=changed(more=1)), ["shape"]),
    (reply(body=b"<h1>no</h1>", headers=(("content-type", "text/html"),)),
     ["content_type", "shape"]),
    (reply(body=b"{"), ["shape"]),
    (reply(body=b""), ["content_type", "shape"]),
    (reply(400, changed(message="no")), ["status", "message"]),
]  # fmt: skip


@pytest.mark.parametrize(("candidate", "expected"), DIFFERENCES)
def test_a_refusal_that_differs_is_named(candidate, expected):
    assert codes(candidate) == expected


def test_rules_say_what_may_differ():
    other = reply(400, changed(message="Top_K must be an INTEGER!", at=6))
    assert codes(other, status="class", message="same_words", ignore=("$.error.at",)) == []
    assert codes(other, status="ignored", message="ignored") == []
    assert codes(reply(503), status="class") == ["status"]
    assert codes(reply(body={"detail": 1}), shape="ignored") == []


def test_a_header_is_compared_when_it_is_named():
    legacy = reply(405, headers=(*JSON, ("allow", "POST")))
    assert codes(reply(405), legacy=legacy) == []
    assert codes(reply(405), legacy=legacy, headers=("allow",)) == ["header"]


def test_ignored_paths_hold_for_every_element_and_below():
    a = reply(body={"detail": [{"ctx": {"x": 1}, "msg": "m"}, {"ctx": 2, "msg": "m"}]})
    b = reply(body={"detail": [{"ctx": {"y": 1}, "msg": "m"}, {"msg": "m"}]})
    assert codes(b, legacy=a, ignore=("$.detail[*].ctx",)) == []
    assert codes(b, legacy=a, ignore=("$.detail[*].ct",)) == ["shape"]


def test_requests_that_both_accept_are_no_errors():
    assert codes(reply(200, {"a": 2}), legacy=reply(200, {"a": 1})) == []


def answers(legacy, candidate):
    return [finding.code for finding in judge_answers(Asked(QUESTION, legacy, candidate))]


def test_acceptance_is_compared_and_refusals_are_left_to_the_other_check():
    good = reply(200, {"output": [1.0]})
    assert answers(good, reply(200, {"output": [9.0]})) == []
    assert answers(good, reply(422)) == ["request_refused"]
    assert answers(reply(422), good) == ["request_accepted"]
    assert answers(good, reply(201, {"output": [1.0]})) == ["success_differs"]
    assert answers(good, reply(200, {"result": [1.0]})) == ["answer_missing", "answer_unexpected"]
    assert answers(good, reply(200, {"output": ["1"]})) == ["answer_type"]
    assert answers(good, reply(200, {"output": [1.0, 2.0]})) == ["answer_length"]
    assert answers(good, reply(0, b"", (), "timeout")) == ["no_answer"]
    assert answers(reply(422), reply(400)) == []


BAD = [
    ({"sttus": "exact"}, "sttus"),
    ({"status": "about"}, "status"),
    ({"message": 3}, "message"),
    ({"ignore": "$.a"}, "ignore"),
    ({"ignore": ["$.a", "error.at"]}, "ignore[1]"),
    ({"ignore": ["$"]}, "ignore[0]"),
    ({"document": "//evil/openapi.json"}, "document"),
    ({"document": "http://evil/"}, "document"),
    ({"document": "/a\r\nb"}, "document"),
    ({"seed": 1.5}, "seed"),
    ({"seed": True}, "seed"),
    ({"per_second": 0}, "per_second"),
    ({"per_second": float("nan")}, "per_second"),
    ({"large_bytes": 10**9}, "large_bytes"),
    ({"skip": [""]}, "skip[0]"),
]


@pytest.mark.parametrize(("settings", "field"), BAD)
def test_settings_are_refused_by_the_field(settings, field):
    with pytest.raises(SettingsError) as refused:
        read_settings(settings)
    assert refused.value.field == field


@pytest.mark.parametrize("settings", [{"accept": [1]}, {"send": 1}, {"status": "exact"}])
def test_settings_of_the_schema_check_are_strict_too(settings):
    with pytest.raises(SettingsError):
        read_schema_settings(settings)
