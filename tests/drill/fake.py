"""A false control plane in web's place: it offers the real edge what the test wants it to see."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from traffic.envoy.snapshot import digest

Json = dict[str, Any]

TAKE_OVER_SECONDS = 5.0


class FakeControl:
    """Serves one offer at a time and keeps the edge's reports."""

    def __init__(self) -> None:
        self.offer: bytes | None = None
        self.reports: list[Json] = []
        self.served = 0
        self.over = False

    def put(self, document: object) -> None:
        """Offer a document from now on; bytes go out as they are."""
        self.offer = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.served = 0
        self.reports.clear()


def sealed(document: Json, **changes: Any) -> Json:
    """Return a snapshot with other values and a hash that fits: as if it were really published."""
    changed = {**document, **changes}
    return {**changed, "sha256": digest(changed)}


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away."""


def _listen(address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> _QuietServer:
    """Take over a port; threads of the killed may hold it for a moment longer than their leader."""
    deadline = time.monotonic() + TAKE_OVER_SECONDS
    while True:
        try:
            return _QuietServer(address, handler)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextmanager
def in_place_of(web: str) -> Iterator[FakeControl]:
    """Listen where web did, for the length of the block."""
    control = FakeControl()
    address = urlsplit(web)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            if control.offer is None or not self.path.startswith("/edge/v1/snapshot"):
                time.sleep(min(float(asked.get("wait", ["0"])[0]), 0.5))
                self._answer(204, b"")
                return
            control.served += 1
            time.sleep(0.05)
            self._answer(200, control.offer)

        def do_POST(self) -> None:
            report = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            control.reports.append(report)
            self._answer(200, json.dumps({"ack_seq": report["seq"]}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _answer(self, status: int, body: bytes) -> None:
            if control.over:
                # A connection that is kept alive would keep the edge here for ever.
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = _listen((address.hostname or "", address.port or 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield control
    finally:
        control.over = True
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
