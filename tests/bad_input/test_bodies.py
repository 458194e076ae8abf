"""Rows 1 to 13 and 15: bodies that are wrong, at the API, in ways that parsers differ about."""

import codecs
import gzip
import json

import pytest

from tests.bad_input.conftest import assert_refused, nothing_changes, row
from tests.rollout.builders import ready_for_canary

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]

PROMOTE = "/api/v1/migrations/embeddings/promote/"
ROLL_BACK = "/api/v1/migrations/embeddings/rollback/"
CREATE = "/api/v1/migrations/"
NEW = {
    "slug": "ranker",
    "team": "search",
    "legacy_url": "http://127.0.0.1:9001",
    "candidate_url": "http://127.0.0.1:9002",
    "routes": [{"method": "POST", "path": "/infer", "safe_to_duplicate": True}],
    "policy": "demo",
}
GOOD = b'{"reason": "x", "version": 1}'


def version(text: str) -> str:
    return f'{{"reason": "x", "version": {text}}}'


def to(text: str) -> str:
    return f'{{"reason": "x", "version": 1, "to": {text}}}'


def new(**changes) -> str:
    return json.dumps({**NEW, **changes})


def route(**changes) -> str:
    return new(routes=[{**NEW["routes"][0], **changes}])


RAW = [
    row(1, "key-twice", '{"reason": "x", "version": 1, "version": 2}', "duplicate_key", "version"),
    row(1, "deep-key-twice", '{"routes": [{"a": {"b": 1, "b": 2}}]}', "duplicate_key", "b"),
    row(1, "same-key-escaped", '{"reason": "x", "r\\u0065ason": "y"}', "duplicate_key", "reason"),
    row(2, "weight", '{"reason": "x", "version": 1, "weight": 100}', "unknown_field", "weight"),
    row(2, "phase", '{"reason": "x", "version": 1, "phase": "full"}', "unknown_field", "phase"),
    row(2, "prototype", '{"__proto__": {}, "reason": "x"}', "unknown_field", "__proto__"),
    row(2, "empty-name", '{"": 1, "reason": "x"}', "unknown_field", None),
    row(3, "nan", version("NaN"), "not_finite", None),
    row(3, "infinity", version("Infinity"), "not_finite", None),
    row(3, "minus-infinity", version("-Infinity"), "not_finite", None),
    row(3, "nan-in-a-list", '{"routes": [NaN]}', "not_finite", None),
    row(4, "1e400", version("1e400"), "not_finite", None),
    row(4, "minus-1e400", version("-1e400"), "not_finite", None),
    row(4, "nan-as-text", version('"nan"'), "invalid", "version"),
    row(4, "1e999-as-text", version('"1e999"'), "invalid", "version"),
    row(5, "4000-digits", version("9" * 4000), "range", None),
    row(5, "5000-digits", version("9" * 5000), "range", None),
    row(5, "minus-5000-digits", version("-" + "9" * 5000), "range", None),
    row(5, "two-to-63", version(str(2**63)), "range", "version"),
    row(5, "two-to-31", version(str(2**31)), "range", "version"),
    row(5, "minus-one", version("-1"), "range", "version"),
    row(6, "25.0", to("25.0"), "invalid", "to"),
    row(6, "1e1", to("1e1"), "invalid", "to"),
    row(6, "text-25", to('"25"'), "invalid", "to"),
    row(6, "true", to("true"), "invalid", "to"),
    row(6, "full-width", to('"２５"'), "invalid", "to"),
    row(6, "underscore", to('"2_5"'), "invalid", "to"),
    row(6, "space", to('" 25"'), "invalid", "to"),
    row(6, "leading-zero", to("025"), "malformed_json", None),
    row(6, "list", to("[25]"), "invalid", "to"),
    row(6, "null", to("null"), "null", "to"),
    row(7, "101", to("101"), "range", "to"),
    row(7, "minus-5", to("-5"), "range", "to"),
    row(8, "50000-lists", "[" * 50_000, "too_deep", None),
    row(8, "50000-objects", '{"a":' * 50_000, "too_deep", None),
    row(8, "41-inside", f'{{"reason": {"[" * 40}{"]" * 40}}}', "too_deep", None),
    row(11, "cut", '{"reason": "x", "version": 1', "malformed_json", None),
    row(11, "cut-in-a-text", '{"reason": "x', "malformed_json", None),
    row(11, "empty", "", "required", "reason"),
    row(11, "space", " ", "malformed_json", None),
    row(11, "null", "null", "not_an_object", None),
    row(11, "list", "[]", "not_an_object", None),
    row(11, "number", "7", "not_an_object", None),
    row(11, "text", '"promote"', "not_an_object", None),
    row(11, "two-documents", GOOD.decode() * 2, "malformed_json", None),
    row(11, "trailing-comma", '{"reason": "x", "version": 1,}', "malformed_json", None),
    row(11, "comment", '{"reason": "x" /* y */}', "malformed_json", None),
    row(11, "single-quotes", "{'reason': 'x'}", "malformed_json", None),
    row(11, "list-as-reason", '{"reason": [], "version": 1}', "invalid", "reason"),
    row(12, "bad-utf8", b'{"reason": "\xff", "version": 1}', "invalid_utf8", None),
    row(12, "overlong-utf8", b'{"reason": "\xc0\xaf", "version": 1}', "invalid_utf8", None),
    row(12, "utf16", GOOD.decode().encode("utf-16"), "invalid_utf8", None),
    row(12, "utf16-no-mark", GOOD.decode().encode("utf-16-le"), "malformed_json", None),
    row(12, "utf32", GOOD.decode().encode("utf-32"), "invalid_utf8", None),
    row(12, "byte-order-mark", codecs.BOM_UTF8 + GOOD, "malformed_json", None),
]


@pytest.mark.parametrize(("raw", "code", "field"), RAW)
def test_a_body_that_is_wrong_is_400_and_changes_nothing(send, raw, code, field):
    ready_for_canary()
    with nothing_changes():
        assert_refused(send("POST", PROMOTE, raw=raw), 400, code, field)


def test_malformed_json_says_where(send):
    ready_for_canary()
    answer = send("POST", PROMOTE, raw='{"reason": "x",\n "version": }')
    assert "line 2 column 13" in assert_refused(answer, 400, "malformed_json")["detail"]


NAMES = [
    row(2, "create-phase", new(phase="full"), "unknown_field", "phase"),
    row(2, "create-version", new(version=7), "unknown_field", "version"),
    row(2, "create-held", new(held=False), "unknown_field", "held"),
    row(2, "create-audit-seq", new(last_audit_seq=1), "unknown_field", "last_audit_seq"),
    row(2, "route-weight", route(weight=5), "unknown_field", "routes.0.weight"),
    row(4, "tolerance-nan", route(atol="nan"), "invalid", "routes.0.atol"),
    row(4, "tolerance-inf", route(atol="inf"), "invalid", "routes.0.atol"),
    row(4, "tolerance-text", route(atol="1e-4"), "invalid", "routes.0.atol"),
    row(4, "tolerance-true", route(atol=True), "invalid", "routes.0.atol"),
    row(4, "tolerance-minus", route(atol=-1e-9), "range", "routes.0.atol"),
    row(4, "tolerance-huge", route(atol=1e308), "range", "routes.0.atol"),
    row(6, "safe-yes", route(safe_to_duplicate="yes"), "invalid", "routes.0.safe_to_duplicate"),
    row(6, "safe-1", route(safe_to_duplicate=1), "invalid", "routes.0.safe_to_duplicate"),
    row(6, "safe-null", route(safe_to_duplicate=None), "null", "routes.0.safe_to_duplicate"),
    row(13, "slug-newline", new(slug="ranker\n"), "bad_characters", "slug"),
    row(13, "slug-space", new(slug=" ranker"), "invalid", "slug"),
    row(13, "slug-number", new(slug=12), "invalid", "slug"),
    row(13, "slug-cyrillic", new(slug="rаnker"), "invalid", "slug"),
    row(13, "slug-long", new(slug="r" * 61), "max_length", "slug"),
    row(13, "slug-up", new(slug="../etc"), "invalid", "slug"),
    row(13, "team-nul", new(team="sea\0rch"), "bad_characters", "team"),
    row(13, "title-nul", new(title="a\0b"), "bad_characters", "title"),
    row(13, "title-newline", new(title="a\nb"), "bad_characters", "title"),
    row(13, "title-escape", new(title="a\x1b[31mb"), "bad_characters", "title"),
    row(13, "title-c1", new(title="a\x9bb"), "bad_characters", "title"),
    row(13, "title-bidi", new(title="a\u202eb"), "bad_characters", "title"),
    row(13, "title-isolate", new(title="a\u2066b"), "bad_characters", "title"),
    row(13, "title-zero-width", new(title="a\u200bb"), "bad_characters", "title"),
    row(13, "title-joiner", new(title="a\u2060b"), "bad_characters", "title"),
    row(13, "title-soft-hyphen", new(title="a\u00adb"), "bad_characters", "title"),
    row(13, "title-line-separator", new(title="a\u2028b"), "bad_characters", "title"),
    row(13, "title-tag", new(title="a\U000e0041b"), "bad_characters", "title"),
    row(13, "title-surrogate", new(title="a\ud800b"), "bad_characters", "title"),
    row(13, "title-long", new(title="t" * 121), "max_length", "title"),
    row(13, "path-newline", route(path="/infer\n"), "bad_characters", "routes.0.path"),
    row(13, "path-space", route(path="/in fer"), "invalid", "routes.0.path"),
    row(13, "path-host", route(path="infer"), "invalid", "routes.0.path"),
    row(13, "method-lower", route(method="post"), "invalid_choice", "routes.0.method"),
    row(13, "method-list", route(method=["POST"]), "invalid_choice", "routes.0.method"),
    row(13, "ignore-number", route(ignore=[5]), "invalid", "routes.0.ignore.0"),
    row(13, "ignore-text", route(ignore="$.a"), "not_a_list", "routes.0.ignore"),
    row(13, "group-newline", new(group="default\n"), "bad_characters", "group"),
    row(13, "no-routes", new(routes=[]), "empty", "routes"),
    row(13, "routes-object", new(routes={}), "not_a_list", "routes"),
]


@pytest.mark.parametrize(("raw", "code", "field"), NAMES)
def test_a_migration_of_wrong_names_is_400_and_not_made(send, raw, code, field):
    ready_for_canary()
    with nothing_changes():
        problem = assert_refused(send("POST", CREATE, raw=raw), 400, code)
        assert (problem["field"] or "").split(".")[0] == field.split(".")[0]


REASONS = [
    row(13, "surrogate", '{"reason": "a\\ud800b", "version": 1}'),
    row(13, "nul", '{"reason": "a\\u0000b", "version": 1}'),
    row(13, "bidi", '{"reason": "a\\u202eb", "version": 1}'),
    row(13, "zero-width", '{"reason": "a\\u200bb", "version": 1}'),
    row(13, "carriage-return", '{"reason": "a\\rb", "version": 1}'),
    row(13, "raw-newline", '{"reason": "a\nb", "version": 1}'),
]


@pytest.mark.parametrize("raw", REASONS)
def test_a_reason_that_hides_something_is_400(send, raw):
    ready_for_canary()
    with nothing_changes():
        problem = assert_refused(send("POST", PROMOTE, raw=raw), 400)
        assert problem["code"] in ("bad_characters", "malformed_json")


def test_a_reason_may_have_lines_and_joined_pictures(send):
    made = ready_for_canary()
    sent = {"reason": "seen by\n👩‍💻", "version": made.version}
    assert send("POST", PROMOTE, sent).status_code == 200


WEIGHTS = [
    row(7, "promote-7", PROMOTE, {"version": 1, "reason": "x", "to": 7}, "not_allowed_step"),
    row(7, "promote-0", PROMOTE, {"version": 1, "reason": "x", "to": 0}, "not_allowed_step"),
    row(7, "skip-to-100", PROMOTE, {"version": 1, "reason": "x", "to": 100}, "not_allowed_step"),
    row(7, "skip-to-25", PROMOTE, {"version": 1, "reason": "x", "to": 25}, "not_allowed_step"),
    row(7, "roll-back-to-7", ROLL_BACK, {"to": 7}, "not_a_lower_step"),
    row(7, "roll-back-up", ROLL_BACK, {"to": 5}, "not_a_lower_step"),
]


@pytest.mark.parametrize(("path", "sent", "code"), WEIGHTS)
def test_a_weight_that_does_not_come_next_is_409_and_changes_nothing(send, path, sent, code):
    ready_for_canary()
    with nothing_changes():
        assert_refused(send("POST", path, sent), 409, code)


KINDS = [
    row(10, "gzip", gzip.compress(GOOD), {"content_encoding": "gzip"}),
    row(10, "gzip-named-only", GOOD, {"content_encoding": "gzip"}),
    row(10, "brotli", GOOD, {"content_encoding": "br"}),
    row(10, "two-packings", GOOD, {"content_encoding": "gzip, gzip"}),
    row(12, "charset-nope", GOOD, {"content_type": "application/json; charset=nope"}),
    row(12, "charset-utf16", GOOD, {"content_type": "application/json; charset=utf-16"}),
    row(12, "charset-latin1", GOOD, {"content_type": "application/json; charset=latin-1"}),
    row(15, "plain", GOOD, {"content_type": "text/plain"}),
    row(15, "form", b"reason=x&version=1", {"content_type": "application/x-www-form-urlencoded"}),
    row(15, "multipart", b"--b--", {"content_type": "multipart/form-data; boundary=b"}),
    row(15, "no-type", GOOD, {"content_type": ""}),
    row(15, "nonsense-type", GOOD, {"content_type": "json"}),
    row(15, "html", GOOD, {"content_type": "text/html"}),
    row(
        15,
        "xml-bomb",
        b'<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
        {"content_type": "application/xml"},
    ),
]


@pytest.mark.parametrize(("raw", "headers"), KINDS)
def test_a_body_of_another_kind_is_415_and_changes_nothing(send, raw, headers):
    ready_for_canary()
    with nothing_changes():
        assert_refused(send("POST", PROMOTE, raw=raw, **headers), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", 'application/json;charset="UTF-8"']
)
def test_the_charset_that_json_has_may_be_named(send, kind):
    made = ready_for_canary()
    raw = json.dumps({"reason": "x", "version": made.version})
    assert send("POST", PROMOTE, raw=raw, content_type=kind).status_code == 200


@pytest.mark.parametrize("path", [PROMOTE, CREATE, ROLL_BACK])
@pytest.mark.parametrize("size", [1_048_577, 3_000_000], ids=["9-one-more", "9-3MB"])
def test_a_body_over_the_cap_is_413_and_changes_nothing(send, path, size):
    ready_for_canary()
    raw = b'{"reason": "' + b"x" * (size - 14) + b'"}'
    with nothing_changes():
        assert_refused(send("POST", path, raw=raw), 413, "body_too_large")
