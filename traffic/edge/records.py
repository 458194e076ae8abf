"""Envoy's access records: one per request of a user, and one per upstream attempt and copy."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from traffic.edge.protos import Message, RequestMethod, StreamAccessLogsMessage, parse

KEY_HEADER = "x-banyan-key"
SAMPLE_HEADER = "x-banyan-sample"
COPY_HEADER = "x-banyan-shadow"
MICROS = 1_000_000
WINDOW_BYTES = 1 << 20

_METHODS: dict[int, str] = {number: name for name, number in RequestMethod.items() if number}

Log = Literal["edge", "attempt"]


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """What Envoy noted about one request (`edge`) or one upstream try (`attempt`).

    Times are µs since 1970, durations µs. `status` 0 is no answer. `route` is what was intended
    (empty on copies), `cluster` who really answered. `attempts` and `details` (Envoy's reason for
    the status) are known on edge records only. `copy` is the mark of a copy, as "legacy-shadow".
    """

    log: Log
    started_us: int
    duration_us: int
    cluster: str
    route: str
    status: int
    flags: frozenset[str] = frozenset()
    details: str = ""
    attempts: int = 0
    sample: str = ""
    key: str = ""
    copy: str = ""
    method: str = ""
    path: str = ""


def record_of(log: Log, entry: Message) -> AccessRecord:
    """Return the part of Envoy's record that the edge needs."""
    common, request = entry.common_properties, entry.request
    headers = request.request_headers
    started = common.start_time
    lasted = common.duration
    return AccessRecord(
        log=log,
        started_us=started.seconds * MICROS + started.nanos // 1000,
        duration_us=lasted.seconds * MICROS + lasted.nanos // 1000,
        cluster=common.upstream_cluster,
        route=common.route_name,
        status=entry.response.response_code.value,
        flags=frozenset(field.name for field, _ in common.response_flags.ListFields()),
        details=entry.response.response_code_details,
        attempts=common.upstream_request_attempt_count,
        sample=headers.get(SAMPLE_HEADER, ""),
        key=headers.get(KEY_HEADER, ""),
        copy=headers.get(COPY_HEADER, ""),
        method=_METHODS.get(request.request_method, ""),
        path=request.path,
    )


class RecordStream:
    """One stream of access records. Envoy names the log in the first message only."""

    def __init__(self, deliver: Callable[[Iterable[AccessRecord]], None]) -> None:
        self._deliver = deliver
        self._log: Log | None = None

    def message(self, data: bytes) -> bool:
        batch = parse(StreamAccessLogsMessage, data)
        if batch.HasField("identifier"):
            name = batch.identifier.log_name
            self._log = "edge" if name == "edge" else "attempt" if name == "attempt" else None
        if (log := self._log) is not None:
            self._deliver([record_of(log, entry) for entry in batch.http_logs.log_entry])
        return True

    def ended(self) -> None:
        """Nothing is held back between messages."""
