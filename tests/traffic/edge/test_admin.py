"""Reading Envoy's admin socket, against a socket that answers like Envoy."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from traffic.edge.acceptance import AcceptanceWatch, uses
from traffic.edge.admin import AdminError, ConfigStatus, EnvoyAdmin
from traffic.edge.envoy_log import EnvoyLog
from traffic.edge.files import Kind, Wanted

STATS = """\
cluster_manager.cds.update_failure: 0
cluster_manager.cds.update_rejected: 1
cluster_manager.cds.update_success: 4
cluster_manager.cds.version_text: "8-9cab594c+"
http.in.rds.main.update_success: {success}
http.in.rds.main.update_rejected: {rejected}
http.in.rds.main.update_failure: 0
http.in.rds.main.version_text: "{version}"
"""
INFO = (
    '{"version": "abc/1.40.0/Clean/RELEASE/BoringSSL", "state": "LIVE",'
    ' "uptime_current_epoch": "12s"}'
)


class Socket:
    """Answers every request with `text` for stats, or the server info."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "admin.sock"
        self.routes = {"success": 2, "rejected": 0, "version": "8-9cab594c"}
        self.after: dict[int, dict[str, object]] = {}
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        self.routes |= self.after.get(self.asked, {})
        text = STATS.format(**self.routes)
        if b"/server_info" in asked:
            text = INFO
        if b"active" in asked:
            text = "cluster.s/a.upstream_rq_active: 2\ncluster.s/b.upstream_rq_active: 1\n"
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(text)}\r\nconnection: close\r\n\r\n"
        writer.write((head + text).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def envoy() -> AsyncIterator[Socket]:
    with tempfile.TemporaryDirectory() as name:
        socket = Socket(Path(name))
        server = await asyncio.start_unix_server(socket.serve, str(socket.path))
        yield socket
        server.close()


TARGET = Wanted("8-9cab594c", [], "8-9cab594c", [])


async def test_versions_and_counters_are_read_without_quotes(envoy: Socket) -> None:
    async with EnvoyAdmin(envoy.path) as admin:
        acceptance = await admin.acceptance()
        assert acceptance.clusters == ConfigStatus("8-9cab594c+", 4, 1, 0)
        assert acceptance.routes == ConfigStatus("8-9cab594c", 2, 0, 0)
        assert uses(acceptance, TARGET)
        info = await admin.server_info()
        assert (info.version, info.uptime_seconds, info.ready) == ("1.40.0", 12, True)
        assert await admin.active_requests(["s/a", "s/b"]) == 3


async def test_an_absent_envoy_is_an_admin_error(tmp_path: Path) -> None:
    async with EnvoyAdmin(tmp_path / "admin.sock") as admin:
        with pytest.raises(AdminError):
            await admin.acceptance()


async def watched(envoy: Socket, log: Path, version: str) -> tuple[str, str, list[Kind]]:
    rewritten: list[Kind] = []
    async with EnvoyAdmin(envoy.path) as admin:
        watch = AcceptanceWatch(admin, EnvoyLog(log))
        answer = await watch.wait(await watch.mark(), "routes", version, rewritten.append)
    return answer.kind, answer.reason, rewritten


async def test_the_new_version_in_use_is_acceptance(envoy: Socket, tmp_path: Path) -> None:
    envoy.after[4] = {"version": "9-aaaa"}
    assert await watched(envoy, tmp_path / "log", "9-aaaa") == ("accepted", "", [])


async def test_a_refusal_carries_the_reason_that_came_into_the_log(
    envoy: Socket, tmp_path: Path
) -> None:
    log = tmp_path / "envoy.log"
    log.write_text("[x][warning] Filesystem config update rejected: an older one\n")

    async def refuse() -> None:
        while envoy.asked < 3:
            await asyncio.sleep(0.005)
        envoy.routes["rejected"] = 1
        with log.open("a") as file:
            file.write("[y][warning] Filesystem config update rejected: no cluster 'gone'\n")

    refusing = asyncio.create_task(refuse())
    kind, reason, _ = await watched(envoy, log, "9-aaaa")
    await refusing
    assert (kind, reason) == ("rejected", "Envoy refused the routes: no cluster 'gone'")


async def test_silence_is_answered_by_one_rewrite(
    envoy: Socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traffic.edge.acceptance.ACCEPT_TIMEOUT_SECONDS", 0.1)
    assert await watched(envoy, tmp_path / "log", "9-aaaa") == ("silent", "", ["routes"])


def test_a_log_that_was_rotated_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "envoy.log"
    path.write_text("x" * 1000)
    log = EnvoyLog(path)
    place = log.place()
    path.write_text("Filesystem config update rejected: after rotation\n")
    assert log.refusal_since(place) == "after rotation"
    assert EnvoyLog(tmp_path / "none").refusal_since(0) is None
