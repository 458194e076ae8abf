"""Lines of a recording: good ones are kept once and without secrets, bad ones have a reason."""

import base64
import json
from datetime import timedelta

import pytest

from shadow import readings, services
from shadow.checks.openapi.document import read_document
from shadow.corpus import (
    MAX_BODY_BYTES,
    MAX_LINE_BYTES,
    MAX_LINES,
    LineError,
    as_line,
    read_line,
    read_lines,
    route_of,
    without_secrets,
)
from shadow.models import CorpusRequest, RouteRule, ServicePair
from shadow.pairs import read_pair
from shadow.privacy import read_redaction
from tests.rollout.builders import NOW
from tests.shadow.checks.documents import document, fields
from tests.shadow.test_comparing import entry

GOOD = {"method": "POST", "path": "/infer", "json": {"input": [1]}}


def line(**changes):
    return json.dumps({**GOOD, **changes}).encode()


def without(name, **changes):
    return json.dumps({**{k: v for k, v in GOOD.items() if k != name}, **changes}).encode()


BAD = [
    (b"{", "no JSON"),
    (b'{"method":"POST","path":"/infer","bo', "no JSON"),
    (b"[]", "no JSON object"),
    ('{"method":"POST"}'.encode("utf-16"), "no JSON"),
    (b'{"method":"POST","path":"/\xff"}', "no JSON"),
    (line(verb="GET"), "not known"),
    (line(method="BREW"), "method is one of"),
    (line(method=None), "method is one of"),
    (without("path"), "path is missing"),
    (line(path="http://evil/infer"), "names no host"),
    (line(path="//evil/infer"), "names no host"),
    (line(path="infer"), "names no host"),
    (line(path="/infer\r\nx-injected: 1"), "line break"),
    (line(path="/in fer"), "space"),
    (line(path="/infer#top"), "another sign"),
    (line(path="/é"), "another sign"),
    (line(path="/" + "a" * 3000), "longer than"),
    (line(headers={"x-a": "b\r\nc: d"}), "control character"),
    (line(headers={"x a": "b"}), "name is wrong"),
    (line(headers={"x-a": 3}), "no text"),
    (line(headers={"x-a": "b" * 5000}), "no text of at most"),
    (line(headers=[["x-a"]]), "a name and a value"),
    (line(headers=[["x-a", "b"]] * 61), "at most 60"),
    (line(body="x"), "say the same twice"),
    (without("json", body=3), "body is a text"),
    (without("json", body_base64="*"), "not base64"),
    (without("json", body="x" * (MAX_BODY_BYTES + 1)), "longer than"),
    (b"x" * (MAX_LINE_BYTES + 1), "longer than"),
    (line(at="yesterday"), "at is a number"),
    (b'{"request":{"method":"GET","url":"http://127.0.0.1/a"}}', "names no host"),
]


@pytest.mark.parametrize(("raw", "reason"), BAD)
def test_a_line_that_is_no_request_says_why(raw, reason):
    with pytest.raises(LineError, match=reason):
        read_line(raw)


def test_bad_lines_are_named_by_number_and_good_ones_read_on():
    found = read_lines(b"\n".join([line(), b"{", b"", line(method="GET"), b"[]"]))
    assert [number for number, _ in found.bad] == [2, 5]
    assert [written.number for written in found.good] == [1, 4]


def test_line_ends_of_other_systems_are_read():
    assert len(read_lines(line() + b"\r\n" + line() + b"\r\n").good) == 2


def test_repeated_ids_and_times_going_back_are_flagged():
    found = read_lines(b"\n".join([line(id="a", at=2), line(id="a", at=1), line(id="b", at=3)]))
    assert (found.repeated_ids, found.backwards) == (1, 1)


def test_too_many_lines_are_refused_by_number():
    found = read_lines(b"\n".join([b'{"method":"GET","path":"/"}'] * (MAX_LINES + 9)))
    assert found.bad[0][0] == MAX_LINES + 1
    assert len(found.good) == MAX_LINES


def test_bodies_come_as_text_document_or_bytes():
    raw = base64.b64encode(b"\xff\x00").decode()
    assert read_line(line()).body == b'{"input":[1]}'
    assert read_line(without("json", body="{é")).body == "{é".encode()
    assert read_line(without("json", body_base64=raw)).body == b"\xff\x00"


def test_a_line_of_an_archive_is_read():
    request = {
        "method": "POST",
        "url": "/infer?a=1",
        "headers": [{"name": "Content-Type", "value": "application/json"}],
        "postData": {"text": "{}"},
    }
    found = read_line(json.dumps({"request": request}).encode())
    assert (found.path, found.body) == ("/infer?a=1", b"{}")
    assert found.headers == (("content-type", "application/json"),)


def test_secrets_are_left_out_and_counted():
    headers = {"Authorization": "Bearer s3cret", "Cookie": "a=b", "x-a": "b", "host": "h"}
    written = read_line(
        line(path="/infer?token=s3cret&n=1", headers=headers, json={"user": {"name": "Ann"}})
    )
    kept, count = without_secrets(written, read_redaction(["$.user.name"]))
    assert kept.headers == (("x-a", "b"),)
    assert b"Ann" not in kept.body
    assert "s3cret" not in kept.path
    assert kept.path.endswith("&n=1")
    assert count == 4


def test_a_stored_request_can_be_read_again():
    for body in (b'{"a":1}', b"\xff\x00", b""):
        text = as_line(
            source="written",
            route="POST /a",
            method="POST",
            path="/a?b=c",
            headers=[["x-a", "b"]],
            body=body,
        )
        found = read_line(text.encode())
        assert (found.method, found.path, found.body) == ("POST", "/a?b=c", body)
        assert found.headers == (("x-a", "b"),)


ROUTES = [("POST", "/infer"), ("GET", "/items/{id}"), ("GET", "/items/new")]


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/infer?x=1", "POST /infer"),
        ("GET", "/infer", "other"),
        ("GET", "/items/7", "GET /items/{id}"),
        ("GET", "/items/new", "GET /items/new"),
        ("GET", "/items/7/x", "other"),
    ],
)
def test_a_request_belongs_to_the_route_that_it_matches(method, path, route):
    assert route_of(method, path, ROUTES) == route


@pytest.fixture
def pair(db):
    made = ServicePair.objects.create(
        name="embeddings",
        stream="embeddings",
        legacy_url="http://a",
        candidate_url="http://b",
        legacy_build="legacy-1",
        candidate_build="candidate-1",
        probing=True,
    )
    RouteRule.objects.create(pair=made, method="POST", path="/infer", safe_to_duplicate=True)
    RouteRule.objects.create(pair=made, method="POST", path="/pay", safe_to_duplicate=False)
    return made


def add(pair, *lines, **options):
    found = read_lines(b"\n".join(lines))
    return services.add_requests(
        pair=pair, written=found.good, source="written", now=NOW, **options
    )


def test_a_request_stands_in_the_corpus_once(pair):
    first = add(pair, line(), line(headers={"authorization": "a"}))
    again = add(pair, line(), line(json={"input": [2]}))
    assert (first.added, first.duplicates, first.redacted) == (1, 1, 1)
    assert (again.added, again.duplicates) == (1, 1)
    assert CorpusRequest.objects.count() == 2


def test_requests_with_side_effects_are_stored_but_blocked(pair):
    added = add(pair, line(), line(path="/pay"), line(path="/nowhere"))
    assert (added.added, added.blocked) == (3, 2)


def test_the_corpus_is_bounded(pair, monkeypatch):
    monkeypatch.setattr("shadow.services.corpus.MAX_REQUESTS", 2)
    added = add(pair, *(line(json={"input": [n]}) for n in range(5)))
    assert (added.added, added.beyond) == (2, 3)


def test_expired_requests_are_forgotten(pair):
    add(pair, line(), lifetime=timedelta(hours=1))
    assert services.forget_expired(now=NOW) == 0
    assert services.forget_expired(now=NOW + timedelta(hours=2)) == 1


def compared(*entries):
    return services.compare_batch([read_pair(e) for e in entries])


def test_a_few_of_users_requests_are_recorded_without_secrets(pair, monkeypatch):
    monkeypatch.setattr("shadow.services.corpus.RECORDED_PER_ROUTE", 3)
    headers = '[["authorization","s3cret"],["x-user-key","ann"],["content-type","a/b"]]'
    for n in range(6):
        body = json.dumps({"input": [n]}).encode()
        services.keep_recorded(
            compared=compared(entry(id=f"s{n}", req_body=body, req_headers=headers)), now=NOW
        )
    kept = CorpusRequest.objects.all()
    assert {row.source for row in kept} == {"recorded"}
    assert len(kept) == 3
    assert all(row.headers == [["content-type", "a/b"]] for row in kept)
    assert all(row.expires_at == NOW + timedelta(days=7) for row in kept)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "noise"},
        {"route": "other"},
        {"req_headers": '[["content-length","999"]]'},
        {"req_body": b"x" * 70_000},
    ],
)
def test_what_should_not_or_cannot_be_sent_again_is_not_recorded(pair, change):
    services.keep_recorded(compared=compared(entry(**change)), now=NOW)
    assert not CorpusRequest.objects.exists()


def test_requests_are_made_up_from_the_document_for_safe_routes_alone(pair):
    made = document(fields(["input"], input={"type": "array", "items": {"type": "number"}}))
    made["paths"]["/pay"] = made["paths"]["/infer"]
    found = read_document(json.dumps(made).encode())
    added = services.add_generated(pair=pair, document=found, now=NOW)
    assert added.added > 3
    assert {row.route for row in readings.corpus(pair=pair)} == {"POST /infer"}
