"""The start-up self-test: whether this Envoy survives its taps.

Envoy 1.40 without its crash guard does not, when a captured body is large. A scratch Envoy with the
guard gets a private listener, a tiny upstream and a receiver that never gives credit, which is the
worst a receiver can do. Then: a 100 KB body while the upstream is still connecting, and many 200 KB
answers at once, every upstream connection cold.
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

from traffic.edge.state import write_durably
from traffic.edge.validate import inlined
from traffic.envoy.resources import MirrorRule, SplitPlan, Upstream, clusters, routes

Json = dict[str, Any]
log = logging.getLogger(__name__)

READY_TIMEOUT_SECONDS = 10.0
REQUEST_TIMEOUT_SECONDS = 10.0
REQUEST_BYTES = 100_000
RESPONSE_BYTES = 200_000
AT_ONCE = 48
ROUNDS = 2
_HTTP2_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


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
        reason = await run(envoy)
        stat = envoy.stat()
    except OSError as error:
        return SelfTest(str(envoy), 0, 0, pair_tap=False, reason=f"cannot run: {error}")
    result = SelfTest(str(envoy), stat.st_mtime_ns, stat.st_size, not reason, reason)
    write_durably(_file(state_dir), asdict(result))
    return result


async def run(envoy: Path, *, runtime: Json | None = None) -> str:
    """Run the test and return what went wrong, or "". `runtime` overrides the crash guard."""
    with tempfile.TemporaryDirectory(prefix="banyan-selftest-") as name:
        directory = Path(name)
        async with _upstream() as port, _sink(directory / "tap.sock"):
            document = _bootstrap(directory, port)
            if runtime is not None:
                document["layered_runtime"]["layers"][0]["static_layer"] = runtime
            (directory / "envoy.json").write_text(json.dumps(document))
            return await _drive(envoy, directory)


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
    listener["address"] = {"pipe": {"path": str(directory / "listen.sock"), "mode": 0o600}}
    return document


async def _drive(envoy: Path, directory: Path) -> str:
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
    client = httpx.AsyncClient(
        transport=transport, base_url="http://selftest", timeout=REQUEST_TIMEOUT_SECONDS
    )
    try:
        async with client:
            return await _requests(process, directory, client)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _requests(
    process: asyncio.subprocess.Process, directory: Path, client: httpx.AsyncClient
) -> str:
    if not await _listening(process, directory / "listen.sock"):
        return "the scratch Envoy did not start"
    large = await _statuses(client, 1, b"x" * REQUEST_BYTES)
    if large != {"200"}:
        return f"a {REQUEST_BYTES} byte request on a cold connection: {_seen(process, large)}"
    for _ in range(ROUNDS):
        answers = await _statuses(client, AT_ONCE, b"x")
        if answers != {"200"}:
            return f"{AT_ONCE} answers of {RESPONSE_BYTES} bytes: {_seen(process, answers)}"
    # A crash may follow the last answer: copies are still on their way.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), 0.3)
    return "" if process.returncode is None else _seen(process, set())


def _seen(process: asyncio.subprocess.Process, statuses: set[str]) -> str:
    ended = f", Envoy ended with {process.returncode}" if process.returncode is not None else ""
    return f"{', '.join(sorted(statuses)) or 'all answered'}{ended}"


async def _statuses(client: httpx.AsyncClient, count: int, body: bytes) -> set[str]:
    async def one() -> str:
        try:
            response = await client.post("/selftest", content=body)
        except httpx.HTTPError as error:
            return type(error).__name__
        return str(response.status_code)

    return set(await asyncio.gather(*(one() for _ in range(count))))


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


@contextlib.asynccontextmanager
async def _upstream() -> AsyncIterator[int]:
    """Serve 200 KB for each request and close, so that every request connects anew."""
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {RESPONSE_BYTES}\r\nconnection: close\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_content_length(request))
            writer.write(head.encode() + b"y" * RESPONSE_BYTES)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _content_length(request: bytes) -> int:
    for line in request.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


@contextlib.asynccontextmanager
async def _sink(path: Path) -> AsyncIterator[None]:
    """Take captures, give no credit and answer nothing: every capture piles up in Envoy."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(_HTTP2_SETTINGS)
            while await reader.read(65536):
                pass
        writer.close()

    server = await asyncio.start_unix_server(swallow, str(path))
    try:
        yield
    finally:
        server.close()
