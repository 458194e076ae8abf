"""Users of the example service: `python examples/traffic/generator.py --url URL --rate 100`.

Open loop: each request has its time on an absolute schedule, whatever became of the ones before,
and its latency counts from that time. Prints one line of JSON every 5 s (`--every`); SIGTERM ends
it at once.
"""

import argparse
import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator

import aiohttp
from requests_pool import Request, build_pool
from stats import Stats

TIMEOUT_SECONDS = 10.0
MAX_IN_FLIGHT = 1000
"""Requests beyond this are dropped and counted: a stalled service must not kill the sender."""

FAVOURITES_SHARE = 0.5
FAVOURITES_SKEW = 3.0


def user_keys(count: int, rng: random.Random) -> Iterator[str]:
    """Yield user keys for ever: half of them the favourites, half everybody in turn.

    So a few users are busy, yet all `count` come back within `2 * count` requests.
    """
    everybody = list(range(count))
    rng.shuffle(everybody)
    turn = 0
    while True:
        if rng.random() < FAVOURITES_SHARE:
            number = int(count * rng.random() ** FAVOURITES_SKEW)
        else:
            number = everybody[turn % count]
            turn += 1
        yield f"user-{number}"


class Generator:
    """Sends requests from `pool` on schedule until told to stop."""

    def __init__(self, *, url: str, rate: float, keys: int, pool: list[Request], seed: int) -> None:
        self.stats = Stats()
        self._url = url.rstrip("/")
        self._rate = rate
        self._pool = pool
        self._rng = random.Random(seed)
        self._keys = user_keys(keys, self._rng)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, *, every: float) -> None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        connector = aiohttp.TCPConnector(limit=MAX_IN_FLIGHT, keepalive_timeout=30)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            reporter = asyncio.create_task(self._report(every))
            sender = asyncio.create_task(self._send_on_schedule(session))
            stopping = asyncio.create_task(stop.wait())
            # A sender that dies by a defect must end the program, not leave it running silent.
            await asyncio.wait({reporter, sender, stopping}, return_when=asyncio.FIRST_COMPLETED)
            everything = {reporter, sender, stopping, *self._tasks}
            for task in everything:
                task.cancel()
            results = await asyncio.gather(*everything, return_exceptions=True)
        print(self.stats.line(), flush=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _send_on_schedule(self, session: aiohttp.ClientSession) -> None:
        start, turn = time.perf_counter(), 0  # uvloop's own clock has milliseconds only
        while True:
            due = start + turn / self._rate
            turn += 1
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            request, key = self._rng.choice(self._pool), next(self._keys)
            if len(self._tasks) >= MAX_IN_FLIGHT:
                self.stats.dropped += 1
                continue
            self.stats.sent += 1
            self.stats.lateness.append(time.perf_counter() - due)
            task = asyncio.create_task(self._send(session, request, key, due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(
        self, session: aiohttp.ClientSession, request: Request, key: str, due: float
    ) -> None:
        headers = {"x-user-key": key}
        if request.content_type is not None:
            headers["content-type"] = request.content_type
        self.stats.in_flight += 1
        try:
            async with session.request(
                request.method,
                self._url + request.path,
                data=request.body or None,
                headers=headers,
                skip_auto_headers=("content-type", "user-agent"),
            ) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.stats.refused(error, valid=request.valid)
            return
        finally:
            self.stats.in_flight -= 1
        self.stats.answered(
            status=response.status,
            expected=request.status,
            valid=request.valid,
            seconds=time.perf_counter() - due,
        )

    async def _report(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            print(self.stats.line(), flush=True)


def main() -> None:
    """Parse the command line and run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="Open-loop traffic for the example pair.")
    parser.add_argument("--url", required=True, help="where users send their requests")
    parser.add_argument("--rate", type=float, default=100.0, help="requests per second")
    parser.add_argument("--keys", type=int, default=4000, help="number of users")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two lines")
    parser.add_argument(
        "--wide",
        action="store_true",
        default=os.environ.get("SCENARIO") == "f32",
        help="values up to 100,000 instead of 100; SCENARIO=f32 does the same",
    )
    options = parser.parse_args()
    if min(options.rate, options.keys, options.every) <= 0:
        parser.error("--rate, --keys and --every must be positive")
    generator = Generator(
        url=options.url,
        rate=options.rate,
        keys=options.keys,
        pool=build_pool(seed=options.seed, wide=options.wide),
        seed=options.seed,
    )
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(_until_signalled(generator, every=options.every))


async def _until_signalled(generator: Generator, *, every: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await generator.run(stop, every=every)


def _fast_loop() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    main()
