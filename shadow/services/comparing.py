"""Compare pairs by the rules of their routes, and count each exactly once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from shadow import hours
from shadow.comparison import Answer, Outcome, compare
from shadow.comparison.engine import FIRST_SERVER_ERROR
from shadow.models import PairBlock, ServicePair, StreamCursor
from shadow.pairs import Pair
from shadow.services.causes import add_to_causes
from shadow.services.examples import Compared, keep_matches, note_exercise
from shadow.services.route_rules import OTHER, PairJudge, read_judges


@dataclass(slots=True)
class _Tally:
    """Integers of one block while a batch is folded."""

    compared: int = 0
    mismatched: int = 0
    excluded: int = 0
    duplicates: int = 0
    uncomparable: dict[str, int] = field(default_factory=dict)
    bad: dict[str, list[int]] = field(default_factory=dict)
    seen: list[bytes] = field(default_factory=list)


def compare_batch(pairs: Iterable[Pair]) -> list[Compared]:
    """Compare pairs by the rules of their routes; pairs of unknown services are dropped."""
    batch = list(pairs)
    judges = read_judges({pair.stream for pair in batch})
    return [_compared(pair, judges[pair.stream]) for pair in batch if pair.stream in judges]


def _compared(pair: Pair, judge: PairJudge) -> Compared:
    service, route = judge.pair, judge.routes.get(pair.route, OTHER)
    if route.rules is None:
        outcome = Outcome("uncomparable", "unreadable_rules")
    else:
        outcome = compare(pair.legacy, pair.candidate, route.rules)
    candidate = service.candidate_build
    if pair.kind != "noise":
        candidate = pair.build("candidate", candidate)
    builds = f"{pair.build('legacy', service.legacy_build)}|{candidate}"
    return Compared(pair, outcome, builds, service.rules_revision, route.redaction)


def record_batch(
    *, stream: str, after_id: str, last_id: str, compared: Sequence[Compared], now: datetime
) -> bool:
    """Add a batch to its blocks and causes, and move the cursor, all or nothing.

    Returns False when another worker read the same entries first, or when rules were changed since
    these pairs were compared: then nothing is written, and the entries are compared anew.
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
        if any(c.rules != services[c.pair.stream].rules_revision for c in compared):
            transaction.set_rollback(True)
            return False
        fresh = _add_to_blocks(compared, services)
        _reopen_hours(compared, services, now)
        add_to_causes([c for c in fresh if c.outcome.kind == "mismatch"], services, now)
        keep_matches(fresh, services, now)
        note_exercise(fresh, services, now)
    return True


def _reopen_hours(
    compared: Sequence[Compared], services: Mapping[str, ServicePair], now: datetime
) -> None:
    """Let hours that may hold older counts of late pairs' blocks be built anew."""
    late: dict[tuple[int, str], float] = {}
    for item in compared:
        service = services[item.pair.stream]
        if hours.is_late(item.pair.at, service.block_seconds, now):
            key = (service.pk, item.builds)
            late[key] = min(item.pair.at, late.get(key, item.pair.at))
    for (pair_id, builds), at in late.items():
        hours.reopen(pair_id=pair_id, builds=builds, start=int(at))


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
        if item.pair.kind == "reverse":
            _count_bad(tally.bad, item.pair)
    merged = hours.added(block.uncomparable, tally.uncomparable)
    PairBlock.objects.filter(pk=block.pk).update(
        compared=block.compared + tally.compared,
        mismatched=block.mismatched + tally.mismatched,
        excluded=block.excluded + tally.excluded,
        duplicates=block.duplicates + tally.duplicates,
        uncomparable=merged,
        bad=hours.added_rows(block.bad, tally.bad),
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


def _count_bad(bad: dict[str, list[int]], pair: Pair) -> None:
    """Count which side was bad: candidate only, neither or both, legacy only, and both."""
    sides = {kind: ("b" in slow, "a" in slow) for kind, slow in pair.slow.items()}
    sides["errors"] = _failed(pair.candidate), _failed(pair.legacy)
    for kind, (candidate, legacy) in sides.items():
        counts = bad.setdefault(kind, [0, 0, 0, 0])
        counts[0 if candidate > legacy else 2 if legacy > candidate else 1] += 1
        counts[3] += candidate and legacy


def _failed(answer: Answer) -> bool:
    return answer.status == 0 or answer.status >= FIRST_SERVER_ERROR


def open_cursor(stream: str) -> str:
    """Return the id of the last entry that was counted."""
    cursor, _ = StreamCursor.objects.get_or_create(stream=stream)
    return cursor.last_id
