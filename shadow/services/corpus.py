"""The corpus: requests come in redacted and once, are taken out, and expire."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, QuerySet

from shadow.checks.openapi.document import Document, bare
from shadow.checks.openapi.requests import Requests
from shadow.corpus import Written, route_of, without_secrets
from shadow.models import CorpusRequest, ServicePair
from shadow.privacy import Redaction, read_redaction
from shadow.services.examples import Compared

MAX_REQUESTS = 10_000
RECORDED_PER_ROUTE = 20
RECORDED_LIFETIME = timedelta(days=7)
MAX_RECORDED_BYTES = 65_536
GENERATED_PER_ROUTE = 40
GENERATED_LIFETIME = timedelta(days=2)
MAX_GENERATED_BYTES = 16_384
RECORDED, WRITTEN, GENERATED = CorpusRequest.Source.values


@dataclass(frozen=True, slots=True)
class Added:
    """What became of requests that came in. `blocked` are stored, but on no route declared safe."""

    added: int
    duplicates: int
    redacted: int
    blocked: int
    beyond: int


@transaction.atomic
def add_requests(
    *,
    pair: ServicePair,
    written: Iterable[Written],
    source: str,
    now: datetime,
    lifetime: timedelta | None = None,
) -> Added:
    """Store requests that are not there yet, up to MAX_REQUESTS; what is secret is left out."""
    routes = list(pair.routes.all())
    templates = [(rule.method, rule.path) for rule in routes]
    redactions = {rule.label: read_redaction(rule.redact) for rule in routes}
    safe = {rule.label for rule in routes if rule.safe_to_duplicate}
    rows: dict[str, CorpusRequest] = {}
    total = redacted = blocked = 0
    for one in written:
        route = route_of(one.method, one.path, templates)
        kept, count = without_secrets(one, redactions.get(route, Redaction()))
        total += 1
        redacted += count
        blocked += route not in safe
        rows.setdefault(
            kept.sha256,
            CorpusRequest(
                pair=pair,
                source=source,
                route=route,
                method=kept.method,
                path=kept.path,
                headers=[list(header) for header in kept.headers],
                body=kept.body,
                sha256=kept.sha256,
                added_at=now,
                expires_at=now + lifetime if lifetime else None,
            ),
        )
    present = _present(pair, rows)
    fresh = [row for sha256, row in rows.items() if sha256 not in present]
    room = max(0, MAX_REQUESTS - CorpusRequest.objects.filter(pair=pair).count())
    CorpusRequest.objects.bulk_create(fresh[:room], ignore_conflicts=True, batch_size=200)
    return Added(
        added=len(fresh[:room]),
        duplicates=total - len(fresh),
        redacted=redacted,
        blocked=blocked,
        beyond=len(fresh[room:]),
    )


def _present(pair: ServicePair, digests: Iterable[str]) -> set[str]:
    wanted, found = list(digests), set[str]()
    for at in range(0, len(wanted), 500):
        rows = CorpusRequest.objects.filter(pair=pair, sha256__in=wanted[at : at + 500])
        found.update(rows.values_list("sha256", flat=True))
    return found


def delete_requests(*, pair: ServicePair, source: str = "", request_id: int | None = None) -> int:
    """Delete one request, those of a source, or all; return how many went."""
    rows: QuerySet[CorpusRequest] = CorpusRequest.objects.filter(pair=pair)
    if source:
        rows = rows.filter(source=source)
    if request_id is not None:
        rows = rows.filter(pk=request_id)
    return rows.delete()[0]


def keep_recorded(*, compared: Sequence[Compared], now: datetime) -> int:
    """Keep a few of users' requests per safe route, one of each status in the batch."""
    chosen: dict[tuple[str, str, int], Compared] = {}
    for item in compared:
        pair = item.pair
        if pair.kind in ("forward", "reverse") and _whole(item):
            chosen.setdefault((pair.stream, pair.route, pair.legacy.status), item)
    added = 0
    for service in ServicePair.objects.filter(stream__in={key[0] for key in chosen}):
        room = _room(service, now)
        written = []
        for (stream, route, _), item in chosen.items():
            if stream == service.stream and room.get(route, 0) > 0:
                room[route] -= 1
                written.append(_of_pair(item))
        if written:
            added += add_requests(
                pair=service, written=written, source=RECORDED, now=now, lifetime=RECORDED_LIFETIME
            ).added
    return added


def _room(service: ServicePair, now: datetime) -> dict[str, int]:
    safe = [rule.label for rule in service.routes.filter(safe_to_duplicate=True)]
    rows = CorpusRequest.objects.filter(pair=service, source=RECORDED, expires_at__gt=now)
    have = dict(rows.values_list("route").annotate(count=Count("pk")))
    return {label: RECORDED_PER_ROUTE - have.get(label, 0) for label in safe}


def _whole(item: Compared) -> bool:
    """Whether the request was captured to its end, and is small enough to keep."""
    pair = item.pair
    said = dict(pair.request_headers).get("content-length", "")
    size = len(pair.request_body)
    return size <= MAX_RECORDED_BYTES and (not said.isdigit() or int(said) == size)


def _of_pair(item: Compared) -> Written:
    pair = item.pair
    headers = tuple(
        (name.lower(), value)
        for name, value in pair.request_headers
        if not name.startswith(":") and not name.lower().startswith("x-")
    )
    return Written(pair.method, pair.path, headers, pair.request_body)


def add_generated(*, pair: ServicePair, document: Document, now: datetime) -> Added:
    """Make up requests from legacy's document for the safe routes, and keep them for two days."""
    safe = {(r.method, bare(r.path)) for r in pair.routes.filter(safe_to_duplicate=True)}
    written = [
        Written(operation.method, made.path, made.headers, made.body)
        for key, operation in document.operations().items()
        if key in safe
        for made in list(Requests(document, operation, seed=1).all())[:GENERATED_PER_ROUTE]
        if len(made.body) <= MAX_GENERATED_BYTES
    ]
    return add_requests(
        pair=pair, written=written, source=GENERATED, now=now, lifetime=GENERATED_LIFETIME
    )


def forget_expired(*, now: datetime) -> int:
    """Delete requests whose time is over; return how many went."""
    return CorpusRequest.objects.filter(expires_at__lt=now).delete()[0]
