"""What happens to answers that are not two healthy JSON documents."""

import gzip

import pytest

from shadow.comparison import Rules, compare
from shadow.comparison.bodies import MAX_DECODED_BYTES
from tests.shadow.comparison.build import JSON, answer, kinds, outcome

TEXT = (("content-type", "text/plain; charset=utf-8"),)
GZIP = (*JSON, ("content-encoding", "gzip"))


def compared(legacy, candidate):
    return compare(legacy, candidate, Rules())


@pytest.mark.parametrize("status", [0, 500, 503])
def test_a_failure_of_legacy_is_excluded(status):
    found = compared(answer(status=status), answer())
    assert (found.kind, found.cause) == ("excluded", "legacy_failed")
    assert compared(answer(status=status), answer(status=status)).kind == "excluded"


def test_a_candidate_without_answer_is_a_mismatch():
    found = compared(answer(), answer(status=0))
    assert (found.kind, found.cause, found.total) == ("mismatch", "no_answer", 1)
    assert found.differences[0].describe() == "the candidate gave no answer"


@pytest.mark.parametrize("status", [500, 404, 201])
def test_another_status_is_a_mismatch_even_with_equal_bodies(status):
    found = compared(answer(), answer(status=status))
    assert kinds(found) == ["status"]
    assert found.differences[0].describe() == f"legacy answered 200, the candidate {status}"


def test_bodies_of_equal_client_errors_are_compared():
    assert outcome({"detail": "x"}, {"detail": "x"}, status=422).kind == "match"
    assert outcome({"detail": "x"}, {"detail": "y"}, status=422).kind == "mismatch"


def test_truncated_bodies_are_uncomparable_unless_the_status_differs():
    for pair in ((answer(truncated=True), answer()), (answer(), answer(truncated=True))):
        assert compared(*pair).cause == "body_too_large"
    assert compared(answer(), answer(status=500, truncated=True)).kind == "mismatch"


@pytest.mark.parametrize("body", [b"<html>", b'{"a":', b"", b"\xff\xfe", b'{"a":1}{', b"[1e999]"])
def test_a_candidate_that_is_no_json_is_a_mismatch(body):
    found = outcome({"a": 1}, body)
    assert kinds(found) == ["not_json"]
    assert found.differences[0].describe().startswith("the candidate's body is not JSON: ")


def test_nan_in_a_broken_body_is_still_no_json():
    assert kinds(outcome({"a": 1}, b'{"a": NaN')) == ["not_json"]
    assert kinds(outcome({"a": 1}, b'{"a": NaN, "b": "\xff"}')) == ["not_json"]


def test_legacy_that_is_no_json_is_compared_as_bytes():
    assert outcome(b"<p>", b"<p>").kind == "match"
    found = outcome(b"<p>x", b"<p>yy")
    assert kinds(found) == ["bytes"]
    assert found.differences[0].describe() == ("the bodies (4 and 5 bytes) differ from byte 3 on")
    assert outcome(b"<p>", b"<p>longer").differences[0].offset == 3


def test_texts_are_compared_as_bytes():
    assert outcome(b"1.0", b"1.00", headers=TEXT).kind == "mismatch"
    assert outcome(b"NaN", b"NaN", headers=TEXT).kind == "match"
    assert outcome(b"1.0", b"1.00", headers=()).kind == "match"


@pytest.mark.parametrize(
    ("legacy", "candidate"),
    [
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"a":2}', b'{"a":1,"a":2}'),
        (b'{"a":1,"a":2}', b'{"a":3}'),
        (b'{"a":"' + b"x" * 999 + b'","b":1,"b":2}', b'{"a":"' + b"x" * 999 + b'","b":2}'),
        (b'{"x":{"a":1,"\\u0061":2}}', b'{"x":{"a":2}}'),
        (b'{"a":"1:2","a":"x:y"}', b'{"a":"x:y"}'),
        (b'{"latency_ms":{"a":1,"a":2}}', b'{"latency_ms":{"a":1}}'),
        (b'{"a":2}', b'{"a":2,"latency_ms":1,"latency_ms":2}'),
    ],
)
def test_repeated_keys_are_uncomparable(legacy, candidate):
    found = outcome(legacy, candidate, Rules(ignore=("$.latency_ms",)))
    assert (found.kind, found.cause) == ("uncomparable", "duplicate_key")


def test_colons_in_texts_are_no_repeated_keys():
    legacy, candidate = {"a:b": "1:2\\", "c": ['":"', '\\":']}, b'{ "a:b": "1:2\\\\", '
    assert outcome(legacy, candidate + b'"c": ["\\":\\"", "\\\\\\":"]}').kind == "match"


def test_equal_bytes_match_whatever_they_hold():
    assert outcome(b'{"a":1,"a":2}', b'{"a":1,"a":2}').kind == "match"
    assert outcome(b"[" * 5000, b"[" * 5000).kind == "match"


@pytest.mark.parametrize("depth", [250, 900, 5000, 200_000])
def test_deep_nesting_is_uncomparable_and_does_no_harm(depth):
    deep = b"[" * depth + b"]" * depth
    assert outcome(deep, b" " + deep).cause == "too_deep"
    assert outcome(b"[1]", b'[NaN,"' + b'"' + deep).kind == "mismatch"


def test_a_deep_document_with_a_difference_above_is_a_mismatch():
    deep = b"[" * 250 + b"]" * 250
    found = outcome(b'{"a":1,"b":' + deep + b"}", b'{"a":2,"b":' + deep + b"}")
    assert kinds(found) == ["number"]


def test_a_deep_document_before_a_difference_is_uncomparable():
    deep = b"[" * 250 + b"]" * 250
    found = outcome(b'{"b":' + deep + b"}", b'{"b":' + deep + b',"c":1}')
    assert (found.kind, found.cause) == ("uncomparable", "too_deep")


def test_deep_nesting_beside_nan_does_no_harm():
    deep = b"[NaN," + b"[" * 5000 + b"]" * 5001
    assert outcome(deep, b" " + deep).cause == "too_deep"


class TestContentEncoding:
    body = b'{"a":1.0}'

    def test_gzip_is_read_on_either_side(self):
        zipped = answer(gzip.compress(self.body, mtime=0), headers=GZIP)
        assert compared(zipped, answer(b'{"a": 1}')).kind == "match"
        assert compared(answer(b'{"a": 2}'), zipped).kind == "mismatch"

    def test_gzip_in_several_members_is_one_body(self):
        parts = gzip.compress(self.body[:4], mtime=0) + gzip.compress(self.body[4:], mtime=0)
        assert compared(answer(parts, headers=GZIP), answer(self.body)).kind == "match"

    def test_equal_compressed_bytes_match_without_being_read(self):
        headers = (*JSON, ("content-encoding", "br"))
        assert outcome(b"\x01\x02", b"\x01\x02", headers=headers).kind == "match"

    def test_equal_bytes_under_different_encodings_do_not_match(self):
        zipped = gzip.compress(self.body, mtime=0)
        assert compared(answer(zipped, headers=GZIP), answer(zipped)).kind == "mismatch"

    def test_other_encodings_are_uncomparable(self):
        found = compared(answer(b"x", headers=(*JSON, ("content-encoding", "zstd"))), answer())
        assert (found.kind, found.cause) == ("uncomparable", "encoded_body")

    def test_an_empty_body_needs_no_decoding(self):
        headers = (*JSON, ("content-encoding", "br"))
        assert compared(answer(b"", headers=headers), answer(b"")).kind == "match"

    def test_a_bomb_is_too_large(self):
        bomb = answer(gzip.compress(b"0" * (MAX_DECODED_BYTES + 1)), headers=GZIP)
        assert compared(answer(), bomb).cause == "body_too_large"
        assert compared(bomb, answer()).cause == "body_too_large"

    @pytest.mark.parametrize("broken", [b"no gzip", gzip.compress(b'{"a":1}', mtime=0)[:-3]])
    def test_a_candidate_that_is_not_what_it_says_is_a_mismatch(self, broken):
        found = compared(answer(self.body), answer(broken, headers=GZIP))
        assert kinds(found) == ["not_decodable"]
        assert "cannot be decoded" in found.differences[0].describe()

    def test_legacy_that_is_not_what_it_says_is_uncomparable(self):
        found = compared(answer(b"no gzip", headers=GZIP), answer(self.body))
        assert (found.kind, found.cause) == ("uncomparable", "not_decodable")
