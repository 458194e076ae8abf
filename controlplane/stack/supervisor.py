"""Starts children in the order of their needs, waits until each works, restarts, stops."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controlplane.stack.child import Child, Spec
from controlplane.stack.console import Console
from controlplane.stack.errors import ChildFailedError
from controlplane.stack.housekeeping import Guard, trim_log
from controlplane.stack.stopping import first, stop_children

BACKOFF_FIRST_SECONDS, BACKOFF_MOST_SECONDS, BACKOFF_RESET_SECONDS = 0.5, 10.0, 30.0
PROBE_PAUSE_SECONDS = 0.05
CHORES_SECONDS = 2.0
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Places:
    """Where a log for each child goes; a file `<hold>/<name>` keeps a dead child down."""

    logs: Path
    hold: Path


class Supervisor:
    """Runs a set of Specs as one thing.

    `on_ready` is called once all work; `on_change` whenever a pid changed afterwards.
    """

    def __init__(
        self,
        specs: Sequence[Spec],
        *,
        places: Places,
        console: Console,
        guard: Guard,
        env: Mapping[str, str],
    ) -> None:
        """Take the specs; nothing runs yet."""
        self._specs = tuple(specs)
        self._places = places
        self._console = console
        self._guard = guard
        self._env = {**env, "BANYAN_STACK_RUN": guard.run_id}
        self._children: dict[str, Child] = {}
        self._up: dict[str, asyncio.Event] = {spec.name: asyncio.Event() for spec in specs}
        self._delays: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ready = False
        self._is_stopping = False
        self._stop = asyncio.Event()
        self._kill = asyncio.Event()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_ready: Callable[[], None] = lambda: None
        self.on_change: Callable[[], None] = lambda: None

    def pids(self) -> dict[str, int]:
        """Return the process id of every living child by name."""
        return {n: child.pid for n, child in self._children.items() if not child.exited.done()}

    async def run(self) -> int:
        """Start, serve until asked to stop, stop; ChildFailedError when the start failed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)
        try:
            self._spawn_task(self._chores())
            return await self._serve()
        finally:
            await self._shut_down()
            self._failure.cancel()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._kill.set()
        self._stop.set()

    async def _serve(self) -> int:
        stop = asyncio.ensure_future(self._stop.wait())
        start = asyncio.ensure_future(self._start_all())
        try:
            await first({stop, start, self._failure})
            if self._failure.done():
                self._failure.result()
            if not start.done():
                return INTERRUPTED
            start.result()
            self._is_ready = True
            self.on_ready()
            await stop
            return 0
        finally:
            for task in (stop, start):
                task.cancel()
            await asyncio.gather(stop, start, return_exceptions=True)

    async def _start_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for spec in self._specs:
                group.create_task(self._bring_up(spec))

    async def _bring_up(self, spec: Spec) -> None:
        for name in spec.needs:
            await self._up[name].wait()
        if not await self._may_start(spec):
            return
        child = self._spawn(spec)
        if await self._wait_ready(child):
            self._console.event(spec.name, f"ready in {child.uptime:.1f} s")
            self._up[spec.name].set()
        elif not child.exited.done():
            problem = f"was not ready after {spec.ready_timeout_s:.0f} s"
            self._fail(spec.name, problem, child.tail())

    async def _may_start(self, spec: Spec) -> bool:
        """Wait for what must come true before; a failure when it does not in time."""
        if spec.before is None:
            return True
        what, probe = spec.before
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(spec.ready_timeout_s):
                while not await probe(0):
                    await asyncio.sleep(PROBE_PAUSE_SECONDS)
                return True
        self._fail(spec.name, f"waited {spec.ready_timeout_s:.0f} s in vain for {what}")
        return False

    def _spawn(self, spec: Spec) -> Child:
        child = Child(spec, log=self._places.logs / f"{spec.name}.log", env=self._env)
        self._guard.opened(child.pid)
        self._children[spec.name] = child
        child.exited.add_done_callback(lambda _: self._on_exit(child))
        return child

    async def _wait_ready(self, child: Child) -> bool:
        """Probe until ready, ended, or out of time."""
        probe = child.spec.probe
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(child.spec.ready_timeout_s):
                if probe is None:
                    return await asyncio.shield(child.exited) == 0
                while not child.exited.done():
                    if await probe(child.pid):
                        child.is_ready = True
                        return True
                    await asyncio.wait({child.exited}, timeout=PROBE_PAUSE_SECONDS)
        return False

    def _fail(self, name: str, problem: str, tail: str = "") -> None:
        if not self._failure.done():
            self._failure.set_exception(ChildFailedError(name, problem, tail))

    def _on_exit(self, child: Child) -> None:
        self._guard.closed(child.pid)
        done = child.spec.probe is None and child.exited.result() == 0
        if done or self._is_stopping or self._stop.is_set():
            return
        if not self._is_ready:
            self._fail(child.spec.name, child.outcome(), child.tail())
            return
        self.on_change()
        self._spawn_task(self._revive(child))

    async def _revive(self, dead: Child) -> None:
        """Report the death, wait out backoff and hold, start anew, report when it works again."""
        name = dead.spec.name
        delay = self._delays.get(name, BACKOFF_FIRST_SECONDS)
        if dead.uptime >= BACKOFF_RESET_SECONDS:
            delay = BACKOFF_FIRST_SECONDS
        self._delays[name] = min(delay * 2, BACKOFF_MOST_SECONDS)
        self._console.event(name, f"{dead.outcome()}; restarting in {delay:.1f} s")
        await asyncio.sleep(delay)
        while (self._places.hold / name).exists():
            await asyncio.sleep(PROBE_PAUSE_SECONDS)
        child = self._spawn(dead.spec)
        self.on_change()
        if await self._wait_ready(child):
            self._console.event(name, f"is back, ready in {child.uptime:.1f} s")
        elif not child.exited.done():
            self._console.event(name, f"runs but is not ready; see {name}.log")

    def _spawn_task(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _chores(self) -> None:
        while True:
            await asyncio.sleep(CHORES_SECONDS)
            for log in self._places.logs.rglob("*.log"):
                trim_log(log)
            if self._guard.renew(self.pids().values()):
                self._console.event("guard", "was ended by somebody; started anew")

    async def _shut_down(self) -> None:
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        living = [child for child in self._children.values() if not child.exited.done()]
        if living:
            self._console.event("stopping", ", ".join(child.spec.name for child in living))
            await stop_children(living, self._kill)
