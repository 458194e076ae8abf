"""Whatever a service does: a whole answer or a named error, in time and in bounded memory."""

import resource
import time

import pytest
import pytest_socket

from shadow.comparison import Answer, Rules, compare
from shadow.http import Request, fetch, fetch_all, send_all
from tests.upstream import JSON_OK, MIB, MODES, misbehaving

DEADLINE = 0.6
CAP = 256 * 1024

ERRORS = {
    "drip": "timeout",
    "silence": "timeout",
    "endless-headers": "timeout",
    "flood-of-1xx": "timeout",
    "endless-chunks": "body_too_large",
    "gigabyte": "body_too_large",
    "cut-in-chunk": "truncated",
    "length-too-long": "truncated",
    "reset": "connection_reset",
    "closes-at-once": "no_answer",
    "many-headers": "headers_too_large",
    "many-cookies": "headers_too_large",
    "nul-in-header": "protocol_error",
    "garbage": "protocol_error",
    "bad-chunk-size": "protocol_error",
    "status-99": "protocol_error",
    "status-600": "protocol_error",
    "status-101": "protocol_error",
    "body-with-204": "protocol_error",
}
ANSWERS = {
    "ok": 200,
    "redirect": 302,
    "html-as-json": 200,
    "error-page-200": 200,
    "wrong-charset": 200,
    "nan": 200,
    "duplicate-keys": 200,
    "length-too-short": 200,
    "bad-gzip": 200,
    "gzip-bomb": 200,
    "chained-encodings": 200,
}


@pytest.fixture(scope="module")
def upstream():
    pytest_socket.enable_socket()
    with misbehaving() as address:
        yield address
    pytest_socket.disable_socket(allow_unix_socket=True)


@pytest.fixture
def get(upstream, socket_enabled):
    def send(name, **options):
        values = {"deadline_s": DEADLINE, "max_body_bytes": CAP, **options}
        return send_all([Request("GET", upstream, f"/{name}")], **values)[0]

    return send


def test_every_way_to_misbehave_is_tried():
    assert ERRORS.keys() | ANSWERS.keys() == MODES.keys()
    assert len(MODES) >= 25


@pytest.mark.parametrize("name", ERRORS)
def test_a_failure_has_its_name_within_the_deadline(get, name):
    started = time.monotonic()
    reply = get(name)
    assert time.monotonic() - started < DEADLINE + 0.5
    assert reply.error == ERRORS[name]
    assert len(reply.body) <= CAP
    assert reply.status == (200 if reply.error == "body_too_large" else 0)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_comes_as_it_was_on_the_wire(get, name):
    reply = get(name)
    assert (reply.error, reply.status) == ("", ANSWERS[name])
    assert len(reply.body) <= CAP


def test_bombs_and_endless_bodies_leave_memory_as_it_was(get):
    get("ok")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in ("endless-chunks", "gigabyte", "endless-headers", "many-headers", "flood-of-1xx"):
        get(name)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) / 1024 < 40


# What the engine says of such an answer where legacy's is good; "" stands for a match.
COMPARED = {
    "ok": "match",
    "redirect": "mismatch",
    "html-as-json": "mismatch",
    "error-page-200": "mismatch",
    "wrong-charset": "mismatch",
    "nan": "mismatch",
    "duplicate-keys": "uncomparable",
    "length-too-short": "mismatch",
    "bad-gzip": "mismatch",
    "gzip-bomb": "uncomparable",
    "chained-encodings": "uncomparable",
}


@pytest.mark.parametrize("name", COMPARED)
def test_no_odd_answer_equals_a_good_one(get, name):
    good = Answer(200, (("content-type", "application/json"),), JSON_OK)
    reply = get(name)
    outcome = compare(good, Answer(reply.status, reply.headers, reply.body), Rules())
    assert outcome.kind == COMPARED[name]
    assert outcome.kind == "match" or outcome.cause


def test_nobody_listening_and_no_such_host_have_names(socket_enabled):
    replies = fetch_all(["http://127.0.0.1:1/healthz", "http://no-such-host.invalid/"])
    assert [r.error for r in replies] == ["connection_refused", "unknown_host"]
    assert [r.status for r in replies] == [0, 0]


def test_a_service_without_tls_is_named_so(upstream, socket_enabled):
    assert fetch(upstream.replace("http:", "https:") + "/ok").error == "tls_error"


def test_requests_go_together_and_come_back_in_order(upstream, socket_enabled):
    started = time.monotonic()
    names = ["silence", "ok", "silence", "redirect"]
    replies = send_all([Request("GET", upstream, f"/{n}") for n in names], deadline_s=DEADLINE)
    assert time.monotonic() - started < 2 * DEADLINE
    assert [r.status for r in replies] == [0, 200, 0, 302]


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/a b"},
        {"path": "/a\r\nx-injected: 1"},
        {"headers": (("x-a", "b\r\nx-injected: 1"),)},
        {"headers": (("x a", "b"),)},
        {"method": "GET /x HTTP/1.1\r\n"},
        {"address": "http://[::1"},
    ],
)
def test_a_request_that_would_smuggle_another_is_not_sent(upstream, socket_enabled, change):
    values = {"method": "GET", "address": upstream, "path": "/ok", **change}
    assert send_all([Request(**values)], deadline_s=DEADLINE)[0].error == "bad_request"


def test_a_body_is_read_up_to_the_cap(get):
    reply = get("gigabyte", max_body_bytes=MIB)
    assert len(reply.body) == MIB
