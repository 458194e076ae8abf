"""The private port, on the loopback address only and no part of the service's contract.

`PUT /state` with `{"state": "draining"}` changes what `/readyz` says; null: the truth again.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from readiness import Readiness


@dataclass(frozen=True, slots=True)
class Switch:
    """`set` takes the whole body and raises ValueError for what it does not know."""

    name: str
    set: Callable[[Mapping[str, Any]], None]
    get: Callable[[], str | None]


def state_switch(readiness: Readiness) -> Switch:
    return Switch("state", lambda body: readiness.tell(body["state"]), lambda: readiness.current)


def serve_admin(port: int, *switches: Switch) -> None:
    """Offer `GET` and `PUT /<name>` of each switch, from a thread of its own."""
    known = {f"/{switch.name}": switch for switch in switches}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            switch = known.get(self.path)
            self._answer(404, {}) if switch is None else self._show(switch)

        def do_PUT(self) -> None:
            raw, switch = self.rfile.read(int(self.headers.get("content-length", 0))), None
            try:
                switch = known[self.path]
                switch.set(json.loads(raw))
            except (ValueError, KeyError, TypeError) as error:
                name = switch.name if switch else "path"
                words = {"code": f"unknown_{name}", "message": str(error), "field": name}
                self._answer(422, {"error": words})
                return
            self._show(switch)

        def log_message(self, *_: object) -> None:
            """Keep the service's own log free of this."""

        def _show(self, switch: Switch) -> None:
            self._answer(200, {switch.name: switch.get()})

        def _answer(self, status: int, body: dict[str, object]) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
