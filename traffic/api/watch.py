"""Waiting for a newer snapshot: one small query per process and tick, however many proxies wait."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, close_old_connections, connection

from traffic.queries import latest_generations

# A decision must reach every proxy well within 500 ms; it waits for at most one tick.
TICK_SECONDS = 0.05


class GenerationWatch:
    """Shares one reader of the newest generations among all long polls of an event loop."""

    def __init__(self) -> None:
        """Start idle; the reader runs only while somebody waits."""
        self._changed: asyncio.Condition | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._known: dict[int, int] = {}
        self._waiting = 0
        # A thread of its own: one of a request's would end with that request.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="generations")
        self._reader: asyncio.Task[None] | None = None

    async def wait(self, *, group_id: int, generation: int, seconds: float) -> int | None:
        """Return the group's generation once it differs from `generation`, None after `seconds`."""
        condition = self._condition()
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                while True:
                    newest = self._known.get(group_id)
                    if newest is not None and newest != generation:
                        return newest
                    async with condition:
                        await condition.wait()
        except TimeoutError:
            return None
        finally:
            self._waiting -= 1

    def _condition(self) -> asyncio.Condition:
        loop = asyncio.get_running_loop()
        if self._loop is not loop or self._changed is None:
            self._loop, self._changed, self._reader = loop, asyncio.Condition(), None
            self._known = {}
        if self._reader is None or self._reader.done():
            self._reader = loop.create_task(self._read(self._changed))
        return self._changed

    async def _read(self, condition: asyncio.Condition) -> None:
        while True:
            newest = await self._latest()
            if newest is not None and newest != self._known:
                self._known = newest
                async with condition:
                    condition.notify_all()
            if not self._waiting:
                self._known = {}
                self._thread.submit(_disconnect)
                return
            await asyncio.sleep(TICK_SECONDS)

    async def _latest(self) -> dict[int, int] | None:
        """Read once; while the database is away everybody waits, nobody gets an empty snapshot."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, _read_latest)
        except DatabaseError:
            return None


def _disconnect() -> None:
    connection.close()


def _read_latest() -> dict[int, int]:
    # This thread serves no request, so nobody else drops a connection that broke.
    close_old_connections()
    return latest_generations()


watch = GenerationWatch()
