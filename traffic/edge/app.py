"""The edge as a whole: what runs beside what, and who tells whom."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from traffic.edge import metrics
from traffic.edge.acceptance import AcceptanceWatch
from traffic.edge.admin import EnvoyAdmin
from traffic.edge.apply import Applier
from traffic.edge.config import EdgeConfig
from traffic.edge.control import Backoff, ControlError, ControlPlane, UnknownLineageError
from traffic.edge.envoy_log import EnvoyLog
from traffic.edge.fence import Hold
from traffic.edge.files import XdsFiles
from traffic.edge.glass import GlassBox
from traffic.edge.hold import new_hold_id, serve_hold
from traffic.edge.report import CAPABILITIES, PAIR_TAP, Collector, Reporter, look_at
from traffic.edge.selftest import taps_are_safe
from traffic.edge.state import EdgeState, StateStore
from traffic.edge.validate import Validator
from traffic.edge.writer import ConfigWriter

Json = dict[str, Any]
log = logging.getLogger(__name__)

REPORT_SECONDS = 2.0
SETTLE_SECONDS = 0.25
# Envoy could not be asked for its verdict, for want of memory or time: ask again.
RETRY_SECONDS = 1.0
STOP_SECONDS = 3.0
READY_NAME = "edge.ready"


class Edge:
    """One edge process. `run` returns when `stop` is set; all state is on disk."""

    def __init__(
        self,
        config: EdgeConfig,
        collector: Collector,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._collector = collector
        self._clock = clock
        self._files = XdsFiles(config.state_dir)
        self._store = StateStore(config.state_dir)
        self._glass = GlassBox(config.state_dir)
        self._validator = Validator(config.envoy)
        self._admin = EnvoyAdmin(config.admin)
        watch = AcceptanceWatch(self._admin, EnvoyLog(config.envoy_log))
        self.applier = Applier(
            store=self._store,
            writer=ConfigWriter(self._files, watch),
            watch=watch,
            validator=self._validator,
            on_accepted=self._accepted,
            glass=self._glass,
            clock=clock,
        )
        self._control = ControlPlane(config.control, config.token, ca_file=config.ca_file)
        self._reporter = Reporter(
            proxy=config.proxy_id,
            control=self._control,
            collector=collector,
            clock=clock,
            glass=self._glass,
        )
        self._metrics = metrics.StatusCollector(self.applier.status)
        self._report_now = asyncio.Event()
        self._offered = asyncio.Event()
        self._offer: object = None
        self._cursor: tuple[str, int] | None = None
        self._preparing: asyncio.Task[None] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Receive, follow the control plane and report until `stop` is set."""
        ready = self._config.state_dir / READY_NAME
        ready.unlink(missing_ok=True)
        self._files.prepare()
        self._glass.prepare(self._config.proxy_id)
        if self._files.read("routes") is None and self._store.last_good() is None:
            self._files.write_initial()
        async with self._control, self._admin:
            await self._collector.start()
            stop_metrics = self._serve_metrics()
            control_socket = await serve_hold(self._config.state_dir, self._declare_hold)
            ready.touch()
            work = asyncio.create_task(self._work())
            stopped = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    work.result()
            finally:
                await self._end(work, stopped, self._preparing)
                await self._validator.aclose()
                control_socket.close()
                ready.unlink(missing_ok=True)
                await self._collector.stop()
                stop_metrics()

    def _serve_metrics(self) -> Callable[[], None]:
        """Serve `/metrics` if asked to; nothing of the proxy's work depends on it."""
        port = self._config.metrics_port
        try:
            return metrics.serve(self._metrics, port) if port else lambda: None
        except OSError as error:
            log.warning("no metrics on port %s: %s", port, error)
            return lambda: None

    async def _work(self) -> None:
        test = await taps_are_safe(self._config.state_dir, self._config.envoy)
        self.applier.taps = test.pair_tap
        if test.pair_tap:
            self._reporter.capabilities = [*CAPABILITIES, PAIR_TAP]
        else:
            log.error("captures are off, the self-test failed: %s", test.reason)
        await self.applier.resume()
        async with asyncio.TaskGroup() as group:
            for loop in (self._poll, self._apply, self._settle, self._report):
                group.create_task(_fenced(loop))

    async def _poll(self) -> None:
        """Ask for the next snapshot, always; applying goes on meanwhile."""
        backoff = Backoff()
        while True:
            try:
                await self._poll_once()
                metrics.POLLS.labels("ok").inc()
                backoff.reset()
            except ControlError as error:
                metrics.POLLS.labels("failed").inc()
                log.warning("%s", error)
                if isinstance(error, UnknownLineageError):
                    self.applier.refuse_unknown(str(error))
                    self._report_now.set()
                await asyncio.sleep(backoff.seconds())

    async def _poll_once(self) -> None:
        cursor = self._cursor
        if cursor is not None:
            lineage: str | None = cursor[0]
            generation = cursor[1]
        else:
            position = self._store.load().position
            lineage = position.lineage if position else None
            generation = self.applier.seen_generation
        doc = await self._control.snapshot(lineage, generation)
        if doc is None:
            if cursor is None:
                self.applier.heard_nothing_newer()
            return
        self._cursor = _cursor_of(doc)
        self._offer = doc
        self._offered.set()

    async def _apply(self) -> None:
        """Apply the newest offer. What came in between is skipped: the newest has it all."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            doc = self._offer
            result = await self.applier.offer(doc, superseded=self._offered)
            if result == "unchecked" and not self._offered.is_set():
                self._report_now.set()
                await self._again_soon()
                continue
            if not self._offered.is_set():
                # Until here the poll asked for more than this offer, not for the offer again.
                self._cursor = None
            self._report_now.set()
            if result in ("accepted", "silent", "nothing") and isinstance(doc, dict):
                self._prepare_next(doc)

    async def _again_soon(self) -> None:
        """Offer the same document again, unless a newer one comes first."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_SECONDS):
                await self._offered.wait()
        self._offered.set()

    def _prepare_next(self, doc: Json) -> None:
        """Validate the likely next documents now, so that the next decision takes no time."""
        if self._preparing is not None:
            self._preparing.cancel()

        async def prepare() -> None:
            try:
                await self._validator.prepare(doc.get("prevalidate") or [])
            except (KeyError, TypeError, IndexError) as error:
                log.warning("a document to prepare cannot be read: %r", error)

        self._preparing = asyncio.create_task(prepare())

    async def _settle(self) -> None:
        """Notice what changes without us: Envoy coming up, break-glass by the files."""
        known: EdgeState | None = None
        while True:
            await self.applier.settle()
            state = self._store.load()
            if state != known:
                known = state
                self._report_now.set()
            await asyncio.sleep(SETTLE_SECONDS)

    async def _report(self) -> None:
        backoff = Backoff()
        while True:
            # Not `wait_for`: in Python 3.11 it may swallow a cancellation, and we would never end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_SECONDS):
                    await self._report_now.wait()
            self._report_now.clear()
            try:
                await self._reporter.send(self.applier.status(), await look_at(self._admin))
                self._metrics.reported_at = time.monotonic()
                metrics.REPORTS.labels("ok").inc()
                backoff.reset()
            except ControlError as error:
                metrics.REPORTS.labels("failed").inc()
                log.warning("%s", error)
                self._report_now.set()
                await asyncio.sleep(backoff.seconds())

    async def _declare_hold(self, reason: str, by: str) -> Hold:
        hold = await self.applier.hold(new_hold_id(), reason, self._clock(), by=by)
        self._report_now.set()
        return hold

    def _accepted(self, doc: Json) -> None:
        try:
            self._collector.configure(doc)
        except (KeyError, TypeError, ValueError):
            # Users are served rightly; only the counting is not as asked.
            log.exception("the receivers cannot use generation %s", doc["generation"])
        self._report_now.set()

    @staticmethod
    async def _end(*tasks: asyncio.Task[Any] | None) -> None:
        present = [task for task in tasks if task is not None]
        for task in present:
            task.cancel()
        await asyncio.wait(present, timeout=STOP_SECONDS)


async def _fenced(loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop for ever. A defect in one must not stop the others, least of all break-glass."""
    while True:
        try:
            await loop()
        except Exception:
            log.exception("%s failed and starts again", getattr(loop, "__name__", "a loop"))
            await asyncio.sleep(1.0)


def _cursor_of(doc: object) -> tuple[str, int]:
    """Return what to ask from next; raises ControlError when the offer cannot be told apart."""
    if isinstance(doc, dict):
        lineage, generation = doc.get("lineage"), doc.get("generation")
        if isinstance(lineage, str) and isinstance(generation, int):
            return lineage, generation
    raise ControlError("the offered snapshot has no lineage and generation")
