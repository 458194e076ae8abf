"""A few pairs kept as examples, each through the one door of privacy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F, Max

from shadow.comparison import Outcome
from shadow.models import Exercise, MatchSample, ServicePair
from shadow.pairs import Pair
from shadow.privacy import NOTHING_MORE, Redaction, redacted, redacted_path, stored_text

SAMPLE_LIFETIME = timedelta(days=7)
# Of matching pairs the last few of each route, and not more often than this.
MATCHES_PER_ROUTE = 5
MATCH_EVERY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Compared:
    """A pair with the outcome of its comparison, the builds that answered, and who judged.

    `rules` is the revision of the pair's rules, `redaction` what its route keeps to itself.
    """

    pair: Pair
    outcome: Outcome
    builds: str
    rules: int = 1
    redaction: Redaction = NOTHING_MORE


def kept_values(item: Compared, now: datetime) -> dict[str, Any]:
    """Return the columns of a `KeptPair`: redacted, decoded and cut."""
    pair, what = item.pair, item.redaction
    request = redacted(pair.request_headers, pair.request_body, what)
    legacy = redacted(pair.legacy.headers, pair.legacy.body, what)
    candidate = redacted(pair.candidate.headers, pair.candidate.body, what)
    return {
        "at": datetime.fromtimestamp(pair.at, tz=UTC),
        "method": pair.method,
        "path": redacted_path(pair.path)[:1000],
        "request_headers": request.headers,
        "request_body": stored_text(request.body),
        "legacy_status": pair.legacy.status,
        "legacy_headers": legacy.headers,
        "legacy_body": stored_text(legacy.body),
        "legacy_us": pair.legacy_us,
        "candidate_status": pair.candidate.status,
        "candidate_headers": candidate.headers,
        "candidate_body": stored_text(candidate.body),
        "candidate_us": pair.candidate_us,
        "expires_at": now + SAMPLE_LIFETIME,
    }


def keep_matches(
    compared: Sequence[Compared], services: Mapping[str, ServicePair], now: datetime
) -> None:
    """Keep the newest match of each route, unless one was kept a moment ago."""
    newest: dict[tuple[ServicePair, str], Compared] = {}
    for item in compared:
        if item.outcome.kind == "match" and item.pair.kind != "noise":
            newest[services[item.pair.stream], item.pair.route] = item
    if not newest:
        return
    pairs = {service for service, _ in newest}
    rows = MatchSample.objects.filter(pair__in=pairs).values_list("pair_id", "route")
    expiry = {(pair, route): last for pair, route, last in rows.annotate(last=Max("expires_at"))}
    for (service, route), item in newest.items():
        last = expiry.get((service.pk, route))
        if last is None or last <= now + SAMPLE_LIFETIME - MATCH_EVERY:
            _keep_match(service, route, item, now)


def _keep_match(service: ServicePair, route: str, item: Compared, now: datetime) -> None:
    MatchSample.objects.update_or_create(
        pair=service,
        sample_id=item.pair.id,
        defaults={"route": route, **kept_values(item, now)},
    )
    kept = MatchSample.objects.filter(pair=service, route=route).order_by("-expires_at", "-pk")
    too_many = list(kept.values_list("pk", flat=True)[MATCHES_PER_ROUTE:])
    if too_many:
        MatchSample.objects.filter(pk__in=too_many).delete()


def note_exercise(
    compared: Sequence[Compared], services: Mapping[str, ServicePair], now: datetime
) -> None:
    """Count which routes and classes of status were compared."""
    counts: dict[tuple[ServicePair, str, str, str, str], int] = {}
    for item in compared:
        if item.outcome.kind not in {"match", "mismatch"}:
            continue
        key = (
            services[item.pair.stream],
            item.builds,
            item.pair.kind,
            item.pair.route,
            f"{item.pair.legacy.status // 100}xx",
        )
        counts[key] = counts.get(key, 0) + 1
    for (service, builds, kind, route, status_class), count in counts.items():
        row, _ = Exercise.objects.get_or_create(
            pair=service,
            builds=builds,
            kind=kind,
            route=route,
            status_class=status_class,
            defaults={"last_at": now},
        )
        Exercise.objects.filter(pk=row.pk).update(count=F("count") + count, last_at=now)
