"""What Celery does for the evidence: compare new pairs, probe and check both sides, tidy up."""

import time
import uuid
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
    return len(entries)


def _readable(entries: list[Entry]) -> list[Pair]:
    pairs = []
    for entry_id, fields in entries:
        try:
            pairs.append(read_pair(fields))
        except PairError as exc:
            log.warning("pair_skipped", entry=entry_id.decode(), reason=str(exc)[:200])
    return pairs


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
