"""Keep what gates said: one row per change of verdict, for each gate and for each of its routes."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from judge.evidence import Evidence
from rollout import gates
from rollout.models import Decision, GateEvaluation, ServiceMigration

Key = tuple[str, str]


def keep_evaluations(
    *, migration: ServiceMigration, results: Sequence[gates.GateResult], now: datetime
) -> list[GateEvaluation]:
    """Store results: a new row per change of verdict or after a decision used the old one.

    Returns the gates' own rows in the order of the results; those of routes stand beside them.
    """
    told = dict(_told(results))
    with transaction.atomic():
        rows = migration.evaluations.filter(latest=True, gate__in=[r.key for r in results])
        known = {(row.gate, row.route): row for row in rows.select_for_update()}
        used = _used([row.pk for row in known.values()])
        same = {
            key: row
            for key, row in known.items()
            if key in told and row.pk not in used and _same_story(row, migration, told[key])
        }
        ended = [row.pk for key, row in known.items() if key not in same]
        GateEvaluation.objects.filter(pk__in=ended).update(latest=False)
        for key, row in same.items():
            _renew(row, told[key], now)
        fresh = [_row(migration, key, told[key], now) for key in told if key not in same]
        GateEvaluation.objects.bulk_create(fresh)
    stored = same | {(row.gate, row.route): row for row in fresh}
    return [stored[result.key, result.route] for result in results]


def _told(results: Sequence[gates.GateResult]) -> Iterator[tuple[Key, Evidence]]:
    for result in results:
        yield (result.key, result.route), result.evidence
        for route, evidence in result.routes:
            yield (result.key, route), evidence


def _used(pks: Sequence[int]) -> frozenset[int]:
    """Return those that a decision rests on: they stay as they are."""
    links = Decision.evaluations.through.objects.filter(gateevaluation_id__in=pks)
    return frozenset(links.values_list("gateevaluation_id", flat=True))


def _values(evidence: Evidence, now: datetime) -> dict[str, Any]:
    document = evidence.to_dict()
    return {
        "verdict": evidence.verdict.value,
        "evidence": document,
        "evidence_sha256": gates.evidence_sha256(document),
        "at": now,
    }


def _renew(row: GateEvaluation, evidence: Evidence, now: datetime) -> None:
    values = _values(evidence, now)
    GateEvaluation.objects.filter(pk=row.pk).update(**values)
    for name, value in values.items():
        setattr(row, name, value)


def _row(
    migration: ServiceMigration, key: Key, evidence: Evidence, now: datetime
) -> GateEvaluation:
    return GateEvaluation(
        migration=migration,
        gate=key[0],
        route=key[1],
        builds=migration.pair.builds,
        version=migration.version,
        first_at=now,
        **_values(evidence, now),
    )


def _same_story(row: GateEvaluation, migration: ServiceMigration, evidence: Evidence) -> bool:
    return (
        row.verdict == evidence.verdict.value
        and row.builds == migration.pair.builds
        and row.version == migration.version
    )
