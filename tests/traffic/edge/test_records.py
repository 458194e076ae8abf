import pytest
from envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage

from traffic.edge.h2 import ProtocolError
from traffic.edge.records import AccessRecord, RecordStream


def entry() -> HTTPAccessLogEntry:
    made = HTTPAccessLogEntry()
    common = made.common_properties
    common.start_time.FromMicroseconds(1_763_884_800_123_456)
    common.duration.FromMicroseconds(2_345_678)
    common.upstream_cluster = "s/candidate"
    common.route_name = "s/candidate-plain"
    common.response_flags.upstream_request_timeout = True
    common.upstream_request_attempt_count = 2
    made.request.request_method = 3
    made.request.path = "/infer?x=1"
    made.request.request_headers["x-banyan-sample"] = "m1"
    made.request.request_headers["x-banyan-key"] = "anna"
    made.request.request_headers["x-banyan-shadow"] = "legacy-shadow"
    made.response.response_code.value = 504
    made.response.response_code_details = "response_timeout"
    return made


def batch(log_name: str | None, *entries: HTTPAccessLogEntry) -> bytes:
    message = StreamAccessLogsMessage()
    if log_name is not None:
        message.identifier.log_name = log_name
    message.http_logs.log_entry.extend(entries)
    return message.SerializeToString()


def test_a_record_keeps_what_the_edge_needs_in_microseconds() -> None:
    got: list[AccessRecord] = []
    RecordStream(got.extend).message(batch("edge", entry()))
    assert got == [
        AccessRecord(
            log="edge",
            started_us=1_763_884_800_123_456,
            duration_us=2_345_678,
            cluster="s/candidate",
            route="s/candidate-plain",
            status=504,
            flags=frozenset({"upstream_request_timeout"}),
            details="response_timeout",
            attempts=2,
            sample="m1",
            key="anna",
            copy="legacy-shadow",
            method="POST",
            path="/infer?x=1",
        )
    ]


def test_the_log_is_named_in_the_first_message_only() -> None:
    got: list[AccessRecord] = []
    stream = RecordStream(got.extend)
    stream.message(batch("attempt", entry()))
    stream.message(batch(None, entry(), entry()))
    assert [record.log for record in got] == ["attempt"] * 3


def test_an_unknown_log_is_not_counted() -> None:
    got: list[AccessRecord] = []
    RecordStream(got.extend).message(batch("other", entry()))
    assert got == []


def test_an_attempt_without_an_answer_has_status_zero() -> None:
    got: list[AccessRecord] = []
    RecordStream(got.extend).message(batch("attempt", HTTPAccessLogEntry()))
    assert (got[0].status, got[0].flags, got[0].method) == (0, frozenset(), "")


def test_garbage_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        RecordStream(print).message(b"\xff\xff\xff")
