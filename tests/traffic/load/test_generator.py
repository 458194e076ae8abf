"""The open-loop generator: on schedule, counted from the intended moment, never without an end."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiohttp import web

from judge.histogram import quantile
from traffic.load.generator import Generator, Request, follow, read_requests

pytestmark = pytest.mark.enable_socket
ASK = Request("POST", "/infer", (("content-type", "application/json"),), b"{}")


class Server:
    """Answers after `delay_s` with `status`; counts."""

    def __init__(self, *, delay_s: float = 0.0, status: int = 200) -> None:
        self.delay_s, self.status = delay_s, status
        self.seen: list[tuple[str, bytes]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append((request.path, await request.read()))
        await asyncio.sleep(self.delay_s)
        return web.Response(status=self.status)

    async def __aenter__(self) -> "Server":
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self.handle)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.runner.cleanup()


async def sent(server: Server, *, rate: float, seconds: float, **options) -> list[dict]:
    blocks: list[dict] = []
    generator = Generator(server.url, [ASK], blocks.append, **options)
    generator.rate = rate
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    await generator.run(stop)
    return blocks


def total(blocks: list[dict], name: str) -> int:
    return sum(block[name] for block in blocks)


def quantile_ms(blocks: list[dict], name: str, q: float) -> float:
    merged: dict[int, int] = {}
    for block in blocks:
        for bucket, count in block[name]["all"].items():
            merged[int(bucket)] = merged.get(int(bucket), 0) + count
    return (quantile(merged, q) or 0) / 1000


async def test_it_sends_what_the_file_says_at_the_declared_rate() -> None:
    async with Server() as server:
        blocks = await sent(server, rate=50, seconds=2.2)
    assert set(server.seen) == {("/infer", b"{}")}
    assert total(blocks, "requests") == pytest.approx(50 * 2, abs=55)
    assert total(blocks, "errors") == total(blocks, "shed") == 0


async def test_errors_and_no_answers_are_counted_apart_from_good_ones() -> None:
    async with Server(status=503) as server:
        failing = await sent(server, rate=40, seconds=1.2)
    assert total(failing, "errors") == total(failing, "requests") > 0
    silent = await sent(server, rate=40, seconds=1.2)  # nobody listens there any more
    assert {name for block in silent for name in block["status"]} == {"none"}


async def test_a_stall_counts_for_every_request_that_was_due_meanwhile() -> None:
    async with Server(delay_s=0.3) as server:
        blocks = await sent(server, rate=100, seconds=2.2)
    assert quantile_ms(blocks, "latency", 0.01) >= 290
    # The schedule did not wait for answers: a closed loop would have sent three.
    assert total(blocks, "requests") > 30


async def test_a_request_that_is_never_answered_ends_at_its_deadline() -> None:
    async with Server(delay_s=30) as server:
        blocks = await sent(server, rate=20, seconds=1.6, deadline_s=0.2)
    assert total(blocks, "errors") > 0


async def test_orders_change_the_rate_and_nonsense_does_not() -> None:
    generator = Generator("http://127.0.0.1:9", [ASK], lambda _block: None)
    stdin, stop = asyncio.StreamReader(), asyncio.Event()
    for line in (b'{"rate": 5}', b"nonsense", b'{"rate": "x"}', b'{"rate": -1}', b'{"rate": NaN}'):
        stdin.feed_data(line + b"\n")
    stdin.feed_eof()
    await follow(stdin, generator, stop)
    assert generator.rate == 5
    assert stop.is_set(), "whoever gave the orders is gone"


def test_a_broken_line_of_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(f"{ASK.to_line()}\n")
    assert read_requests(file) == [ASK]
    file.write_text(f"{ASK.to_line()}\nnot json\n")
    with pytest.raises(ValueError, match="line 2"):
        read_requests(file)


@pytest.mark.real
def test_the_program_ends_with_whoever_started_it(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(ASK.to_line())
    argv = [sys.executable, "-m", "traffic.load.generator", "--url", "http://127.0.0.1:9"]
    argv += ["--requests", str(file), "--seconds", "60", "--rate", "20"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["seconds"] == 1
    started = time.monotonic()
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    assert time.monotonic() - started < 20
    process.stdout.close()
