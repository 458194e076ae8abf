"""Replay: requests of the corpus in turn, to both sides at once, compared as live pairs are.

A request's turn is taken before it is sent: the row with the oldest `sent_at` that nobody else
moved. What is compared moves a cursor of the pair's own, so a slow worker writes nothing twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q

from shadow import readings
from shadow.checks import settings as reading
from shadow.checks.asking import answer_of
from shadow.checks.base import SettingsError
from shadow.checks.openapi.document import MAX_DOCUMENT_BYTES, DocumentError, read_document
from shadow.http import Reply, Request, send_all
from shadow.models import CorpusRequest, ServicePair
from shadow.pairs import Pair
from shadow.services.comparing import compare_batch, open_cursor, record_batch
from shadow.services.corpus import GENERATED, add_generated

# The kind of its pairs, and the name of its settings beside those of the checks.
REPLAY = "replay"
DEADLINE_SECONDS = 2.0
MAX_ANSWER_BYTES = 2 * 1024 * 1024
MOST_PER_SECOND = 20
# As often as the schedule calls.
TICK_SECONDS = 2.0
GENERATE_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """How many requests a second one pair is sent, and whether any are made up."""

    enabled: bool
    per_second: float
    generate: bool
    document: str


def read_replay_settings(raw: Mapping[str, Any]) -> ReplaySettings:
    """Return the settings, or raise SettingsError naming what is wrong."""
    reading.check_names(raw, ("enabled", "per_second", "generate", "document"))
    return ReplaySettings(
        enabled=reading.flag(raw, "enabled", default=True),
        per_second=reading.number(raw, "per_second", 5, 0.001, MOST_PER_SECOND),
        generate=reading.flag(raw, "generate", default=True),
        document=reading.path(raw, "document", "/openapi.json"),
    )


def replay_next(*, pair: ServicePair, now: datetime) -> int:
    """Send the pair's next requests and count their comparison; return how many were compared."""
    try:
        settings = read_replay_settings(pair.checks.get(REPLAY, {}))
    except SettingsError:
        return 0
    if not settings.enabled:
        return 0
    rows = _take_turns(pair, _how_many(pair, settings.per_second, now), now)
    if not rows:
        return 0
    cursor = f"{REPLAY}:{pair.name}"[:100]
    after = open_cursor(cursor)
    pairs = _send(pair, rows, now)
    compared = compare_batch(pairs)
    written = record_batch(
        stream=cursor, after_id=after, last_id=_id(rows[-1], now), compared=compared, now=now
    )
    return len(compared) if written else 0


def _how_many(pair: ServicePair, per_second: float, now: datetime) -> int:
    if per_second * TICK_SECONDS >= 1:
        return int(per_second * TICK_SECONDS)
    last = CorpusRequest.objects.filter(pair=pair, sent_at__isnull=False).order_by("-sent_at")
    sent_at = last.values_list("sent_at", flat=True).first()
    waited = (now - sent_at).total_seconds() if sent_at else 1 / per_second
    return 1 if waited >= 1 / per_second else 0


def _take_turns(pair: ServicePair, count: int, now: datetime) -> list[CorpusRequest]:
    """Return the requests whose turn it is, marked as sent; a route that is not safe has none."""
    safe = [route.label for route in readings.routes_of(pair) if route.safe_to_duplicate]
    waiting = (
        CorpusRequest.objects.filter(pair=pair, route__in=safe)
        .filter(Q(expires_at=None) | Q(expires_at__gt=now))
        .order_by(F("sent_at").asc(nulls_first=True), "pk")[:count]
    )
    return [
        row
        for row in waiting
        if CorpusRequest.objects.filter(pk=row.pk, sent_at=row.sent_at).update(sent_at=now)
    ]


def _id(row: CorpusRequest, now: datetime) -> str:
    return f"{row.pk}-{int(now.timestamp() * 1000)}"


def _send(pair: ServicePair, rows: Sequence[CorpusRequest], now: datetime) -> list[Pair]:
    entries = [readings.entry_of(row) for row in rows]
    requests = [
        Request(entry.method, address, entry.path, entry.headers, entry.body)
        for entry in entries
        for address in (pair.legacy_url, pair.candidate_url)
    ]
    replies = send_all(
        requests,
        deadline_s=DEADLINE_SECONDS,
        max_body_bytes=MAX_ANSWER_BYTES,
        at_once=len(requests),
    )
    return [
        _pair(pair, row, replies[2 * at], replies[2 * at + 1], now) for at, row in enumerate(rows)
    ]


def _pair(
    pair: ServicePair, row: CorpusRequest, legacy: Reply, candidate: Reply, now: datetime
) -> Pair:
    entry = readings.entry_of(row)
    return Pair(
        id=f"{REPLAY}-{_id(row, now)}",
        stream=pair.stream,
        kind=REPLAY,
        route=row.route,
        method=row.method,
        path=row.path[:1000],
        at=now.timestamp(),
        request_headers=entry.headers,
        request_body=entry.body,
        legacy=answer_of(legacy),
        legacy_us=legacy.duration_us,
        candidate=answer_of(candidate),
        candidate_us=candidate.duration_us,
    )


def generate_due(*, pair: ServicePair, now: datetime) -> int:
    """Make up requests once a day from legacy's document; return how many are new."""
    try:
        settings = read_replay_settings(pair.checks.get(REPLAY, {}))
    except SettingsError:
        return 0
    made = CorpusRequest.objects.filter(pair=pair, source=GENERATED)
    recent = made.filter(added_at__gt=now - GENERATE_EVERY).exists()
    if recent or not (settings.enabled and settings.generate):
        return 0
    asked = Request("GET", pair.legacy_url, settings.document)
    reply = send_all([asked], max_body_bytes=MAX_DOCUMENT_BYTES)[0]
    if reply.error or reply.status != 200:  # noqa: PLR2004  # without a document there is nothing
        return 0
    try:
        document = read_document(reply.body)
    except DocumentError:
        return 0
    made.delete()
    return add_generated(pair=pair, document=document, now=now).added
