"""Ask providers for the metrics of live migrations, and keep what they answered as rows.

The row's time is from before it was asked, its builds as known then: a reading that was late for a
decision is about the time before it, and counts for nothing after.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.db.models import Max

from judge.metric import Sample
from rollout import queries
from rollout.metrics import Asked, asked_of
from rollout.models import MetricReading, ServiceMigration
from rollout.policy import Policy
from rollout.promql import read_answer
from shadow.http import Reply, Request, send_all

DEADLINE_S = 3.0
MAX_BODY_BYTES = 65_536
# Readings of one tick, the longest waiting first: all are asked at once, within one deadline.
AT_ONCE = 48
KEPT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class _Due:
    migration: ServiceMigration
    asked: Asked
    last: datetime | None


def measure_due(*, now: datetime) -> int:
    """Measure what is due, at most AT_ONCE of it, and forget what is old; return what was kept."""
    MetricReading.objects.filter(at__lt=now - KEPT).delete()
    due: list[_Due] = []
    for migration in queries.live_migrations():
        due += _due(migration, now)
    due.sort(key=lambda each: each.last.timestamp() if each.last else 0.0)
    chosen = due[:AT_ONCE]
    made = [_row(each, samples, now) for each, samples in zip(chosen, _ask(chosen), strict=True)]
    return len(MetricReading.objects.bulk_create(made, ignore_conflicts=True))


def _due(migration: ServiceMigration, now: datetime) -> list[_Due]:
    asked = asked_of(migration, Policy.from_dict(migration.policy))
    if not asked:
        return []
    rows = MetricReading.objects.filter(migration=migration)
    newest = rows.values("metric", "route", "asked_sha256").annotate(newest=Max("at"))
    last = {(r["metric"], r["route"], r["asked_sha256"]): r["newest"] for r in newest}
    found = [_Due(migration, a, last.get((a.rule.name, a.route, a.sha256))) for a in asked]
    return [each for each in found if _slot(each, now) != _slot(each, each.last)]


def _slot(due: _Due, at: datetime | None) -> int:
    return int(at.timestamp()) // due.asked.rule.interval_s if at else -1


def _ask(due: Sequence[_Due]) -> list[dict[str, Any]]:
    """Return the samples of each, by what they measure, as they are stored."""
    requests: list[Request] = []
    places: list[tuple[int, str]] = []
    samples: list[dict[str, Any]] = [{} for _ in due]
    for index, each in enumerate(due):
        url = settings.BANYAN_METRIC_PROVIDERS.get(each.asked.rule.provider)
        for part, query in each.asked.queries.items():
            if url is None:
                text = f"no provider is named {each.asked.rule.provider}"
                samples[index][part] = asdict(Sample(error="no_provider", detail=text))
                continue
            requests.append(_request(url, query))
            places.append((index, part))
    replies = send_all(
        requests,
        deadline_s=DEADLINE_S,
        max_body_bytes=MAX_BODY_BYTES,
        at_once=max(1, len(requests)),
    )
    for (index, part), reply in zip(places, replies, strict=True):
        expect = due[index].asked.rule.expect if part == "candidate" else ""
        samples[index][part] = asdict(_sample(reply, expect))
    return samples


def _request(url: str, query: str) -> Request:
    parts = urlsplit(url)
    path = f"{parts.path}/api/v1/query?{urlencode({'query': query, 'timeout': '2s'})}"
    return Request("GET", f"{parts.scheme}://{parts.netloc}", path)


def _sample(reply: Reply, expect: str) -> Sample:
    if reply.error:
        return Sample(error=reply.error, detail="the provider gave no whole answer")
    label, _, value = expect.partition("=")
    found = read_answer(reply.body, expect=(label, value) if expect else None)
    if reply.status != HTTPStatus.OK and found.error != "provider_error":
        return Sample(error="status", detail=f"the provider answered {reply.status}")
    return found


def _row(due: _Due, samples: dict[str, Any], now: datetime) -> MetricReading:
    asked = due.asked
    return MetricReading(
        migration=due.migration,
        metric=asked.rule.name,
        route=asked.route,
        slot=_slot(due, now),
        at=now,
        builds=due.migration.pair.builds,
        asked_sha256=asked.sha256,
        samples=samples,
        query="; ".join(f"{part}: {query}" for part, query in asked.queries.items()),
    )
