import pytest
from envoy.config.core.v3.base_pb2 import HeaderMap, HeaderValue
from envoy.service.ext_proc.v3.external_processor_pb2 import (
    HttpBody,
    HttpHeaders,
    ProcessingRequest,
)

from traffic.edge.h2 import ProtocolError
from traffic.edge.taps import ATTRIBUTES, Capture, TapSettings, TapStream


def headers(pairs: dict[str, str], *, end: bool = False) -> HttpHeaders:
    values = [HeaderValue(key=key, raw_value=value.encode()) for key, value in pairs.items()]
    return HttpHeaders(headers=HeaderMap(headers=values), end_of_stream=end)


def asked(**extra: str) -> bytes:
    marks = {":method": "POST", ":path": "/infer", "x-banyan-sample": "m1", "x-banyan-key": "anna"}
    message = ProcessingRequest(request_headers=headers({**marks, "accept": "*/*", **extra}))
    attributes = message.attributes[ATTRIBUTES]
    attributes["xds.cluster_name"] = "s/legacy"
    attributes["upstream.address"] = "127.0.0.1:8001"
    return message.SerializeToString()


def answered(status: str = "200", *, end: bool = False) -> bytes:
    message = ProcessingRequest(response_headers=headers({":status": status, "a": "b"}, end=end))
    return message.SerializeToString()


def body(side: str, data: bytes, *, end: bool = False) -> bytes:
    return ProcessingRequest(
        **{f"{side}_body": HttpBody(body=data, end_of_stream=end)}
    ).SerializeToString()


class Tap:
    def __init__(self, **settings: object) -> None:
        self.captures: list[Capture] = []
        self.stream = TapStream(TapSettings(**settings), self.captures.append)

    def feed(self, *messages: bytes) -> list[bool]:
        return [self.stream.message(message) for message in messages]


def test_a_capture_is_handed_over_as_soon_as_the_response_has_ended() -> None:
    tap = Tap()
    going_on = tap.feed(
        asked(),
        body("request", b"ask"),
        body("request", b"ed", end=True),
        answered(),
        body("response", b"ans"),
        body("response", b"wer", end=True),
    )
    assert going_on == [True, True, True, True, True, False]
    (capture,) = tap.captures
    assert (capture.sample, capture.cluster, capture.upstream) == (
        "m1",
        "s/legacy",
        "127.0.0.1:8001",
    )
    assert (capture.method, capture.path, capture.status) == ("POST", "/infer", 200)
    assert (capture.request_body, capture.response_body) == (b"asked", b"answer")
    assert (capture.complete, capture.truncated) == (True, False)
    assert capture.response_headers == (("a", "b"),)
    assert capture.started_us <= capture.ended_us


def test_an_answer_of_headers_alone_is_complete() -> None:
    tap = Tap()
    assert tap.feed(asked(), answered("304", end=True)) == [True, False]
    assert tap.captures[0].complete


def test_secrets_and_our_own_marks_are_not_kept() -> None:
    tap = Tap(redact_headers=frozenset({"authorization", "cookie"}))
    tap.feed(asked(authorization="secret", cookie="c=1"), answered(end=True))
    assert tap.captures[0].request_headers == (("accept", "*/*"),)


def test_a_response_beyond_the_cap_is_cut_and_its_stream_ended() -> None:
    tap = Tap(cap_bytes=10)
    assert tap.feed(asked(), answered(), body("response", b"x" * 11)) == [True, True, False]
    (capture,) = tap.captures
    assert (capture.response_body, capture.truncated, capture.complete) == (b"x" * 10, True, False)


def test_a_response_of_exactly_the_cap_is_whole() -> None:
    tap = Tap(cap_bytes=10)
    tap.feed(asked(), answered(), body("response", b"x" * 10), body("response", b"", end=True))
    assert tap.captures[0].complete
    assert not tap.captures[0].truncated


def test_a_request_beyond_the_cap_is_cut_but_its_response_still_seen() -> None:
    tap = Tap(cap_bytes=10)
    tap.feed(asked(), body("request", b"x" * 8), body("request", b"y" * 8), answered(end=True))
    (capture,) = tap.captures
    assert (capture.request_body, capture.request_truncated) == (b"x" * 8 + b"yy", True)
    assert (capture.complete, capture.truncated) == (True, False)


def test_a_stream_that_envoy_gives_up_is_an_incomplete_capture() -> None:
    tap = Tap()
    tap.feed(asked(), body("request", b"ask", end=True))
    tap.stream.ended()
    (capture,) = tap.captures
    assert (capture.complete, capture.status, capture.request_body) == (False, 0, b"ask")


def test_a_stream_without_a_mark_is_nobodys_capture() -> None:
    tap = Tap()
    tap.stream.ended()
    assert tap.captures == []


def test_header_values_that_are_not_utf8_survive() -> None:
    tap = Tap()
    values = [HeaderValue(key=":status", raw_value=b"200"), HeaderValue(key="n", raw_value=b"\xe9")]
    answer = HttpHeaders(headers=HeaderMap(headers=values), end_of_stream=True)
    tap.feed(asked(), ProcessingRequest(response_headers=answer).SerializeToString())
    assert tap.captures[0].response_headers == (("n", "é"),)


def test_garbage_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        Tap().feed(b"\xff\xff\xff")
