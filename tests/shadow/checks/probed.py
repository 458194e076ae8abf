"""A service with health endpoints and a private switch, in threads of this process."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Probed:
    """What it answers by (path, state); the switch takes `{"state": name or null}`."""

    def __init__(self, build: str) -> None:
        self.build = build
        self.state: str | None = None
        self.told: list[str | None] = []
        # (path, state) or path alone: (status, body), in place of what is usual.
        self.answers: dict[object, tuple[int, object]] = {}
        self.content_type = "application/json"
        self.refuses_from = 1_000_000
        self.url = ""

    def answer(self, path: str) -> tuple[int, object]:
        for key in ((path, self.state), path):
            if key in self.answers:
                return self.answers[key]
        if path == "/healthz":
            return 200, {"status": "ok", "build": self.build}
        if self.state is None:
            return 200, {"status": "ready", "build": self.build}
        return 503, {"status": self.state, "build": self.build, "reason": "because"}

    def switch(self, body: dict[str, str | None]) -> int:
        if len(self.told) >= self.refuses_from:
            return 500
        self.state = body["state"]
        self.told.append(self.state)
        return 200


@contextmanager
def serving(build: str) -> Iterator[Probed]:
    service = Probed(build)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = service.answer(self.path)
            self._send(status, body if isinstance(body, bytes) else json.dumps(body).encode())

        def do_PUT(self):
            raw = self.rfile.read(int(self.headers["content-length"]))
            self._send(service.switch(json.loads(raw)), b"{}")

        def _send(self, status, raw):
            self.send_response(status)
            self.send_header("content-type", service.content_type)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
