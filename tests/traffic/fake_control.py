"""A control plane made of one document and a list of reports, with the real HTTP contract."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

Json = dict[str, Any]
TOKEN = "rig-token"


class FakeControl:
    """Serves `doc` to whoever stands on something older and keeps every report."""

    def __init__(self) -> None:
        self.doc: Json | None = None
        self.reports: list[Json] = []
        self.polls: list[dict[str, str]] = []
        self.refuse_reports_over_bytes = 10**9
        self.fails = False
        self.url = ""
        self._changed = asyncio.Condition()

    async def publish(self, doc: Json) -> None:
        async with self._changed:
            self.doc = doc
            self._changed.notify_all()

    async def wait_report(self, fits: Callable[[Json], bool], within: float = 10.0) -> Json:
        """Return the first report that fits: the last one here, or one that comes."""
        async with asyncio.timeout(within), self._changed:
            first = max(len(self.reports) - 1, 0)
            while True:
                for report in self.reports[first:]:
                    if fits(report):
                        return report
                first = len(self.reports)
                await self._changed.wait()

    async def _snapshot(self, request: web.Request) -> web.Response:
        if self.fails:
            return web.Response(status=503)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        asked = dict(request.query)
        self.polls.append(asked)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(float(asked["wait"])), self._changed:
                while not self._is_news(asked):
                    await self._changed.wait()
                return web.json_response(self.doc)
        return web.Response(status=204)

    def _is_news(self, asked: dict[str, str]) -> bool:
        if self.doc is None:
            return False
        at = (asked.get("lineage"), int(asked["generation"]))
        return at != (self.doc["lineage"], self.doc["generation"])

    async def _report(self, request: web.Request) -> web.Response:
        body = await request.read()
        if len(body) > self.refuse_reports_over_bytes:
            return web.Response(status=413)
        report = await request.json()
        async with self._changed:
            self.reports.append(report)
            self._changed.notify_all()
        return web.json_response({"ack_seq": report["seq"]})

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["FakeControl"]:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_get("/edge/v1/snapshot", self._snapshot)
        app.router.add_post("/edge/v1/report", self._report)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        address = runner.addresses[0]
        self.url = f"http://127.0.0.1:{address[1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
