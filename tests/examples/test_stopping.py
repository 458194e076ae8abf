"""SIGTERM ends each service soon, and not in the middle of an answer."""

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.examples.services import build_candidate, running

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

HEAD = (
    b"POST /infer HTTP/1.1\r\nhost: x\r\n"
    b"content-type: application/json\r\ncontent-length: 13\r\n\r\n"
)


@pytest.mark.parametrize("name", ["legacy", "candidate", "standin"])
def test_a_request_under_way_is_answered_before_the_end(tmp_path: Path, name: str):
    if name == "candidate" and build_candidate() is None:
        pytest.skip("neither cargo nor a built candidate is here")
    with (
        running(name, tmp_path) as (service, pid),
        socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection,
    ):
        connection.sendall(HEAD + b'{"input"')
        # Another request on another connection: by its answer, the first one is being read.
        service.send("GET", "/healthz")
        os.kill(pid, signal.SIGTERM)
        connection.sendall(b":[1]}")
        assert b"200 OK" in connection.recv(4096)
