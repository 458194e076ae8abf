"""The generator keeps its schedule, reports, survives a dead service, and stops when told."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.examples.services import EXAMPLES, Service, free_ports

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

RATE = 100


@contextmanager
def generating(port: int, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    script = str(EXAMPLES / "traffic" / "generator.py")
    options = [
        "--url",
        f"http://127.0.0.1:{port}",
        "--rate",
        str(RATE),
        "--keys",
        "50",
        "--every",
        "1",
    ]
    with output.open("wb") as out:
        process = subprocess.Popen([sys.executable, script, *options], stdout=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=5)


def first_line(output: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        lines = output.read_text().splitlines(keepends=True)
        if lines and lines[0].endswith("\n"):
            line: dict[str, Any] = json.loads(lines[0])
            return line
        time.sleep(0.05)
    raise AssertionError("no line after 15 s")


def test_users_are_answered_at_the_asked_rate(tmp_path: Path, legacy: Service):
    with generating(legacy.port, tmp_path / "out"):
        line = first_line(tmp_path / "out")
    assert abs(line["sent"] - RATE) <= RATE / 4
    assert (line["non_200_valid"], line["failed"], line["wrong_unexpected"]) == (0, 0, 0)
    assert 0 < line["p50_ms"] <= line["p99_ms"]


def test_a_dead_service_is_counted_and_the_sending_goes_on(tmp_path: Path):
    with generating(free_ports(1)[0], tmp_path / "out") as process:
        line = first_line(tmp_path / "out")
        assert process.poll() is None
    assert line["failed"] >= RATE / 2
    assert "ClientConnectorError" in line["errors"][0]


def test_sigterm_ends_it_at_once_with_a_last_line(tmp_path: Path, legacy: Service):
    with generating(legacy.port, tmp_path / "out") as process:
        first_line(tmp_path / "out")
        started = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=5) == 0
        assert time.monotonic() - started < 2
    lines = (tmp_path / "out").read_text().splitlines()
    assert json.loads(lines[-1])["sent"] >= json.loads(lines[0])["sent"]
