"""Start the example services as real processes, and talk to them byte by byte."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CANDIDATE = EXAMPLES / "candidate-axum"
BINARY = CANDIDATE / "target" / "release" / "candidate-axum"
START_SECONDS = 20.0
JSON = "application/json"

if str(EXAMPLES / "traffic") not in sys.path:
    sys.path.insert(0, str(EXAMPLES / "traffic"))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str | None
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """A running service; its log lines go to a file."""

    def __init__(self, name: str, port: int, admin_port: int, log: Path) -> None:
        self.name = name
        self.port = port
        self.admin_port = admin_port
        self.log = log
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send exactly this: no header is added but host and content-length."""
        given = dict(headers or {})
        if content_type is not None:
            given["content-type"] = content_type
        for attempt in (1, 2):
            try:
                return _exchange(self._connection, method, path, body, given)
            except ConnectionError:
                # A kept connection may have been closed meanwhile; a second failure is real.
                self._connection.close()
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def post(self, path: str, body: Any) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, raw, JSON)

    def log_lines(self) -> list[dict[str, Any]]:
        """Return the whole lines written so far."""
        lines = self.log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def log_line(self, request_id: str) -> dict[str, Any]:
        """Return the line of one request; it may be written a moment after the answer."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for line in self.log_lines():
                if line["request_id"] == request_id:
                    return line
            time.sleep(0.01)
        raise AssertionError(f"{self.name} wrote no line for {request_id}")

    def switch(self, fault: str | None, **more: Any) -> Answer:
        return self._order("/fault", {"fault": fault, **more})

    def tell(self, state: str | None) -> Answer:
        return self._order("/state", {"state": state})

    def _order(self, path: str, body: dict[str, Any]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        try:
            raw = json.dumps(body).encode()
            return _exchange(connection, "PUT", path, raw, {"content-type": JSON})
        finally:
            connection.close()

    def close(self) -> None:
        self._connection.close()


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
) -> Answer:
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if "transfer-encoding" not in headers and (body or method in {"POST", "PUT"}):
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body or None)
    response = connection.getresponse()
    names = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, names.get("content-type"), names, response.read())


def build_candidate() -> Path | None:
    """Build the Rust candidate unless it is newer than its sources; None without cargo.

    `make candidate` has built it by then, and knows how to find cargo's toolchain.
    """
    described = [CANDIDATE / name for name in ("Cargo.lock", "Cargo.toml", "openapi.json")]
    sources = [*described, *CANDIDATE.glob("src/*.rs")]
    if BINARY.exists() and BINARY.stat().st_mtime > max(s.stat().st_mtime for s in sources):
        return BINARY
    cargo = shutil.which("cargo")
    if cargo is None:
        return BINARY if BINARY.exists() else None
    manifest = str(CANDIDATE / "Cargo.toml")
    command = [cargo, "build", "--release", "--locked", "--quiet", "--manifest-path", manifest]
    subprocess.run(command, check=True)
    return BINARY


def command_of(name: str, port: int) -> list[str]:
    if name == "candidate":
        return [str(BINARY)]
    if name == "standin":
        return [sys.executable, str(EXAMPLES / "candidate-python" / "standin.py")]
    app_dir = str(EXAMPLES / "legacy-fastapi")
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    return [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", app_dir, *options]


@contextmanager
def running(name: str, directory: Path, **environment: str) -> Iterator[tuple[Service, int]]:
    """Run a service on free ports; yields it and its process id, and expects a clean end."""
    port, admin_port = free_ports(2)
    log = directory / f"{name}-{port}.log"
    variables = {"PORT": str(port), "ADMIN_PORT": str(admin_port), **environment}
    with log.open("wb") as out, (directory / f"{name}-{port}.err").open("wb") as err:
        process = subprocess.Popen(
            command_of(name, port), env=os.environ | variables, stdout=out, stderr=err
        )
    service = Service(name, port, admin_port, log)
    try:
        _wait_until_ready(service, process)
        yield service, process.pid
    finally:
        service.close()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(opened.getsockname()[1]) for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def _wait_until_ready(service: Service, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{service.name} ended with {process.returncode}"
        try:
            if service.send("GET", "/readyz").status == 200:
                return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise AssertionError(f"{service.name} is not ready after {START_SECONDS:.0f} s")
