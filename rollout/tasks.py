"""What Celery does for the product: see whether a place is in effect, and judge its gates."""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from judge.split import split_check
from judge.verdict import Verdict
from rollout import gates, queries, services
from rollout.models import ServiceMigration
from rollout.policy_parts import METRIC_PREFIX
from shadow import services as shadow
from traffic.load import runs

# A FAIL of these is about users, or about what users would get: Banyan acts on it by policy.
ACTING = frozenset({"discrepancy", "errors", "latency_regression"})
LIVE = frozenset({"errors", "latency_regression", "split"})


@shared_task(name="rollout.tasks.follow_holds")
def follow_holds() -> int:
    """Enter what proxies did on their own, and follow those that hold."""
    return services.follow_holds(now=timezone.now())


@shared_task(name="rollout.tasks.evaluate_gates")
def evaluate_gates() -> int:
    """Watch every live migration; idempotent, so a second worker does no harm."""
    live = queries.live_migrations()
    for migration in live:
        watch(migration)
    return len(live)


@shared_task(name="rollout.tasks.drive_loads")
def drive_loads() -> int:
    """Go on with every running load test; repeatable, and a lost tick is made up by the next."""
    found = runs.running()
    for run in found:
        resident = shadow.resident_bytes(queries.candidate_of(run.split_id))
        services.drive_load(run, now=timezone.now(), resident=resident)
        services.keep_generating(run, now=timezone.now())
    return len(found)


@shared_task(name="rollout.tasks.measure_metrics")
def measure_metrics() -> int:
    """Ask providers for the metrics that are due; return how many readings were kept."""
    return services.measure_due(now=timezone.now())


def watch(migration: ServiceMigration) -> None:
    """Notice a new build, converge, judge the gates, and act on what failed."""
    services.notice_build(migration, now=timezone.now())
    converge(migration)
    migration = queries.get_migration(migration.slug)
    now = timezone.now()
    results = gates.evaluate(migration, now=now)
    kept = services.note_evaluations(migration=migration, results=results, now=now)
    # None are kept when a decision was made meanwhile: the next round judges what is now.
    for result, row in zip(results if kept else (), kept, strict=True):
        act(migration, result, row.first_at)
    services.on_override_end(migration=migration, now=now)


def act(migration: ServiceMigration, result: gates.GateResult, since: datetime) -> None:
    """Hold or roll back by policy when a required gate FAILs, or cannot be judged for too long."""
    if not result.required:
        return
    verdict, now = result.evidence.verdict, timezone.now()
    metric = result.key.startswith(METRIC_PREFIX)
    if verdict is Verdict.FAIL and (metric or result.key in ACTING):
        services.on_gate_fail(
            migration=migration, gate=result.key, evidence=result.evidence, now=now
        )
    elif verdict is Verdict.ERROR and (metric or result.key in LIVE):
        services.on_gate_error(
            migration=migration, gate=result.key, evidence=result.evidence, since=since, now=now
        )


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
        services.mark_in_effect(
            migration=migration, share=share, keys=seen.keys, now=now, accepted=found.accepted
        )
