"""Users seen from outside: many keys, each noted with the side that answered, without pause.

The client is independent of Banyan's own counts. It knows a side by the build id in the answer.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp

KEYS = 5000
BODY = json.dumps({"input": [0.5, -1.25, 42.0]}).encode()
RIGHT = [0.5 * 2 + 0.1, -1.25 * 2 + 0.1, 42.0 * 2 + 0.1]
TOLERANCE = 1e-4


@dataclass(slots=True)
class Seen:
    """One answered request: wall-clock start, key, side, status, and whether it was right."""

    started: float
    key: int
    side: str
    status: int
    right: bool


@dataclass(slots=True)
class Window:
    """What was seen between two moments."""

    seen: list[Seen] = field(default_factory=list)

    def sides(self) -> dict[int, str]:
        """Return each key's latest side."""
        return {s.key: s.side for s in self.seen if s.side}

    @property
    def non_200(self) -> int:
        """Valid requests that were not answered 200 with the right numbers."""
        return sum(1 for s in self.seen if s.status != 200 or not s.right)

    def statuses(self) -> dict[str, int]:
        """Count by status."""
        return dict(Counter(str(s.status) for s in self.seen))


class Users:
    """A thread that calls Envoy as users do, open-loop, until it is stopped."""

    def __init__(self, url: str, *, rate: int) -> None:
        """Prepare `rate` requests per second over KEYS keys in turn."""
        self._url, self._rate = f"{url}/infer", rate
        self._log: list[Seen] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End and wait for what is in flight."""
        self._stop.set()
        self._thread.join(timeout=20)

    def since(self, moment: float, until: float | None = None) -> Window:
        """Return what started in the window (unix seconds)."""
        end = until if until is not None else float("inf")
        return Window([s for s in list(self._log) if moment <= s.started < end])

    def wait_for_keys(self, moment: float, keys: int, *, seconds: float) -> Window:
        """Return the window since `moment` once it holds that many distinct keys."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            window = self.since(moment)
            if len(window.sides()) >= keys:
                return window
            time.sleep(0.2)
        return self.since(moment)

    def _main(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=20)
        connector = aiohttp.TCPConnector(limit=200)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            begun, sent, tasks = time.monotonic(), 0, set()
            while not self._stop.is_set():
                due = int((time.monotonic() - begun) * self._rate)
                while sent < due:
                    task = asyncio.create_task(self._call(session, sent % KEYS))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    sent += 1
                await asyncio.sleep(0.002)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _call(self, session: aiohttp.ClientSession, key: int) -> None:
        started, side, status, right = time.time(), "", 0, False
        headers = {"x-user-key": f"walk-{key}", "content-type": "application/json"}
        try:
            async with session.post(self._url, data=BODY, headers=headers) as answer:
                body = await answer.read()
                status = answer.status
                side = answer.headers.get("x-build-id", "").partition("-")[0]
                right = status == 200 and _right(body)
        except (aiohttp.ClientError, TimeoutError):
            pass
        self._log.append(Seen(started, key, side, status, right))


def _right(body: bytes) -> bool:
    try:
        output: list[Any] = json.loads(body)["output"]
    except (ValueError, KeyError, TypeError):
        return False
    close = (abs(a - b) < TOLERANCE for a, b in zip(output, RIGHT, strict=True))
    return len(output) == len(RIGHT) and all(close)


def flipped_back(before: dict[int, str], window: Window) -> int:
    """Count keys that were on the candidate and were answered by legacy in the window."""
    back = {s.key for s in window.seen if s.side == "legacy" and before.get(s.key) == "candidate"}
    return len(back)


def shift_ms(committed: float, window: Window, sides: dict[int, str]) -> int:
    """Milliseconds from the commit to the start of the last request that obeyed the old weight.

    A request obeyed the old weight when legacy answered a key that now belongs to the candidate.
    """
    late = [
        s.started - committed
        for s in window.seen
        if s.side == "legacy" and sides.get(s.key) == "candidate" and s.started >= committed
    ]
    return round(max(late, default=0.0) * 1000)
