"""Pairs into the Redis stream `banyan:pairs`: bounded, in batches, each exactly once.

Offering never waits. When the queue is full the newest pair is refused. A batch is one script that
also keeps the number of this edge's last batch, so a batch repeated after a broken connection, when
nobody knows whether it arrived, adds nothing the second time.
"""

import asyncio
from collections import deque
from typing import Final

import orjson
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from traffic.edge.pairs import Answer, Pair

STREAM = "banyan:pairs"
MAXLEN = 50_000
MAX_QUEUED = 5_000
MAX_QUEUED_BYTES = 32 << 20
BATCH = 100
BATCH_BYTES = 4 << 20
SOCKET_TIMEOUT_S = 1.0
BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
MARK_TTL_S = 86_400
OVERHEAD_BYTES = 1_500

_APPEND = """
local last = redis.call('GET', KEYS[2])
if last and tonumber(last) >= tonumber(ARGV[1]) then return 0 end
local names = cjson.decode(ARGV[2])
for i = 4, #ARGV, #names do
  local row = {}
  for n, name in ipairs(names) do
    row[2 * n - 1] = name
    row[2 * n] = ARGV[i + n - 1]
  end
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', unpack(row))
end
redis.call('SET', KEYS[2], ARGV[1], 'EX', %d)
return 1
"""

Field = bytes | str


def fields_of(pair: Pair) -> dict[str, Field]:
    """Return a stream entry: `at` in unix seconds, headers and flags as JSON, bodies raw."""
    return {
        "id": pair.id,
        "split": pair.split,
        "kind": pair.kind,
        "route": pair.route,
        "method": pair.method,
        "path": pair.path,
        "at": f"{pair.at_us / 1e6:.6f}",
        "req_headers": orjson.dumps(pair.request_headers),
        "req_body": pair.request_body,
        **_answer("a", pair.a),
        **_answer("b", pair.b),
        "flags": orjson.dumps(pair.flags),
        "slow": orjson.dumps(pair.slow),
    }


def _answer(side: str, answer: Answer) -> dict[str, Field]:
    return {
        f"{side}_status": str(answer.status),
        f"{side}_headers": orjson.dumps(answer.headers),
        f"{side}_body": answer.body,
        f"{side}_us": str(answer.us),
    }


class PairStream:
    """The writer. `url` None means there is no Redis: every pair is refused and counted."""

    def __init__(self, url: str | None, *, boot: str, max_queued: int = MAX_QUEUED) -> None:
        self.dropped = self.written = self.failures = 0
        self._max_queued = max_queued
        self._queue: deque[tuple[Pair, int]] = deque()
        self._queued_bytes = 0
        self._batch: list[Pair] = []
        self._number = 0
        self._mark = f"{STREAM}:sent:{boot}"
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._redis: Redis | None = None
        if url is not None:
            self._redis = Redis.from_url(
                url,
                socket_timeout=SOCKET_TIMEOUT_S,
                socket_connect_timeout=SOCKET_TIMEOUT_S,
                # The loop below retries, with a batch that may be repeated safely.
                retry=Retry(NoBackoff(), 0),
            )

    @property
    def queued(self) -> int:
        """Pairs not written yet."""
        return len(self._queue) + len(self._batch)

    def offer(self, pair: Pair) -> bool:
        """Queue a pair; False when it is refused. Never waits."""
        size = OVERHEAD_BYTES + len(pair.request_body) + len(pair.a.body) + len(pair.b.body)
        full = len(self._queue) >= self._max_queued
        if self._redis is None or full or self._queued_bytes + size > MAX_QUEUED_BYTES:
            self.dropped += 1
            return False
        self._queue.append((pair, size))
        self._queued_bytes += size
        self._wake.set()
        return True

    async def start(self) -> None:
        """Begin to write in the background."""
        if self._redis is not None:
            self._task = asyncio.create_task(self._run(self._redis), name="pair-stream")

    async def stop(self, *, within_s: float = 1.0) -> None:
        """Write what is queued if that is possible soon; the rest is dropped and counted."""
        if self._task is None or self._redis is None:
            return
        try:
            async with asyncio.timeout(within_s):
                while self.queued and not self._task.done():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pass
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.dropped += self.queued
        await self._redis.aclose()

    async def _run(self, redis: Redis) -> None:
        append = redis.register_script(_APPEND % MARK_TTL_S)
        tries = 0
        while True:
            if not self._batch and not self._next_batch():
                self._wake.clear()
                await self._wake.wait()
                continue
            rows = [fields_of(pair) for pair in self._batch]
            head = (self._number, orjson.dumps(list(rows[0])), MAXLEN)
            values = [value for row in rows for value in row.values()]
            try:
                await append(keys=[STREAM, self._mark], args=[*head, *values])
            except (RedisError, OSError):
                self.failures += 1
                await asyncio.sleep(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)])
                tries += 1
                continue
            tries = 0
            self.written += len(self._batch)
            self._batch = []

    def _next_batch(self) -> bool:
        size = 0
        while self._queue and len(self._batch) < BATCH and size < BATCH_BYTES:
            pair, took = self._queue.popleft()
            self._batch.append(pair)
            self._queued_bytes -= took
            size += took
        self._number += bool(self._batch)
        return bool(self._batch)
