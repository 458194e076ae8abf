"""Captures: what Envoy's taps saw of one upstream exchange, put together from its messages."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from traffic.edge.protos import Message, ProcessingRequest, parse
from traffic.edge.records import SAMPLE_HEADER

Headers = tuple[tuple[str, str], ...]

ATTRIBUTES = "envoy.filters.http.ext_proc"
OURS = (":", "x-banyan-")
WINDOW_SLACK_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Capture:
    """One side's exchange. Times are µs since 1970, as this process saw them.

    `complete` means the end of the response was seen. `truncated` means that a body was longer than
    the cap and is cut there; a cut response also has no end. `status` 0 is no answer so far.
    `request_ended` means that the upstream was given the whole request, as far as it was tapped.
    `request_body` is empty on the users' path, where it is not tapped.
    """

    sample: str
    cluster: str
    upstream: str
    started_us: int
    ended_us: int
    method: str
    path: str
    request_headers: Headers
    request_body: bytes
    status: int
    response_headers: Headers
    response_body: bytes
    complete: bool
    truncated: bool = False
    request_truncated: bool = False
    request_ended: bool = True

    @property
    def size(self) -> int:
        """Bytes of both bodies: what holding on to this capture costs."""
        return len(self.request_body) + len(self.response_body)


@dataclass(slots=True)
class TapSettings:
    """What may change while the receiver runs: bytes kept per body, headers never kept."""

    cap_bytes: int = 262_144
    redact_headers: Collection[str] = ("authorization", "cookie")


class TapStream:
    """One stream of one tap; delivers exactly one capture if Envoy marked the request."""

    def __init__(self, settings: TapSettings, deliver: Callable[[Capture], None]) -> None:
        self._settings = settings
        self._deliver = deliver
        self._request = _Body(settings.cap_bytes)
        self._response = _Body(settings.cap_bytes)
        self._cluster = self._upstream = ""
        self._started_us = self._status = 0
        self._request_ended = False
        self._told: dict[str, str] = {}
        self._request_headers: Headers = ()
        self._response_headers: Headers = ()

    def message(self, data: bytes) -> bool:
        """Take one message; False once the response has ended or is longer than the cap."""
        request = parse(ProcessingRequest, data)
        kind = request.WhichOneof("request")
        if kind == "request_headers":
            self._begin(request)
        elif kind == "request_body":
            self._request.add(request.request_body)
            self._request_ended = request.request_body.end_of_stream
        elif kind == "response_headers":
            return self._answered(request.response_headers)
        elif kind == "response_body":
            body = request.response_body
            self._response.add(body)
            return self._go_on(ended=body.end_of_stream)
        return True

    def ended(self) -> None:
        """Envoy ended the stream before the response had ended."""
        self._hand_over(complete=False)

    def _begin(self, request: Message) -> None:
        self._started_us = now_us()
        attributes = request.attributes[ATTRIBUTES].fields
        self._cluster = attributes["xds.cluster_name"].string_value
        self._upstream = attributes["upstream.address"].string_value
        self._request_headers, self._told = self._read(request.request_headers.headers)
        self._request_ended = request.request_headers.end_of_stream

    def _answered(self, answer: Message) -> bool:
        self._response_headers, told = self._read(answer.headers)
        status = told.get(":status", "")
        self._status = int(status) if status.isdecimal() else 0
        return self._go_on(ended=answer.end_of_stream)

    def _go_on(self, *, ended: bool) -> bool:
        if ended or self._response.truncated:
            self._hand_over(complete=ended)
            return False
        return True

    def _hand_over(self, *, complete: bool) -> None:
        if not (sample := self._told.get(SAMPLE_HEADER)):
            return
        self._deliver(
            Capture(
                sample=sample,
                cluster=self._cluster,
                upstream=self._upstream,
                started_us=self._started_us,
                ended_us=now_us(),
                method=self._told.get(":method", ""),
                path=self._told.get(":path", ""),
                request_headers=self._request_headers,
                request_body=bytes(self._request.kept),
                status=self._status,
                response_headers=self._response_headers,
                response_body=bytes(self._response.kept),
                complete=complete,
                truncated=self._response.truncated,
                request_truncated=self._request.truncated,
                request_ended=self._request_ended,
            )
        )

    def _read(self, headers: Message) -> tuple[Headers, dict[str, str]]:
        """Split headers into those kept with the capture, and HTTP's and our own.

        Our marks are not the user's, and one of them holds the user's key in clear. Envoy sends
        values as bytes, and HTTP allows any byte in them.
        """
        kept, told = [], {}
        redacted = self._settings.redact_headers
        for header in headers.headers:
            name = header.key
            value = header.raw_value.decode("latin-1") or header.value
            if name.startswith(OURS):
                told[name] = value
            elif name not in redacted:
                kept.append((name, value))
        return tuple(kept), told


class _Body:
    """A body up to the cap. A request goes on beyond it unread, or its response would be lost."""

    __slots__ = ("_cap", "kept", "truncated")

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self.kept = bytearray()
        self.truncated = False

    def add(self, part: Message) -> None:
        room = self._cap - len(self.kept)
        self.kept += part.body if len(part.body) <= room else part.body[:room]
        self.truncated = self.truncated or len(part.body) > room


def now_us() -> int:
    """µs since 1970."""
    return time.time_ns() // 1000
