"""Live updates: one stream of server-sent events per page, carrying names and versions, never HTML.

All streams of a process share one reading of the database per second. A page refetches the
fragment an event names; permission is checked there. `beat` tells that the reading is fresh.
"""

import asyncio
import contextvars
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from rollout.readings import Pulse, read_pulse

log = structlog.get_logger(__name__)

TICK_SECONDS = 1.0
BEAT_TICKS, LIVE_TICKS, GATES_TICKS, CAUSES_TICKS, CHART_TICKS, MOVING_TICKS = 5, 5, 5, 10, 15, 2
# A stream ends after this long so that its reader's permission is looked at again.
LIFE_TICKS = 900

Handler = Callable[[int, FrameType | None], Any] | int | None


@dataclass
class Ticker:
    """Reads the pulse once a second while anybody listens, and wakes all listeners."""

    reader: Callable[[], Pulse] = read_pulse
    listeners: int = 0
    closing: bool = False
    pulse: Pulse | None = None
    _turn: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None
    _loop: asyncio.AbstractEventLoop | None = None

    async def ticks(self) -> AsyncIterator[Pulse | None]:
        """Yield the pulse once a second, None when it could not be read; end at shutdown."""
        self._start()
        self.listeners += 1
        try:
            while not self.closing:
                turn = self._turn
                await turn.wait()
                if not self.closing:
                    yield self.pulse
        finally:
            self.listeners -= 1

    def close(self) -> None:
        """End every stream at once; safe to call from a signal handler."""
        self.closing = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._turn, self._task = loop, asyncio.Event(), None
            close_on_signals(self.close)
        if self._task is None or self._task.done():
            # A clean context: the request's would bind the reading to its short-lived thread.
            self._task = loop.create_task(self._run(), context=contextvars.Context())

    def _wake(self) -> None:
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def _run(self) -> None:
        while self.listeners > 0 and not self.closing:
            self.pulse = await sync_to_async(self._read)()
            self._wake()
            await asyncio.sleep(TICK_SECONDS)

    def _read(self) -> Pulse | None:
        try:
            return self.reader()
        except DatabaseError as exc:
            # No beat goes out, so open pages say that they are stale; the next tick tries again.
            log.warning("pulse_unread", error=str(exc))
            connection.close()
            return None


TICKER = Ticker()


def close_on_signals(close: Callable[[], None]) -> None:
    """End the streams on SIGTERM and SIGINT, then let the server's own handler run.

    A server waits for open responses before it stops; without this, open pages would hold it up.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def handle(
            signum: int,
            frame: FrameType | None,
            before: Handler = before,
        ) -> None:
            close()
            if callable(before):
                before(signum, frame)
            elif before == signal.SIG_DFL:
                signal.signal(signum, signal.SIG_DFL)
                signal.raise_signal(signum)

        signal.signal(number, handle)


def event(name: str, version: object) -> str:
    """Write one event."""
    return f"event: {name}\ndata: {version}\n\n"


def changed(
    before: Pulse | None, now: Pulse, *, slug: str | None, tick: int
) -> Iterator[tuple[str, object]]:
    """Yield (name, version) of what a page should fetch again at this tick."""
    yield from _everywhere(before, now, tick)
    if slug is not None:
        old = before.migrations.get(slug) if before else None
        new = now.migrations.get(slug)
        if new is not None and old is not None:
            yield from _of_one(old, new, tick)


def _everywhere(before: Pulse | None, now: Pulse, tick: int) -> Iterator[tuple[str, object]]:
    if tick % BEAT_TICKS == 0 or before is None:
        yield "beat", now.at
    if before is None:
        return
    if before.migrations != now.migrations or tick % LIVE_TICKS == 0:
        yield "fleet", tick
    if before.ledger_seq != now.ledger_seq:
        yield "audit", now.ledger_seq


def _of_one(
    old: Mapping[str, Any], new: Mapping[str, Any], tick: int
) -> Iterator[tuple[str, object]]:
    if old["version"] != new["version"]:
        yield "decision", new["version"]
    moving = new["in_effect_at"] is None and tick % MOVING_TICKS == 0
    if moving or any(old[k] != new[k] for k in ("version", "accepted_at", "in_effect_at")):
        yield "weight", new["version"]
    if old["evaluation"] != new["evaluation"] or tick % GATES_TICKS == 0:
        yield "gates", new["evaluation"]
    for name, every in (("live", LIVE_TICKS), ("causes", CAUSES_TICKS), ("chart", CHART_TICKS)):
        if tick % every == 0:
            yield name, tick


async def stream(slug: str | None, ticker: Ticker = TICKER) -> AsyncIterator[str]:
    """Yield one page's stream until it is old, the reader leaves, or the server stops."""
    yield "retry: 2000\n\n"
    before: Pulse | None = None
    tick = 0
    async for pulse in ticker.ticks():
        if pulse is not None:
            text = "".join(
                event(name, version)
                for name, version in changed(before, pulse, slug=slug, tick=tick)
            )
            if text:
                yield text
            before = pulse
        tick += 1
        if tick >= LIFE_TICKS:
            return


def _release() -> None:
    # Looked up in the worker's thread: that is where the request's connection was opened.
    connection.close()


async def events(request: HttpRequest, slug: str | None = None) -> HttpResponseBase:
    """GET the stream of one migration's page, or of the pages about all of them."""
    user = await request.auser()
    if not user.is_authenticated:
        return HttpResponse(status=401)
    # The stream lives for minutes and reads nothing here: give the connection back at once.
    await sync_to_async(_release)()
    response = StreamingHttpResponse(stream(slug), content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response
