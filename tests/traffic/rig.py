"""A whole data plane for a test: edge, Envoy, two upstreams and a fake control plane.

    async with running_rig() as rig:
        await rig.publish([rig.plan(mode="canary", weight_tth=2500)])
        sides = await rig.ask(f"user-{n}" for n in range(1000))

Everything listens on free ports of 127.0.0.1 and lives in a temporary directory.
"""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from tests.traffic.fake_control import TOKEN, FakeControl
from traffic.edge.admin import AdminError, EnvoyAdmin
from traffic.edge.app import Edge
from traffic.edge.bootstrap import write_bootstrap
from traffic.edge.config import EdgeConfig, installed_envoy
from traffic.edge.report import Collector
from traffic.edge.selftest import taps_are_safe
from traffic.envoy.resources import MirrorRule, SplitPlan, Upstream
from traffic.envoy.rules import RouteRuleDoc
from traffic.envoy.snapshot import build_document

Json = dict[str, Any]
UPSTREAM = Path(__file__).with_name("upstream.py")
INFER: RouteRuleDoc = {
    "split": "embeddings",
    "route": "POST /infer",
    "method": "POST",
    "path": "/infer",
    "safe_to_duplicate": True,
    "slow_us": None,
}


@dataclass(frozen=True)
class EmptyPart:
    boot: str = "boot-1"
    blocks: list[Json] = field(default_factory=list)
    routing: list[Json] = field(default_factory=list)
    taps: list[Json] = field(default_factory=list)


class StubCollector:
    """Collects nothing; remembers what it was told."""

    def __init__(self) -> None:
        self.configured: list[int] = []
        self.acknowledged: list[int] = []
        self.part = EmptyPart()

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    def configure(self, snapshot: Mapping[str, Any]) -> None:
        self.configured.append(snapshot["generation"])

    def drain_report(self, seq: int, now: float) -> EmptyPart:
        return self.part

    def acknowledge(self, seq: int) -> None:
        self.acknowledged.append(seq)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a user saw. `attempts` is Envoy's attempt count: 2 means that legacy stepped in."""

    status: int
    who: str
    attempts: int


class Rig:
    """See the module. Attributes are open for tests to reach into."""

    def __init__(self, directory: Path) -> None:
        self.state_dir = directory
        self.port = free_port()
        self.control = FakeControl()
        self.collector: Collector = StubCollector()
        self.upstreams: dict[str, tuple[subprocess.Popen[str], int]] = {}
        self.envoy: subprocess.Popen[bytes] | None = None
        self.generation = 0
        self.lineage = "L1"
        self.edge: Edge | None = None
        self._edge_stop = asyncio.Event()
        self._edge_task: asyncio.Task[None] | None = None

    # Upstreams

    def start_upstream(self, name: str, port: int = 0) -> None:
        process = subprocess.Popen(
            [sys.executable, str(UPSTREAM), name, str(port)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        self.upstreams[name] = process, int(process.stdout.readline())

    def kill_upstream(self, name: str) -> None:
        process, _ = self.upstreams[name]
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def upstream(self, name: str) -> Upstream:
        return Upstream("127.0.0.1", self.upstreams[name][1])

    async def seen(self, name: str) -> list[Json]:
        """Return and forget what an upstream received."""
        url = f"http://127.0.0.1:{self.upstreams[name][1]}/__seen"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            found: list[Json] = await response.json()
            return found

    # Envoy and edge

    async def start_envoy(self) -> None:
        with (self.state_dir / "envoy.log").open("ab") as log:
            self.envoy = subprocess.Popen(
                [
                    str(installed_envoy()),
                    *("-c", str(self.state_dir / "envoy.json"), "--reject-unknown-dynamic-fields"),
                    *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
                ],
                stderr=log,
            )
        await self.wait_envoy()

    async def wait_envoy(self) -> None:
        async with asyncio.timeout(15), EnvoyAdmin(self.state_dir / "admin.sock") as admin:
            while True:
                with contextlib.suppress(AdminError):
                    if (await admin.server_info()).ready:
                        return
                await asyncio.sleep(0.02)

    def kill_envoy(self) -> None:
        if self.envoy is not None:
            self.envoy.kill()
            self.envoy.wait()
            self.envoy = None

    def config(self) -> EdgeConfig:
        return EdgeConfig(
            state_dir=self.state_dir,
            control=self.control.url,
            proxy_id="edge-1",
            token=TOKEN,
            redis="",
            admin=self.state_dir / "admin.sock",
            envoy=installed_envoy(),
            envoy_log=self.state_dir / "envoy.log",
        )

    async def start_edge(self) -> Edge:
        edge = self.edge = Edge(self.config(), self.collector)
        self._edge_stop = asyncio.Event()
        self._edge_task = asyncio.create_task(edge.run(self._edge_stop))
        async with asyncio.timeout(15):
            while not (self.state_dir / "edge.ready").exists():
                await asyncio.sleep(0.01)
        return edge

    async def stop_edge(self) -> None:
        if self._edge_task is not None:
            self._edge_stop.set()
            await self._edge_task
            self._edge_task = None

    # What the control plane wants

    def plan(self, **changes: Any) -> SplitPlan:
        values: Json = {
            "name": "embeddings",
            "legacy": self.upstream("legacy"),
            "candidate": self.upstream("candidate"),
            "mode": "dual_run",
            "seed": 7,
            "mirrored": (MirrorRule("POST", "/infer"),),
        }
        return SplitPlan(**(values | changes))

    def document(self, plans: list[SplitPlan], **changes: Any) -> Json:
        """Build the next generation's document."""
        self.generation += 1
        values: Json = {
            "lineage": self.lineage,
            "generation": self.generation,
            "issued_at": datetime(2026, 11, 23, 8, tzinfo=UTC),
            "plans": plans,
            "rules": [INFER],
            "epochs": {plan.name: str(self.generation) for plan in plans},
            "block_seconds": 2,
            "cap_bytes": 262_144,
            "redact_headers": ["authorization", "cookie"],
            "release_hold": None,
            "prevalidate": [],
        }
        return build_document(**(values | changes))

    async def publish(self, plans: list[SplitPlan], **changes: Any) -> Json:
        """Publish the next generation and wait until the edge reports it as accepted."""
        doc = self.document(plans, **changes)
        await self.control.publish(doc)
        await self.accepted(doc["generation"])
        return doc

    async def accepted(self, generation: int) -> Json:
        return await self.control.wait_report(
            lambda report: (report["state"], report["generation"]) == ("accepted", generation)
        )

    # Users

    async def ask(
        self,
        keys: Iterable[str | None],
        *,
        path: str = "/infer",
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        at_once: int = 32,
    ) -> dict[str | None, Answered]:
        """Send one request for each key and return what each saw."""
        found: dict[str | None, Answered] = {}
        waiting = iter(list(keys))
        url = f"http://127.0.0.1:{self.port}{path}"

        async def worker(session: aiohttp.ClientSession) -> None:
            for key in waiting:
                sent = dict(headers or {}) | ({"x-user-key": key} if key is not None else {})
                async with session.request(method, url, headers=sent, data=b"{}") as response:
                    ours = response.content_type == "application/json"
                    who = (await response.json())["who"] if ours else ""
                    attempts = int(response.headers.get("x-envoy-attempt-count", "1"))
                    found[key] = Answered(response.status, who, attempts)

        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(worker(session) for _ in range(at_once)))
        return found


@contextlib.asynccontextmanager
async def running_rig(
    *, edge: bool = True, collector: Collector | None = None
) -> AsyncIterator[Rig]:
    """Start everything and stop it again; `edge=False` leaves the edge to the test."""
    directory = Path(tempfile.mkdtemp(prefix="rig-"))
    rig = Rig(directory)
    if collector is not None:
        rig.collector = collector
    try:
        async with rig.control.serving():
            for name in ("legacy", "candidate"):
                rig.start_upstream(name)
            await _share_selftest(directory)
            write_bootstrap(directory, proxy_id="edge-1", listen=("127.0.0.1", rig.port))
            await rig.start_envoy()
            if edge:
                await rig.start_edge()
            try:
                yield rig
            finally:
                await rig.stop_edge()
    finally:
        rig.kill_envoy()
        for name in rig.upstreams:
            rig.kill_upstream(name)
        shutil.rmtree(directory, ignore_errors=True)


_kept_selftest: list[bytes] = []


async def _share_selftest(directory: Path) -> None:
    """Run the self-test once for all rigs of a process: it takes a second."""
    file = directory / "selftest.json"
    if not _kept_selftest:
        result = await taps_are_safe(directory, installed_envoy())
        assert result.pair_tap, result.reason
        _kept_selftest.append(file.read_bytes())
    file.write_bytes(_kept_selftest[0])


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
