"""The pair stream against a real Redis, also one that goes away."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.traffic.edge import rig
from tests.traffic.edge.builders import Bench, capture
from traffic.edge.pairs import Pair
from traffic.edge.stream import PairStream


def pair(number: int = 0, *, body: bytes = b"\x00\xff") -> Pair:
    bench = Bench().see(capture("legacy"), capture("candidate-shadow"))
    return replace(bench.pairs[0], id=f"m{number}", request_body=body)


async def until(condition: Callable[[], bool], *, within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


def test_without_redis_every_pair_is_refused_and_counted() -> None:
    stream = PairStream(None, boot="boot")
    assert not stream.offer(pair())
    assert stream.dropped == 1


def test_a_full_queue_refuses_the_newest() -> None:
    stream = PairStream("unix:///nowhere.sock", boot="boot", max_queued=2)
    assert [stream.offer(pair(number)) for number in range(3)] == [True, True, False]
    assert (stream.queued, stream.dropped) == (2, 1)


def test_a_few_huge_bodies_fill_the_queue_as_well() -> None:
    stream = PairStream("unix:///nowhere.sock", boot="boot")
    huge = pair(body=bytes(20 << 20))
    assert [stream.offer(huge), stream.offer(huge)] == [True, False]


async def test_stopping_without_redis_takes_a_second_at_most_and_counts_the_loss(
    tmp_path: Path,
) -> None:
    stream = PairStream(f"unix://{tmp_path}/gone.sock", boot="boot")
    await stream.start()
    stream.offer(pair())
    before = time.monotonic()
    await stream.stop()
    assert time.monotonic() - before < 3
    assert (stream.written, stream.dropped) == (0, 1)
    assert stream.failures > 0


@pytest.mark.real
async def test_an_entry_holds_both_answers_and_raw_bodies(tmp_path: Path) -> None:
    async with rig.redis_server(tmp_path) as url:
        stream = PairStream(url, boot="boot")
        await stream.start()
        stream.offer(pair())
        await until(lambda: stream.written == 1)
        await stream.stop()
        (entry,) = await rig.pairs_in(url)
    assert set(entry) == {
        *("id", "split", "kind", "route", "method", "path", "at", "req_headers", "req_body"),
        *("a_status", "a_headers", "a_body", "a_us", "b_status", "b_headers", "b_body", "b_us"),
        *("flags", "slow"),
    }
    assert (entry["req_body"], entry["a_body"], entry["b_body"]) == (
        b"\x00\xff",
        b"legacy",
        b"candidate-shadow",
    )
    assert (entry["a_status"], entry["b_us"], entry["kind"]) == (b"200", b"1500", b"forward")
    assert float(entry["at"]) == 1_763_884_800.0
    assert json.loads(entry["a_headers"]) == [["content-type", "text/plain"]]
    assert json.loads(entry["flags"]) == []


@pytest.mark.real
async def test_pairs_wait_for_a_redis_that_comes_later_and_keep_their_order(tmp_path: Path) -> None:
    stream = PairStream(f"unix://{tmp_path}/redis.sock", boot="boot")
    await stream.start()
    for number in range(250):
        stream.offer(pair(number))
    await until(lambda: stream.failures > 0)
    async with rig.redis_server(tmp_path) as url:
        await until(lambda: stream.written == 250)
        entries = await rig.pairs_in(url)
        await stream.stop()
    assert [entry["id"] for entry in entries] == [b"m%d" % number for number in range(250)]


@pytest.mark.real
async def test_a_batch_whose_reply_was_lost_is_not_added_twice(tmp_path: Path) -> None:
    async with (
        rig.redis_server(tmp_path) as url,
        forgetful(tmp_path / "redis.sock", tmp_path / "proxy.sock") as lost,
    ):
        stream = PairStream(f"unix://{tmp_path}/proxy.sock", boot="boot")
        await stream.start()
        stream.offer(pair(1))
        await until(lambda: stream.written == 1)
        stream.offer(pair(2))
        await until(lambda: stream.written == 2)
        await stream.stop()
        entries = await rig.pairs_in(url)
    assert lost
    assert stream.failures >= 1
    assert [entry["id"] for entry in entries] == [b"m1", b"m2"]


@contextlib.asynccontextmanager
async def forgetful(real: Path, path: Path) -> AsyncIterator[list[bytes]]:
    """A proxy that cuts the connection instead of passing on the first successful EVALSHA reply."""
    lost: list[bytes] = []
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        task.add_done_callback(serving.discard)
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(str(real))

        async def forth() -> None:
            while data := await reader.read(1 << 16):
                upstream_writer.write(data)

        sending = asyncio.create_task(forth())
        try:
            while data := await upstream_reader.read(1 << 16):
                if not lost and data == b":1\r\n":
                    lost.append(data)
                    break
                writer.write(data)
        finally:
            sending.cancel()
            for each in (writer, upstream_writer):
                each.close()
                with contextlib.suppress(ConnectionError):
                    await each.wait_closed()
            await asyncio.gather(sending, return_exceptions=True)

    server = await asyncio.start_unix_server(serve, str(path))
    try:
        yield lost
    finally:
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        server.close()
