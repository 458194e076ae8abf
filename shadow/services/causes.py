"""Group mismatches by cause, and keep a few examples of each."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shadow.comparison import signature
from shadow.models import MismatchGroup, MismatchSample, ServicePair
from shadow.privacy import without_cards
from shadow.services.examples import Compared, kept_values

__all__ = ["SAMPLES_PER_CAUSE", "Compared", "add_to_causes"]

SAMPLES_PER_CAUSE = 10


def add_to_causes(
    mismatches: Sequence[Compared], services: Mapping[str, ServicePair], now: datetime
) -> None:
    """Fold a batch's mismatches by cause first: a candidate that always differs costs one row."""
    by_cause: dict[tuple[Any, ...], list[Compared]] = {}
    for item in mismatches:
        service = services[item.pair.stream]
        for path, kind in dict.fromkeys(signature(d) for d in item.outcome.differences):
            cause = (item.pair.kind, item.pair.route, path[:300], kind[:40])
            by_cause.setdefault((service, item.builds, item.rules, *cause), []).append(item)
    for (service, builds, rules, pair_kind, route, path, kind), items in by_cause.items():
        group, _ = MismatchGroup.objects.get_or_create(
            pair=service,
            builds=builds,
            rules=rules,
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
            return told(difference.describe())
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
    MismatchSample.objects.get_or_create(
        group=group,
        sample_id=item.pair.id,
        defaults={
            **kept_values(item, now),
            "differences": [
                {"path": d.path, "kind": signature(d)[1], "text": told(d.describe())}
                for d in item.outcome.differences[:50]
            ],
        },
    )


def told(text: str) -> str:
    """Return a difference's sentence as it may be stored."""
    return without_cards(text).replace("\x00", "\ufffd")[:500]
