"""An open-loop load generator as a process of its own, without Django.

Each request has its moment on an absolute schedule, whatever became of the ones before, and its
latency counts from that moment: a stall counts for everybody who would have waited. Told by lines
of JSON on stdin, `{"rate": 120.0}`; tells one line per second on stdout, counts and histograms in
µs. It ends when stdin does, or when its time is over: it never outlives who asked for it.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp

from judge.histogram import TABLE, add, to_wire

DEADLINE_S = 10.0
MAX_IN_FLIGHT = 512
SERVER_ERROR = 500
IDLE_S = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """One request to send, over and over."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @classmethod
    def from_line(cls, line: str) -> "Request":
        """Read one line of JSON; `body` is base64. Raises ValueError, KeyError or TypeError."""
        doc = json.loads(line)
        return cls(
            method=str(doc["method"]),
            path=str(doc["path"]),
            headers=tuple((str(name), str(value)) for name, value in doc.get("headers", [])),
            body=base64.b64decode(doc.get("body", ""), validate=True),
        )

    def to_line(self) -> str:
        """Return the line."""
        body = base64.b64encode(self.body).decode("ascii")
        headers = [list(pair) for pair in self.headers]
        return json.dumps(
            {"method": self.method, "path": self.path, "headers": headers, "body": body}
        )


@dataclass(slots=True)
class Second:
    """What ended in one second. `shed` was due and not sent: too many were under way."""

    requests: int = 0
    errors: int = 0
    shed: int = 0
    status: Counter[str] = field(default_factory=Counter)
    latency: dict[int, int] = field(default_factory=dict)
    lateness: dict[int, int] = field(default_factory=dict)

    def answered(self, status: int, us: float) -> None:
        """Count an answer, or with status 0 none."""
        self.requests += 1
        self.errors += status == 0 or status >= SERVER_ERROR
        self.status[f"{status // 100}xx" if status else "none"] += 1
        add(self.latency, us if status else math.inf)

    def to_wire(self, start: int) -> dict[str, Any]:
        """Return the line that is told."""
        return {
            "start": start,
            "seconds": 1,
            "requests": self.requests,
            "errors": self.errors,
            "shed": self.shed,
            "status": dict(self.status),
            "latency": {"table": TABLE, "all": to_wire(self.latency)},
            "lateness": {"table": TABLE, "all": to_wire(self.lateness)},
        }


class Generator:
    """Sends `requests` in turn to `url` at `rate` per second until told to stop."""

    def __init__(
        self,
        url: str,
        requests: Sequence[Request],
        tell: Callable[[dict[str, Any]], None],
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        if not requests:
            raise ValueError("nothing to send")
        self.rate = 0.0
        self._url = url.rstrip("/")
        self._requests = cycle(requests)
        self._tell = tell
        self._deadline_s = deadline_s
        self._second = Second()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send and tell; what is under way at the end is given up."""
        timeout = aiohttp.ClientTimeout(total=self._deadline_s)
        connector = aiohttp.TCPConnector(limit=MAX_IN_FLIGHT)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            work = [asyncio.create_task(self._send(session)), asyncio.create_task(self._report())]
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait([*work, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in (*work, stopped, *self._tasks):
                task.cancel()
            ended = await asyncio.gather(*work, *self._tasks, return_exceptions=True)
        # A defect must end the program with its name, not leave it running without effect.
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _send(self, session: aiohttp.ClientSession) -> None:
        async for due in self._schedule():
            if len(self._tasks) >= MAX_IN_FLIGHT:
                self._second.shed += 1
                continue
            add(self._second.lateness, (time.perf_counter() - due) * 1e6)
            task = asyncio.create_task(self._one(session, next(self._requests), due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _schedule(self) -> AsyncIterator[float]:
        """Yield each request's moment once it has come; a moment that passed comes at once."""
        due = time.perf_counter()
        while True:
            if self.rate <= 0:
                await asyncio.sleep(IDLE_S)
                due = time.perf_counter()
                continue
            due += 1 / self.rate
            # More than once: uvloop's timers have whole milliseconds and may come too early.
            while (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            yield due

    async def _one(self, session: aiohttp.ClientSession, request: Request, due: float) -> None:
        status = 0
        try:
            async with session.request(
                request.method,
                self._url + request.path,
                data=request.body or None,
                headers=request.headers,
                skip_auto_headers=("user-agent", "content-type"),
                allow_redirects=False,
            ) as response:
                await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            status = 0
        self._second.answered(status, (time.perf_counter() - due) * 1e6)

    async def _report(self) -> None:
        while True:
            start = int(time.time())
            await asyncio.sleep(start + 1 - time.time())
            ended, self._second = self._second, Second()
            self._tell(ended.to_wire(start))


async def follow(stdin: asyncio.StreamReader, generator: Generator, stop: asyncio.Event) -> None:
    """Take orders until there is nobody left to give them."""
    while line := await stdin.readline():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            rate = float(json.loads(line)["rate"])
            if math.isfinite(rate) and rate >= 0:
                generator.rate = rate
    stop.set()


def read_requests(path: Path) -> list[Request]:
    """Read a file of requests; ValueError names the line that cannot be read."""
    found = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            found.append(Request.from_line(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number}: {error!r}") from error
    return found


async def _main(options: argparse.Namespace) -> None:
    def tell(block: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(block) + "\n")
        sys.stdout.flush()

    generator = Generator(
        options.url, read_requests(options.requests), tell, deadline_s=options.deadline
    )
    generator.rate = options.rate
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.call_later(options.seconds, stop.set)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    orders = asyncio.create_task(follow(reader, generator, stop))
    try:
        await generator.run(stop)
    finally:
        orders.cancel()


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m traffic.load.generator", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", required=True, type=Path, help="one JSON object per line")
    parser.add_argument("--rate", type=float, default=0.0, help="requests per second to begin with")
    parser.add_argument("--seconds", type=float, required=True, help="ends after this, whatever")
    parser.add_argument("--deadline", type=float, default=DEADLINE_S, help="of one request")
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(_main(parser.parse_args()))


def _fast_loop() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    main()
