"""What Celery does for the product: see whether a place is in effect, and judge its gates."""

from celery import shared_task
from django.utils import timezone

from judge.split import split_check
from rollout import gates, queries, services
from rollout.models import ServiceMigration


@shared_task(name="rollout.tasks.evaluate_gates")
def evaluate_gates() -> int:
    """Converge and evaluate every live migration; idempotent, so a second worker does no harm."""
    live = queries.live_migrations()
    for migration in live:
        converge(migration)
        now = timezone.now()
        migration.refresh_from_db()
        services.keep_evaluations(
            migration=migration, results=gates.evaluate(migration, now=now), now=now
        )
    return len(live)


def converge(migration: ServiceMigration) -> None:
    """Note that the place was accepted everywhere, then that the observed split agrees."""
    if migration.in_effect_at is not None:
        return
    now = timezone.now()
    found = gates.convergence_of(migration, now=now)
    if not found.complete or found.accepted_at is None:
        return
    if migration.accepted_at is None:
        services.mark_accepted(migration=migration, accepted_at=found.accepted_at)
        migration.accepted_at = found.accepted_at
    seen = gates.observed_of(migration)
    check = split_check(
        candidate_keys=seen.candidate_keys,
        legacy_keys=seen.legacy_keys,
        weight=migration.weight / 100,
    )
    if check.agrees:
        share = f"{seen.key_share:.4f}" if seen.key_share is not None else "unknown"
        services.mark_in_effect(migration=migration, share=share, keys=seen.keys, now=now)
