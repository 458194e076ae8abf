"""What counts as ready: Redis with our password, a listener of our own, a young heartbeat."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane.stack import options, probes, proc
from controlplane.stack.banyan import redis_spec
from controlplane.stack.child import Child
from controlplane.stack.layout import Layout, make_layout
from controlplane.stack.state import State

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("REDIS_URL", "BANYAN_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    state = State(tmp_path / "state")
    yield make_layout(options.parse([]), state)
    state.release()


async def until(probe: probes.Probe, pid: int) -> None:
    async with asyncio.timeout(10):
        while not await probe(pid):
            await asyncio.sleep(0.02)


async def test_redis_is_ready_with_our_password_and_ends_on_sigterm(layout: Layout):
    spec = redis_spec(layout)
    child = Child(spec, log=layout.state.logs / "redis.log", env=os.environ)
    assert spec.probe is not None
    try:
        await until(spec.probe, child.pid)
        stranger = layout.redis_url.replace(layout.secrets["redis_password"], "guess")
        assert "WRONGPASS" in await probes.redis_ping(stranger)
        assert not await spec.probe(os.getpid()), "the port belongs to the child, not to us"
        child.terminate()
        assert await child.exited == 0
    finally:
        child.kill()


@pytest.mark.parametrize("url", ["unix:///run/redis.sock", "http://127.0.0.1:1", "redis://"])
async def test_an_address_that_cannot_be_asked_is_said(url: str):
    assert "is not redis://host:port" in await probes.redis_ping(url)


async def test_an_absent_redis_is_named_with_its_reason(layout: Layout):
    assert "Connect call failed" in await probes.redis_ping(layout.redis_url)


async def answer(body: bytes) -> tuple[asyncio.Server, int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("age", "ready"), [(0.0, True), (3600, False), (None, False)], ids=["young", "old", "never"]
)
async def test_a_worker_is_ready_by_a_heartbeat_younger_than_itself(age: float, ready: bool):
    server, port = await answer(json.dumps({"worker": {"age_s": age}}).encode())
    async with server:
        probe = probes.heartbeat_ready("127.0.0.1", port)
        await probe(1)  # the clock of this child starts at the first question
        await asyncio.sleep(0.01)
        assert await probe(1) is ready


async def test_an_answer_that_is_not_http_is_not_ready():
    server, port = await answer(b"")
    async with server:
        assert await probes.http_get("127.0.0.1", port, "/") == (200, b"")
    assert await probes.http_get("127.0.0.1", port, "/") == (0, b"")


def test_memory_is_counted_over_the_whole_session():
    code = (
        "import os, sys\n"
        "block = b'x' * 30_000_000\n"
        "child = os.fork()\n"
        "if not child: more = bytearray(b'y' * 30_000_000)\n"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        assert 60 < proc.session_memory_mb(process.pid) < 100
        assert len(proc.session_members(process.pid)) == 2
        proc.kill_session(process.pid)
