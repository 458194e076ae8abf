"""Answers that no service should give: rows 36 to 48 of the bad inputs, as values."""

import gzip
import zlib

import brotli
import pytest

from shadow.comparison import Rules, compare, rules_of, signature
from shadow.comparison.answers import UNCOMPARABLE
from shadow.comparison.bodies import MAX_DECODED_BYTES
from tests.shadow.comparison.build import JSON, answer, kinds, outcome

SSE = (("content-type", "text/event-stream; charset=utf-8"),)


def compared(legacy, candidate, *rules):
    return compare(legacy, candidate, rules_of(atol=1e-4, ignore=[], rules=list(rules)))


def encoded(body, coding):
    return answer(body, headers=(*JSON, ("content-encoding", coding)))


def test_a_redirect_is_an_answer_and_only_its_place_counts():
    here = (*JSON, ("location", "http://legacy:1/a?b=1"))
    same, other = (*JSON, ("location", "http://new:2/a?b=1")), (*JSON, ("location", "/login"))
    rule = {"rule": "headers", "compare": ["location"]}
    redirects = [answer(b"", status=302, headers=h) for h in (here, same, other)]
    assert compared(redirects[0], redirects[1], rule).kind == "match"
    assert kinds(compared(redirects[0], redirects[2], rule)) == ["header"]
    assert kinds(compared(answer(status=302), answer())) == ["status"]


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("br", brotli.compress), ("deflate", zlib.compress), ("gzip", gzip.compress),
     ("deflate", lambda b: zlib.compress(b)[2:-4]),
     ("gzip, br", lambda b: brotli.compress(gzip.compress(b)))],
)  # fmt: skip
def test_encodings_are_read_to_their_limit_and_not_beyond(coding, pack):
    assert compared(answer(b'{"a":1}'), encoded(pack(b'{"a": 1.0}'), coding)).kind == "match"
    bomb = encoded(pack(b"0" * (MAX_DECODED_BYTES + 1)), coding)
    assert compared(answer(b'{"a":1}'), bomb).cause == "body_too_large"
    cut = encoded(pack(b'{"a": 1.0}')[:-3], coding)
    assert kinds(compared(answer(b'{"a":1}'), cut)) == ["not_decodable"]
    assert compared(cut, answer(b'{"a":1}')).cause == "not_decodable"


def test_six_codings_are_not_undone():
    body = b"{}"
    for _ in range(6):
        body = gzip.compress(body)
    found = compared(answer(), encoded(body, ", ".join(["gzip"] * 6)))
    assert (found.kind, found.cause) == ("uncomparable", "encoded_body")


def test_nan_in_equal_compressed_bytes_is_still_not_equal():
    body = gzip.compress(b"[NaN]")
    assert kinds(compared(encoded(body, "gzip"), encoded(body, "gzip"))) == ["not_finite"]


@pytest.mark.parametrize("length", ["1", "9999"])
def test_a_body_of_another_length_than_announced_is_never_equal(length):
    headers = (*JSON, ("content-length", length))
    whole = answer(b'{"a":1}', headers=(*JSON, ("content-length", "7")))
    assert kinds(compared(whole, answer(b'{"a":1}', headers=headers))) == ["cut_short"]
    assert compared(answer(b'{"a":1}', headers=headers), whole).cause == "cut_short"
    assert compared(whole, whole).kind == "match"


def test_a_page_instead_of_json_differs_by_type_and_body():
    page = answer(b"<html>", headers=(("content-type", "text/html"),))
    assert kinds(compared(answer(b'{"a":1}'), page)) == ["content_type", "not_json"]


def test_a_wrong_charset_differs_an_unnamed_one_is_utf8():
    def typed(value):
        return answer(b"{}", headers=(("content-type", value),))

    plain = typed("application/json")
    assert compared(plain, typed("Application/JSON; charset=UTF8")).kind == "match"
    found = compared(plain, typed("application/json; charset=latin-1"))
    assert kinds(found) == ["content_type"]
    assert signature(found.differences[0]) == ("header.content-type", "content_type")


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [(99, b"", "protocol"), (101, b"", "protocol"), (204, b"x", "protocol"),
     (304, b"x", "protocol"), (600, b"", "legacy_failed")],
)  # fmt: skip
def test_an_impossible_status_of_legacy_is_never_a_match(status, body, result):
    assert compared(answer(body, status=status), answer(body, status=status)).cause == result


@pytest.mark.parametrize("status", [99, 101, 204, 600])
def test_an_impossible_status_of_the_candidate_differs(status):
    assert kinds(compared(answer(), answer(status=status))) == ["status"]


def test_a_class_of_status_can_be_enough():
    rule = {"rule": "status", "same": "class"}
    assert compared(answer(status=200), answer(status=201), rule).kind == "match"
    assert kinds(compared(answer(status=200), answer(status=404), rule)) == ["status"]


def test_thousands_of_header_lines_do_no_harm():
    many = (*JSON, *(("set-cookie", f"c{i}") for i in range(10_000)))
    every = {"rule": "headers", "compare": "all"}
    assert compared(answer(headers=many), answer(), every).kind == "match"
    assert kinds(compared(answer(headers=(*JSON, ("x-a", "1"))), answer(), every)) == ["header"]
    ignored = {**every, "ignore": ["x-a"]}
    assert compared(answer(headers=(*JSON, ("x-a", "1"))), answer(), ignored).kind == "match"


def test_repeated_headers_are_compared_together():
    rule = {"rule": "headers", "compare": ["x-a"]}
    two = answer(headers=(*JSON, ("x-a", "1"), ("x-a", "2")))
    assert compared(two, answer(headers=(*JSON, ("x-a", "1, 2"))), rule).kind == "match"


class TestEvents:
    def test_events_match_whatever_the_lines_end_with(self):
        legacy = answer(b'data: {"a": 1.0}\n\nevent: end\ndata: [DONE]\n\n', headers=SSE)
        candidate = answer(
            b': hi\r\ndata:{"a":1.00001}\r\n\r\nid: 3\r\nevent: end\r\ndata: [DONE]\r\n\r\n',
            headers=SSE,
        )
        found = compared(legacy, candidate)
        assert found.kind == "match"
        assert found.max_distance == pytest.approx(1e-5)

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b'data: {"a": 2}\n\n', ["number"]),
            (b'data: {"a": 1}\n\ndata: {"a": 1}\n\n', ["length"]),
            (b'data: {"a": 1}\n', ["length"]),
            (b'event: x\ndata: {"a": 1}\n\n', ["event"]),
            (b"data: nothing\n\n", ["not_json"]),
        ],
    )
    def test_they_differ_by_name_data_and_number(self, body, expected):
        found = compared(answer(b'data: {"a": 1}\n\n', headers=SSE), answer(body, headers=SSE))
        assert kinds(found) == expected

    def test_rules_hold_in_the_data_of_each_event(self):
        legacy = answer(b'data: {"t": 1}\n\ndata: {"t": 2}\n\n', headers=SSE)
        candidate = answer(b'data: {"t": 8}\n\ndata: {"t": 9}\n\n', headers=SSE)
        assert compared(legacy, candidate, {"path": "$.t", "rule": "ignore"}).kind == "match"
        found = compared(legacy, candidate)
        assert {signature(d) for d in found.differences} == {("events[*]$.t", "number")}

    def test_nan_in_equal_streams_is_not_equal(self):
        body = answer(b'data: {"a": NaN}\n\n', headers=SSE)
        assert kinds(compared(body, body)) == ["not_finite"]


def test_differences_tell_nothing_of_redacted_places():
    rules = rules_of(
        atol=1e-4,
        ignore=[],
        rules=[{"path": "$.rows", "rule": "key_by", "field": "k"}],
        redact=[("user",), ("rows", -1, "k")],
    )
    found = outcome(
        {"user": {"pw": "S3CRET", "n": 424242}, "rows": [{"k": "S3CRET", "x": 1}]},
        {"user": {"pw": "other", "n": 1}, "rows": [{"k": "S3CRET", "x": 2}]},
        rules,
    )
    assert found.total == 3
    told = " ".join(d.describe() + d.path for d in found.differences)
    assert "S3CRET" not in told
    assert "424242" not in told


def test_an_unordered_array_too_long_to_pair_is_uncomparable():
    rules = rules_of(atol=1e-4, ignore=[], rules=[{"path": "$", "rule": "unordered"}])
    rows = [{"x": i, "y": [i]} for i in range(300)]
    assert outcome(rows, rows[::-1], rules).cause == "unordered_too_long"
    assert outcome(rows[:40], rows[:40][::-1], rules).kind == "match"
    assert outcome(list(range(5000)), list(range(5000))[::-1], rules).kind == "match"


def test_partners_are_found_although_the_first_fit_is_another():
    rules = rules_of(atol=1.5, ignore=[], rules=[{"path": "$", "rule": "unordered"}])
    rows = [[{"x": 0}, {"x": 1}], [{"x": 2}, {"x": 1}]]
    assert outcome(rows[0], rows[1], rules).kind == "match"


def test_every_reason_not_to_compare_has_one_word():
    assert all(reason.replace("_", "").isalpha() for reason in UNCOMPARABLE)
    assert Rules().headers.compare == ("content-type",)
