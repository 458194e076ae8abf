"""Deliberate defects, for Banyan to find: those of candidate-axum, under the same names."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

FAULTS = ("drift", "errors", "slow", "schema")
DRIFT_SHARE, ERROR_SHARE, SLOW_SHARE = 0.02, 0.05, 0.02
_MASK = (1 << 64) - 1


class Faults:
    """The switch, shared by every request."""

    def __init__(self, fault: str | None, *, slow_seconds: float) -> None:
        self.slow_seconds = slow_seconds
        self._turns = count(1)
        self.current: str | None = None
        self.set(fault)

    def set(self, fault: str | None) -> None:
        """Switch; raises ValueError for a name that is not known."""
        if fault is not None and fault not in FAULTS:
            raise ValueError(f"unknown fault {fault!r}; known are {', '.join(FAULTS)}")
        self.current = fault

    def drifts(self) -> bool:
        return self.current == "drift" and self._draw(DRIFT_SHARE)

    def refuses(self) -> bool:
        return self.current == "errors" and self._draw(ERROR_SHARE)

    def delay_seconds(self) -> float:
        slow = self.current == "slow" and self._draw(SLOW_SHARE)
        return self.slow_seconds if slow else 0.0

    def renames(self) -> bool:
        return self.current == "schema"

    def _draw(self, share: float) -> bool:
        """Return True for `share` of the calls: scattered, yet the same each run (SplitMix64)."""
        z = next(self._turns) * 0x9E3779B97F4A7C15 & _MASK
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
        return (z ^ (z >> 31)) >> 32 < share * 0xFFFFFFFF


def serve_switch(faults: Faults, port: int) -> None:
    """Offer `GET /fault` and `PUT /fault` on the loopback address, from a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._show()

        def do_PUT(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            try:
                faults.set(json.loads(raw)["fault"])
            except (ValueError, KeyError, TypeError) as error:
                words = {"code": "unknown_fault", "message": str(error), "field": "fault"}
                self._answer(422, {"error": words})
                return
            self._show()

        def log_message(self, *_: object) -> None:
            """Keep the service's own log free of this."""

        def _show(self) -> None:
            known = self.path == "/fault"
            self._answer(200 if known else 404, {"fault": faults.current} if known else {})

        def _answer(self, status: int, body: dict[str, object]) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
