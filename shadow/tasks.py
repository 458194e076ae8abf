"""What Celery does for the evidence: compare new pairs, probe and check both sides, tidy up."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

import redis
import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from shadow import queries, services
from shadow.checks.schedule import RUN_SECONDS
from shadow.pairs import Pair, PairError, read_pair

log = structlog.get_logger(__name__)

Entry = tuple[bytes, dict[bytes, bytes]]

STREAM = "banyan:pairs"
BATCH = 200
# A tick ends before the next but one begins; what is left waits in the stream.
BUDGET_SECONDS = 1.5
LOCK_SECONDS = 20
REPLAY_SECONDS = 4.0
RECORD_SECONDS = 20
_recorded_at = -float(RECORD_SECONDS)


def connect() -> "redis.Redis":
    """Return a client whose every call ends within a second or two."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=1, decode_responses=False
    )


@shared_task(name="shadow.tasks.compare_pairs")
def compare_pairs() -> int:
    """Compare what waits in the stream, batch by batch, and return how many pairs were read.

    The lock only saves work: the cursor in the database is what makes each pair count once.
    """
    client = connect()
    lock = client.lock("banyan:compare", timeout=LOCK_SECONDS, blocking=False)
    if not lock.acquire():
        return 0
    read, deadline = 0, time.monotonic() + BUDGET_SECONDS
    try:
        while time.monotonic() < deadline:
            count = compare_next(client)
            read += count
            if count < BATCH:
                break
    finally:
        lock.release()
    return read


def compare_next(client: "redis.Redis") -> int:
    """Read one batch after the cursor, compare it, store it; return the number of entries."""
    after = services.open_cursor(STREAM)
    answer: Any = client.xread({STREAM: after}, count=BATCH)
    if not answer:
        return 0
    entries: list[Entry] = answer[0][1]
    compared = services.compare_batch(_readable(entries))
    last = entries[-1][0].decode()
    written = services.record_batch(
        stream=STREAM, after_id=after, last_id=last, compared=compared, now=timezone.now()
    )
    if written:
        client.xtrim(STREAM, minid=last, approximate=True)
        _keep_recorded(compared)
    return len(entries)


def _keep_recorded(compared: Sequence[services.Compared]) -> None:
    """Keep some requests for replay, now and then: one batch in a while is variety enough."""
    global _recorded_at  # noqa: PLW0603  # of this process alone; it only saves work
    if time.monotonic() - _recorded_at >= RECORD_SECONDS:
        _recorded_at = time.monotonic()
        services.keep_recorded(compared=compared, now=timezone.now())


def _readable(entries: list[Entry]) -> list[Pair]:
    pairs = []
    for entry_id, fields in entries:
        try:
            pairs.append(read_pair(fields))
        except PairError as exc:
            log.warning("pair_skipped", entry=entry_id.decode(), reason=str(exc)[:200])
    return pairs


@shared_task(name="shadow.tasks.replay_corpus")
def replay_corpus() -> int:
    """Send each live pair the corpus requests whose turn it is; return how many were compared."""
    lock = connect().lock("banyan:replay", timeout=LOCK_SECONDS, blocking=False)
    if not lock.acquire():
        return 0
    sent, deadline = 0, time.monotonic() + REPLAY_SECONDS
    try:
        # Where services hang not every pair has a turn in each tick, so each tick begins elsewhere.
        for pair in sorted(queries.probed_pairs(), key=lambda _: uuid.uuid4().int):
            if time.monotonic() > deadline:
                break
            sent += services.replay_next(pair=pair, now=timezone.now())
    finally:
        lock.release()
    return sent


@shared_task(name="shadow.tasks.generate_corpus")
def generate_corpus() -> int:
    """Make up requests from the documents of live pairs, once a day; return how many are new."""
    pairs = queries.probed_pairs()
    return sum(services.generate_due(pair=pair, now=timezone.now()) for pair in pairs)


@shared_task(name="shadow.tasks.probe_health")
def probe_health() -> int:
    """Probe every live pair once."""
    pairs = queries.probed_pairs()
    for pair in pairs:
        services.record_probes(pair=pair, now=timezone.now())
    return len(pairs)


@shared_task(name="shadow.tasks.run_checks", time_limit=RUN_SECONDS + 60)
def run_checks() -> bool:
    """Queue what is due and carry out one run; True when its result was kept.

    One run at a time, and one per tick: the other processes go on comparing and judging.
    """
    services.queue_due(now=timezone.now())
    run = services.claim_next(now=timezone.now(), claim=uuid.uuid4().hex)
    return run is not None and services.carry_out(run, clock=timezone.now)


@shared_task(name="shadow.tasks.housekeep")
def housekeep() -> None:
    """Delete what has expired."""
    services.housekeep(now=timezone.now())
    services.forget_expired(now=timezone.now())
    services.forget_runs(now=timezone.now())
