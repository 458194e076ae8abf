"""Verbs that write evidence: describe a pair, test it, count comparisons, keep probes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.db import transaction

from shadow.comparison import Outcome, Rules, compare, signature
from shadow.http import Fetched, fetch_all
from shadow.models import (
    MismatchGroup,
    MismatchSample,
    PairBlock,
    ProbeResult,
    RouteRule,
    ServicePair,
    StreamCursor,
)
from shadow.pairs import BUILD_HEADER, Pair

SAMPLES_PER_CAUSE = 10
SAMPLE_BODY_CHARS = 262_144
SAMPLE_LIFETIME = timedelta(days=7)
PROBE_LIFETIME = timedelta(hours=49)
SEEN_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Connections:
    """What the connection test found: builds as reported, and problems in words."""

    legacy_build: str
    candidate_build: str
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Tally:
    """Integers of one block while a batch is folded."""

    compared: int = 0
    mismatched: int = 0
    excluded: int = 0
    duplicates: int = 0
    uncomparable: dict[str, int] = field(default_factory=dict)
    seen: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Compared:
    """A pair with the outcome of its comparison and the builds that answered."""

    pair: Pair
    outcome: Outcome
    builds: str


def create_pair(
    *,
    name: str,
    legacy_url: str,
    candidate_url: str,
    block_seconds: int,
    routes: Sequence[Mapping[str, Any]],
) -> ServicePair:
    """Describe two services and the routes they share."""
    pair = ServicePair.objects.create(
        name=name,
        stream=name,
        legacy_url=legacy_url,
        candidate_url=candidate_url,
        block_seconds=block_seconds,
    )
    RouteRule.objects.bulk_create(RouteRule(pair=pair, **route) for route in routes)
    return pair


def check_connections(pair: ServicePair) -> Connections:
    """Ask both services for health and readiness, and say in words what does not answer."""
    return check_addresses(
        legacy_url=pair.legacy_url,
        candidate_url=pair.candidate_url,
        health_path=pair.health_path,
        ready_path=pair.ready_path,
    )


def check_addresses(
    *, legacy_url: str, candidate_url: str, health_path: str, ready_path: str
) -> Connections:
    """Test two addresses that need not be stored yet."""
    sides = (("Legacy", legacy_url), ("Candidate", candidate_url))
    asked = [(side, url, path) for side, url in sides for path in (health_path, ready_path)]
    answers = fetch_all([f"{url}{path}" for _, url, path in asked])
    problems = [
        _problem(side, url, path, answer)
        for (side, url, path), answer in zip(asked, answers, strict=True)
        if answer.status != 200  # noqa: PLR2004  # healthy
    ]
    return Connections(build_of(answers[0]), build_of(answers[2]), tuple(problems))


def _problem(side: str, url: str, path: str, answer: Fetched) -> str:
    if answer.status:
        return f"{side} {path} answers {answer.status}, expected 200."
    return f"{side} does not answer at {url}{path}: {answer.error.replace('_', ' ')}."


def build_of(answer: Fetched) -> str:
    """Return the build an answer names, by header, else in its health body."""
    named = answer.headers.get(BUILD_HEADER, "")
    if not named:
        try:
            body = orjson.loads(answer.body)
            named = str(body.get("build") or body.get("version") or "")
        except (ValueError, AttributeError):
            named = ""
    return named[:100]


def note_builds(*, pair: ServicePair, legacy: str, candidate: str) -> None:
    """Remember the builds both sides report; from here on, evidence of other builds is history."""
    ServicePair.objects.filter(pk=pair.pk).update(
        legacy_build=legacy or pair.legacy_build,
        candidate_build=candidate or pair.candidate_build,
        probing=True,
    )


def compare_batch(pairs: Iterable[Pair]) -> list[Compared]:
    """Compare pairs by the rules of their routes; pairs of unknown services are dropped."""
    batch = list(pairs)
    known = {
        p.stream: p for p in ServicePair.objects.filter(stream__in={pair.stream for pair in batch})
    }
    rules = {
        (rule.pair_id, rule.label): Rules(atol=rule.atol, ignore=tuple(rule.ignore))
        for rule in RouteRule.objects.filter(pair__in=known.values())
    }
    found = []
    for pair in batch:
        service = known.get(pair.stream)
        if service is None:
            continue
        outcome = compare(pair.legacy, pair.candidate, rules.get((service.pk, pair.route), Rules()))
        builds = "|".join(
            (
                pair.build("legacy", service.legacy_build),
                pair.build("candidate", service.candidate_build)
                if pair.kind != "noise"
                else service.candidate_build,
            )
        )
        found.append(Compared(pair, outcome, builds))
    return found


def record_batch(
    *, stream: str, after_id: str, last_id: str, compared: Sequence[Compared], now: datetime
) -> bool:
    """Add a batch to its blocks and causes, and move the cursor, all or nothing.

    Returns False when another worker read the same entries first: then nothing is written.
    """
    with transaction.atomic():
        moved = StreamCursor.objects.filter(stream=stream, last_id=after_id).update(
            last_id=last_id, read_at=now
        )
        if not moved:
            return False
        services = {
            p.stream: p
            for p in ServicePair.objects.filter(stream__in={c.pair.stream for c in compared})
        }
        fresh = _add_to_blocks(compared, services)
        _add_to_causes([c for c in fresh if c.outcome.kind == "mismatch"], services, now)
    return True


def _add_to_blocks(
    compared: Sequence[Compared], services: Mapping[str, ServicePair]
) -> list[Compared]:
    """Fold the batch into its blocks and return the pairs that were new."""
    by_block: dict[tuple[Any, ...], list[Compared]] = {}
    for item in compared:
        service = services[item.pair.stream]
        start = int(item.pair.at) // service.block_seconds * service.block_seconds
        key = (service, item.pair.route, item.pair.kind, item.builds, start)
        by_block.setdefault(key, []).append(item)
    fresh: list[Compared] = []
    for (service, route, kind, builds, start), items in by_block.items():
        block, _ = PairBlock.objects.select_for_update().get_or_create(
            pair=service,
            route=route,
            kind=kind,
            builds=builds,
            start=start,
            defaults={"seconds": service.block_seconds},
        )
        fresh += _add_to_block(block, items)
    return fresh


def _add_to_block(block: PairBlock, items: Sequence[Compared]) -> list[Compared]:
    blob = bytes(block.seen)
    seen = {blob[i : i + 8] for i in range(0, len(blob), 8)}
    tally, fresh = _Tally(), []
    for item in items:
        digest = item.pair.digest
        if digest in seen:
            tally.duplicates += 1
            continue
        seen.add(digest)
        tally.seen.append(digest)
        fresh.append(item)
        _count(tally, item.outcome)
    merged = dict(block.uncomparable)
    for cause, count in tally.uncomparable.items():
        merged[cause] = merged.get(cause, 0) + count
    PairBlock.objects.filter(pk=block.pk).update(
        compared=block.compared + tally.compared,
        mismatched=block.mismatched + tally.mismatched,
        excluded=block.excluded + tally.excluded,
        duplicates=block.duplicates + tally.duplicates,
        uncomparable=merged,
        seen=blob + b"".join(tally.seen),
    )
    return fresh


def _count(tally: _Tally, outcome: Outcome) -> None:
    if outcome.kind == "excluded":
        tally.excluded += 1
    elif outcome.kind == "uncomparable":
        tally.uncomparable[outcome.cause] = tally.uncomparable.get(outcome.cause, 0) + 1
    else:
        tally.compared += 1
        tally.mismatched += outcome.kind == "mismatch"


def _add_to_causes(
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
            "request_body": _text(pair.request_body),
            "legacy_status": pair.legacy.status,
            "legacy_headers": [list(h) for h in pair.legacy.headers],
            "legacy_body": _text(pair.legacy.body),
            "legacy_us": pair.legacy_us,
            "candidate_status": pair.candidate.status,
            "candidate_headers": [list(h) for h in pair.candidate.headers],
            "candidate_body": _text(pair.candidate.body),
            "candidate_us": pair.candidate_us,
            "differences": [
                {"path": d.path, "kind": signature(d)[1], "text": d.describe()[:500]}
                for d in item.outcome.differences[:50]
            ],
            "expires_at": now + SAMPLE_LIFETIME,
        },
    )


def _text(body: bytes) -> str:
    # PostgreSQL text holds no NUL; anything undecodable is shown as a replacement character.
    return body.decode("utf-8", errors="replace").replace("\x00", "\ufffd")[:SAMPLE_BODY_CHARS]


def open_cursor(stream: str) -> str:
    """Return the id of the last entry that was counted."""
    cursor, _ = StreamCursor.objects.get_or_create(stream=stream)
    return cursor.last_id


def record_probes(*, pair: ServicePair, now: datetime) -> list[ProbeResult]:
    """Probe health and readiness of both sides once, keep the results, and note their builds."""
    sides = (("legacy", pair.legacy_url), ("candidate", pair.candidate_url))
    asked = [
        (side, url, path) for side, url in sides for path in (pair.health_path, pair.ready_path)
    ]
    answers = fetch_all([f"{url}{path}" for _, url, path in asked])
    results = [
        ProbeResult(
            pair=pair,
            side=side,
            endpoint=path,
            at=now,
            status=answer.status,
            duration_us=answer.duration_us,
            body=_text(answer.body)[:2000],
            build=build_of(answer),
            error=answer.error,
        )
        for (side, _, path), answer in zip(asked, answers, strict=True)
    ]
    ProbeResult.objects.bulk_create(results)
    note_builds(pair=pair, legacy=results[0].build, candidate=results[2].build)
    return results


def housekeep(*, now: datetime) -> None:
    """Delete what has expired: examples, old probes, and the pair ids of settled blocks."""
    MismatchSample.objects.filter(expires_at__lt=now).delete()
    ProbeResult.objects.filter(at__lt=now - PROBE_LIFETIME).delete()
    settled = int(now.timestamp()) - SEEN_SECONDS
    PairBlock.objects.filter(start__lt=settled).exclude(seen=b"").update(seen=b"")
