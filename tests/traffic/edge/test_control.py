"""The wire to the control plane: a long poll whose connection died unheard does not wait it out."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from traffic.edge.control import ControlError, ControlPlane

pytestmark = pytest.mark.enable_socket
SOON = 2.5


@asynccontextmanager
async def control(report_status: int, newest: int) -> AsyncIterator[ControlPlane]:
    """Serve a poll that nobody answers, and reports."""

    async def snapshot(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response(status=204)

    async def report(request: web.Request) -> web.Response:
        if report_status != 200 and request.transport is not None:
            request.transport.abort()
        return web.json_response({"ack_seq": 1, "generation": newest})

    app = web.Application()
    app.router.add_get("/edge/v1/snapshot", snapshot)
    app.router.add_post("/edge/v1/report", report)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        async with ControlPlane(f"http://127.0.0.1:{port}", "token") as client:
            yield client
    finally:
        await runner.cleanup()


async def test_a_report_that_hears_of_something_newer_ends_the_deaf_poll() -> None:
    async with control(200, newest=8) as client:
        began = time.monotonic()
        poll = asyncio.create_task(client.snapshot("lineage", 7))
        await asyncio.sleep(0.1)
        assert await client.report({}) == 1
        with pytest.raises(ControlError, match="nothing comes through"):
            await poll
        assert time.monotonic() - began < SOON


async def test_a_report_that_fails_puts_the_poll_in_doubt() -> None:
    async with control(0, newest=7) as client:
        poll = asyncio.create_task(client.snapshot("lineage", 7))
        await asyncio.sleep(0.1)
        with pytest.raises(ControlError):
            await client.report({})
        with pytest.raises(ControlError, match="nothing comes through"):
            await asyncio.wait_for(poll, SOON)


async def test_a_report_that_hears_of_nothing_newer_leaves_the_poll_alone() -> None:
    async with control(200, newest=7) as client:
        poll = asyncio.create_task(client.snapshot("lineage", 7))
        await asyncio.sleep(0.1)
        await client.report({})
        done, _ = await asyncio.wait({poll}, timeout=1.3)
        assert not done
        poll.cancel()
