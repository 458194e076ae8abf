"""The start-up self-test: whether this Envoy survives its taps.

Envoy 1.40 without its crash guard does not, when a captured body is large. A scratch Envoy with the
guard gets a private listener, a tiny upstream and a receiver that never gives a capture credit, the
worst a receiver can do. Then: 100 KB bodies while the upstream is still connecting, and many 200 KB
answers at once, every upstream connection cold. The upstream makes the first connections wait, so
that a crash does not depend on who is faster.
"""

import asyncio
import contextlib
import json
import logging
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from traffic.edge.selftest_peers import RESPONSE_BYTES, StallingUpstream, sink
from traffic.edge.state import write_durably
from traffic.edge.validate import inlined
from traffic.envoy.resources import MirrorRule, SplitPlan, Upstream, clusters, routes

Json = dict[str, Any]
log = logging.getLogger(__name__)

TRIES = 3
CRASHED = "Envoy ended with"
READY_TIMEOUT_SECONDS = 10.0
REQUEST_TIMEOUT_SECONDS = 10.0
REQUEST_BYTES = 100_000
PIECE_BYTES = 10_000
PAUSES_SECONDS = (0.0, 0.004, 0.001, 0.0)
"""Between the pieces of a body: whether an unguarded Envoy crashes depends on how it arrives."""
STALL_SECONDS = 0.06
LINGER_SECONDS = 0.3
AT_ONCE = 48
ROUNDS = 2


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The result for one binary: whether captures are safe, and if not, what happened."""

    envoy: str
    mtime_ns: int
    size: int
    pair_tap: bool
    reason: str = ""


def remembered(state_dir: Path, envoy: Path) -> SelfTest | None:
    """Return the stored result if it is about this very binary."""
    try:
        result = SelfTest(**json.loads(_file(state_dir).read_bytes()))
        stat = envoy.stat()
    except (OSError, ValueError, TypeError):
        return None
    same = (result.envoy, result.mtime_ns, result.size) == (
        str(envoy),
        stat.st_mtime_ns,
        stat.st_size,
    )
    return result if same else None


async def taps_are_safe(state_dir: Path, envoy: Path) -> SelfTest:
    """Return the result for this binary, running the test when it is not remembered."""
    known = remembered(state_dir, envoy)
    if known is not None:
        return known
    try:
        stat = envoy.stat()
        reason = await _conclusive(envoy)
    except OSError as error:
        return SelfTest(str(envoy), 0, 0, pair_tap=False, reason=f"cannot run: {error}")
    result = SelfTest(str(envoy), stat.st_mtime_ns, stat.st_size, not reason, reason)
    if result.pair_tap or CRASHED in reason:
        write_durably(_file(state_dir), asdict(result))
    return result


async def _conclusive(envoy: Path) -> str:
    """Run until it passes or crashes: anything else may be a busy machine, and is tried again."""
    reason = ""
    for _ in range(TRIES):
        reason = await run(envoy)
        if not reason or CRASHED in reason:
            return reason
        log.warning("the self-test of captures was not conclusive: %s", reason)
    return reason


async def run(envoy: Path, *, runtime: Json | None = None) -> str:
    """Run the test and return what went wrong, or "". `runtime` overrides the crash guard."""
    async with contextlib.AsyncExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="banyan-selftest-"))
        directory = Path(name)
        upstream = await stack.enter_async_context(StallingUpstream())
        document = _bootstrap(directory, upstream.port)
        if runtime is not None:
            document["layered_runtime"]["layers"][0]["static_layer"] = runtime
        (directory / "envoy.json").write_text(json.dumps(document))
        await stack.enter_async_context(sink(directory / "tap.sock"))
        return await _drive(envoy, directory, upstream)


def _file(state_dir: Path) -> Path:
    return state_dir / "selftest.json"


def _bootstrap(directory: Path, port: int) -> Json:
    upstream = Upstream("127.0.0.1", port)
    plan = SplitPlan(
        name="selftest",
        legacy=upstream,
        candidate=upstream,
        mode="dual_run",
        shadow_tth=10_000,
        noise_tth=10_000,
        mirrored=(MirrorRule("POST", "/selftest"),),
    )
    document = inlined(clusters([plan]), routes([plan]), state_dir=str(directory))
    listener = document["static_resources"]["listeners"][0]
    for cluster in document["static_resources"]["clusters"]:
        cluster["connect_timeout"] = f"{REQUEST_TIMEOUT_SECONDS:g}s"
    listener["address"] = {"pipe": {"path": str(directory / "listen.sock"), "mode": 0o600}}
    return document


async def _drive(envoy: Path, directory: Path, upstream: StallingUpstream) -> str:
    process = await asyncio.create_subprocess_exec(
        envoy,
        *("-c", str(directory / "envoy.json"), "--concurrency", "1", "--disable-hot-restart"),
        *("--log-level", "off"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    transport = httpx.AsyncHTTPTransport(
        uds=str(directory / "listen.sock"), limits=httpx.Limits(max_connections=AT_ONCE)
    )
    try:
        if not await _listening(process, directory / "listen.sock"):
            return "the scratch Envoy did not start"
        async with httpx.AsyncClient(
            transport=transport, base_url="http://selftest", timeout=REQUEST_TIMEOUT_SECONDS
        ) as client:
            wrong = await _requests(client, upstream)
        # A crash may follow the last answer: copies are still on their way.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await process.wait()
        ended = f"{CRASHED} {process.returncode}" if process.returncode is not None else ""
        return "; ".join(filter(None, (wrong, ended)))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _requests(client: httpx.AsyncClient, upstream: StallingUpstream) -> str:
    # One after the other: the first may also wait for the receiver, the others only for upstream.
    stalled = []
    for pause in PAUSES_SECONDS:
        stalled.append(asyncio.create_task(_large(client, pause)))
        await asyncio.wait(stalled, timeout=STALL_SECONDS)
    await upstream.serve()
    large = set().union(*await asyncio.gather(*stalled))
    if large != {"200"}:
        return f"bodies of {REQUEST_BYTES} bytes on cold connections: {_list(large)}"
    for _ in range(ROUNDS):
        answers = await _many(client)
        if answers != {"200"}:
            return f"{AT_ONCE} answers of {RESPONSE_BYTES} bytes: {_list(answers)}"
    return ""


def _list(statuses: set[str]) -> str:
    return ", ".join(sorted(statuses))


async def _large(client: httpx.AsyncClient, pause: float) -> set[str]:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(REQUEST_BYTES // PIECE_BYTES):
            yield b"x" * PIECE_BYTES
            await asyncio.sleep(pause)

    return {await _status(client, pieces(), REQUEST_BYTES)}


async def _many(client: httpx.AsyncClient) -> set[str]:
    return set(await asyncio.gather(*(_status(client, b"x", 1) for _ in range(AT_ONCE))))


async def _status(client: httpx.AsyncClient, body: bytes | AsyncIterator[bytes], size: int) -> str:
    try:
        headers = {"content-length": str(size)}
        response = await client.post("/selftest", content=body, headers=headers)
    except httpx.HTTPError as error:
        return type(error).__name__
    return str(response.status_code)


async def _listening(process: asyncio.subprocess.Process, socket: Path) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_TIMEOUT_SECONDS):
            while process.returncode is None:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_unix_connection(str(socket))
                    writer.close()
                    return True
                await asyncio.sleep(0.02)
    return False
