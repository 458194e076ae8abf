"""The collector against a real Envoy and a real Redis."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop
from aiohttp import ClientSession, web

from tests.traffic.edge import rig
from traffic.edge.collector import Collector, ReportPart

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]


def echo(name: bytes, seen: dict[bytes, bytes] | None = None) -> rig.Handler:
    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        if seen is not None:
            seen[body[:8]] = body
        return web.Response(body=name + body, content_type="application/octet-stream")

    return handle


async def until(condition: Callable[[], bool], *, within_s: float = 15) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.05)


async def report(collector: Collector, *, sampled: int) -> ReportPart:
    """The report once the blocks of all sampled requests have closed."""
    part = ReportPart("")

    def closed() -> bool:
        nonlocal part
        part = collector.drain_report(1, time.time())
        return sum(block["sampled"] for block in part.taps) >= sampled

    await until(closed)
    return part


def bodies(count: int) -> list[bytes]:
    chance = random.Random(7)  # noqa: S311
    sizes = [3, 200_000, *(int(3 * 66_666 ** chance.random()) for _ in range(count - 2))]
    return [chance.randbytes(size) for size in sizes]


async def send_all(address: str, payloads: list[bytes], *, at_once: int = 8) -> list[int]:
    gate = asyncio.Semaphore(at_once)
    async with ClientSession() as session:

        async def one(number: int, body: bytes) -> int:
            headers = {"x-user-key": f"user-{number}", "authorization": "secret"}
            async with (
                gate,
                session.post(address + "/infer?x=1", data=body, headers=headers) as response,
            ):
                await response.read()
                return response.status

        return await asyncio.gather(*(one(*item) for item in enumerate(payloads)))


# The edge runs on uvloop; nothing may depend on it.
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_every_request_becomes_a_pair_with_the_bytes_that_the_user_sent(
    tmp_path: Path, run: Callable[[Coroutine[None, None, None]], None]
) -> None:
    run(every_request_becomes_a_pair(tmp_path))


async def every_request_becomes_a_pair(tmp_path: Path) -> None:
    payloads = bodies(200)
    async with (
        rig.redis_server(tmp_path / "redis") as url,
        rig.serving(echo(b"L"), echo(b"C")) as (legacy, candidate),
    ):
        split = rig.plan(legacy, candidate)
        collector = Collector(tmp_path, url, "boot-1")
        collector.configure(rig.snapshot(split), now=time.time() - 60)
        await collector.start()
        async with rig.envoy(tmp_path, split) as address:
            statuses = await send_all(address, payloads)
            await until(
                lambda: (
                    collector.stats()["pairs_written"] >= 200
                    and collector.stats()["marks_waiting"] == 0
                )
            )
            part = await report(collector, sampled=200)
        await collector.stop()
        entries = await rig.pairs_in(url)

    assert statuses == [200] * 200
    forward = [entry for entry in entries if entry["kind"] == b"forward"]
    noise = [entry for entry in entries if entry["kind"] == b"noise"]
    assert len({entry["id"] for entry in forward}) == len(forward) >= 198
    assert 10 < len(noise) < 80
    assert {entry["req_body"] for entry in forward} <= set(payloads)
    for entry in forward:
        assert entry["a_body"] == b"L" + entry["req_body"]
        assert entry["b_body"] == b"C" + entry["req_body"]
        assert (entry["a_status"], entry["b_status"]) == (b"200", b"200")
        assert b"secret" not in entry["req_headers"]
        assert b"x-banyan" not in entry["req_headers"]
        assert (entry["route"], entry["path"]) == (b"POST /infer", b"/infer?x=1")
        assert entry["flags"] == b"[]"
    taps = Counter[str]()
    for block in part.taps:
        taps.update({name: n for name, n in block.items() if isinstance(n, int)})
    assert taps["sampled"] == taps["pairs"] + taps["unpaired"] + taps["shed"] == 200
    requests = Counter[str]()
    for block in part.blocks:
        if block["route"] == "POST /infer":
            requests[block["arm"]] += block["requests"]
    assert requests["legacy"] == requests["candidate_shadow"] == 200
    keys = {key for block in part.routing for key in block["new_keys"]["legacy"]}
    assert len(keys) == 201  # the users, and the address of the warm-up


async def test_failures_of_the_candidate_are_pairs_and_users_never_see_them(tmp_path: Path) -> None:
    async def failing(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if body == b"500":
            return web.Response(status=500)
        if body == b"half":
            answer = web.StreamResponse(headers={"content-length": "100"})
            await answer.prepare(request)
            await answer.write(b"half")
            await asyncio.sleep(0.05)
        elif body == b"hang":
            await asyncio.sleep(10)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with (
        rig.redis_server(tmp_path / "redis") as url,
        rig.serving(echo(b"L"), failing) as (legacy, candidate),
    ):
        split = rig.plan(legacy, candidate, route_timeout_s=1, noise_tth=0)
        collector = Collector(tmp_path, url, "boot-1")
        collector.configure(rig.snapshot(split))
        await collector.start()
        async with rig.envoy(tmp_path, split) as address:
            statuses = await send_all(address, [b"500", b"half", b"hang", b"reset"])
            await until(lambda: collector.stats()["pairs_written"] >= 4)
        await collector.stop()
        entries = await rig.pairs_in(url)

    assert statuses == [200] * 4
    got = {entry["req_body"]: (entry["b_status"], entry["flags"]) for entry in entries}
    assert got == {
        b"500": (b"500", b"[]"),
        b"half": (b"0", b'["broken_b"]'),
        b"hang": (b"0", b'["no_answer_b"]'),
        b"reset": (b"0", b'["no_answer_b"]'),
    }


async def test_full_candidate_gives_reverse_pairs_and_fallbacks_are_never_compared(
    tmp_path: Path,
) -> None:
    async def sometimes(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        return web.Response(status=500) if body == b"bad" else web.Response(body=b"C" + body)

    async with (
        rig.redis_server(tmp_path / "redis") as url,
        rig.serving(echo(b"L"), sometimes) as (legacy, candidate),
    ):
        split = rig.plan(legacy, candidate, mode="full")
        collector = Collector(tmp_path, url, "boot-1")
        collector.configure(rig.snapshot(split))
        await collector.start()
        async with rig.envoy(tmp_path, split) as address:
            statuses = await send_all(address, [b"good", b"bad"] * 10, at_once=1)
            await until(lambda: collector.stats()["marks_waiting"] == 0)
            part = await report(collector, sampled=20)
        await collector.stop()
        entries = await rig.pairs_in(url)

    assert statuses == [200] * 20
    assert {(entry["kind"], entry["a_body"], entry["b_body"]) for entry in entries} == {
        (b"reverse", b"Lgood", b"Cgood")
    }
    assert len(entries) == 10
    assert sum(block["failed_over"] for block in part.routing) == 10
    assert sum(block["failed_over"] for block in part.taps) == 10
    arms = Counter[str]()
    for block in part.blocks:
        if block["route"] == "POST /infer":
            arms[block["arm"]] += block["requests"]
            assert block["arm"] != "legacy"
    assert arms == {"candidate": 20, "legacy_shadow": 20}


async def test_bodies_beyond_the_cap_reach_the_user_whole_and_their_pair_cut(
    tmp_path: Path,
) -> None:
    async def grows(request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response(body=body * 3 if body.startswith(b"grow") else b"short")

    large = b"grow" + bytes(200_000)
    asking = b"ask" + bytes(800_000)
    async with (
        rig.redis_server(tmp_path / "redis") as url,
        rig.serving(grows, grows) as (legacy, candidate),
    ):
        split = rig.plan(legacy, candidate, noise_tth=0)
        collector = Collector(tmp_path, url, "boot-1")
        collector.configure(rig.snapshot(split))
        await collector.start()
        async with rig.envoy(tmp_path, split) as address, ClientSession() as session:
            for body, answer in ((large, large * 3), (asking, b"short")):
                async with session.post(address + "/infer", data=body) as response:
                    assert await response.read() == answer
            await until(lambda: collector.stats()["pairs_written"] == 2)
            part = await report(collector, sampled=2)
        await collector.stop()
        cut, asked = await rig.pairs_in(url)

    assert (cut["req_body"], cut["flags"]) == (large, b'["truncated_a","truncated_b"]')
    assert len(cut["a_body"]) == len(cut["b_body"]) == 262_144
    assert (asked["a_body"], asked["b_body"]) == (b"short", b"short")
    assert (asked["req_body"], asked["flags"]) == (asking[:262_144], b'["truncated_request"]')
    assert sum(row["truncated"] for row in part.taps) == 1
    assert sum(row["pairs"] for row in part.taps) == 1


async def test_copies_beyond_the_breaker_are_shed_and_no_errors(tmp_path: Path) -> None:
    async def slow(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(0.3)
        return web.Response(body=b"C")

    async with rig.serving(echo(b"L"), slow) as (legacy, candidate):
        split = rig.plan(legacy, candidate, noise_tth=0, shadow_max_requests=1)
        collector = Collector(tmp_path, None, "boot-1")
        collector.configure(rig.snapshot(split))
        await collector.start()
        async with rig.envoy(tmp_path, split) as address:
            assert set(await send_all(address, [b"x"] * 12, at_once=12)) == {200}
            part = await report(collector, sampled=12)
        await collector.stop()

    copies = [block for block in part.blocks if block["arm"] == "candidate_shadow"]
    shed = sum(block["shed"] for block in copies)
    assert shed > 0
    assert sum(row["shed"] for row in part.taps) >= shed
    assert sum(block["requests"] for block in copies) == 12 - shed
    assert sum(block["errors"] for block in copies) == 0


@pytest.mark.parametrize("fault", ["stopped", "hung"])
async def test_users_do_not_notice_a_collector_that_is_gone(tmp_path: Path, fault: str) -> None:
    async with rig.serving(echo(b"L"), echo(b"C")) as (legacy, candidate):
        split = rig.plan(legacy, candidate)
        collector = Collector(tmp_path, None, "boot-1")
        collector.configure(rig.snapshot(split))
        await collector.start()
        async with rig.envoy(tmp_path, split) as address:
            assert set(await send_all(address, bodies(20))) == {200}
            if fault == "stopped":
                await collector.stop()
            else:
                hang(collector)
            assert set(await send_all(address, bodies(100))) == {200}
            if fault == "stopped":
                collector = Collector(tmp_path, None, "boot-2")
                collector.configure(rig.snapshot(split))
                await collector.start()
                await send_all(address, bodies(20))
                await until(lambda: collector.stats()["captures"] > 0)
        await collector.stop()


def hang(collector: Collector) -> None:
    """Stop reading from Envoy, as a process does that is stopped or swapped out."""
    for server in collector._servers:
        for connection in server._connections:
            assert connection._transport is not None
            connection._transport.pause_reading()
