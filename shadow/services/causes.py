"""Group mismatches by cause, and keep a few examples of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shadow.comparison import Outcome, signature
from shadow.models import MismatchGroup, MismatchSample, ServicePair
from shadow.pairs import Pair
from shadow.privacy import stored_text

SAMPLES_PER_CAUSE = 10
SAMPLE_LIFETIME = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Compared:
    """A pair with the outcome of its comparison and the builds that answered."""

    pair: Pair
    outcome: Outcome
    builds: str


def add_to_causes(
    mismatches: Sequence[Compared], services: Mapping[str, ServicePair], now: datetime
) -> None:
    """Fold a batch's mismatches by cause first: a candidate that always differs costs one row."""
    by_cause: dict[tuple[Any, ...], list[Compared]] = {}
    for item in mismatches:
        service = services[item.pair.stream]
        for path, kind in dict.fromkeys(signature(d) for d in item.outcome.differences):
            key = (service, item.builds, item.pair.kind, item.pair.route, path[:300], kind[:40])
            by_cause.setdefault(key, []).append(item)
    for (service, builds, pair_kind, route, path, kind), items in by_cause.items():
        group, _ = MismatchGroup.objects.get_or_create(
            pair=service,
            builds=builds,
            pair_kind=pair_kind,
            route=route,
            path=path,
            kind=kind,
            defaults={
                "description": _describe(items[0], path, kind),
                "first_seen_at": now,
                "last_seen_at": now,
            },
        )
        _add_to_cause(group, items, now)


def _describe(item: Compared, path: str, kind: str) -> str:
    for difference in item.outcome.differences:
        found_path, found_kind = signature(difference)
        if found_path[:300] == path and found_kind[:40] == kind:
            return difference.describe()[:500]
    return kind


def _add_to_cause(group: MismatchGroup, items: Sequence[Compared], now: datetime) -> None:
    distances = [i.outcome.max_distance for i in items] + [group.max_distance]
    MismatchGroup.objects.filter(pk=group.pk).update(
        count=group.count + len(items),
        last_seen_at=now,
        max_distance=max((d for d in distances if d is not None), default=None),
    )
    for item in items[: max(0, SAMPLES_PER_CAUSE - group.count)]:
        _keep_sample(group, item, now)


def _keep_sample(group: MismatchGroup, item: Compared, now: datetime) -> None:
    pair = item.pair
    MismatchSample.objects.get_or_create(
        group=group,
        sample_id=pair.id,
        defaults={
            "at": datetime.fromtimestamp(pair.at, tz=UTC),
            "method": pair.method,
            "path": pair.path,
            "request_headers": [list(h) for h in pair.request_headers],
            "request_body": stored_text(pair.request_body),
            "legacy_status": pair.legacy.status,
            "legacy_headers": [list(h) for h in pair.legacy.headers],
            "legacy_body": stored_text(pair.legacy.body),
            "legacy_us": pair.legacy_us,
            "candidate_status": pair.candidate.status,
            "candidate_headers": [list(h) for h in pair.candidate.headers],
            "candidate_body": stored_text(pair.candidate.body),
            "candidate_us": pair.candidate_us,
            "differences": [
                {"path": d.path, "kind": signature(d)[1], "text": d.describe()[:500]}
                for d in item.outcome.differences[:50]
            ],
            "expires_at": now + SAMPLE_LIFETIME,
        },
    )
