"""Reads once what all gates of a migration need."""

from datetime import datetime

from rollout.gates.base import Context
from rollout.gates.recording import Recorder
from rollout.models import ServiceMigration
from rollout.oversight import LatchState, latch_states
from rollout.policy import Policy
from shadow import queries as shadow
from traffic import hours
from traffic import queries as traffic
from traffic.blocks import read_blocks
from traffic.queries import Convergence, Observed


def read_context(
    migration: ServiceMigration, *, now: datetime, keep_inputs: bool = False
) -> Context:
    """Read everything the gates need about one migration; a decision keeps what they are given."""
    since = migration.in_effect_at or now
    split = migration.split.name
    latches = latch_states(migration)
    timed = _later(migration.evidence_since, latches.get("latency", LatchState()).since)
    totals = traffic.arm_totals(split=split, since=since)
    return Context(
        migration=migration,
        policy=Policy.from_dict(migration.policy),
        place=migration.place,
        evidence=shadow.pair_evidence(
            pair=migration.pair,
            since=_later(migration.evidence_since, latches.get("discrepancy", LatchState()).since),
        ),
        convergence=convergence_of(migration, now=now),
        observed=observed_of(migration),
        latencies=hours.latencies(split=split, since=timed) if timed else {},
        latencies_since=timed,
        step_blocks=read_blocks(split=split, since=migration.accepted_at)
        if migration.accepted_at
        else None,
        candidate_requests=totals["candidate"].requests if "candidate" in totals else 0,
        route_names=tuple(
            rule.label for rule in migration.pair.routes.order_by("path") if rule.safe_to_duplicate
        ),
        latches=latches,
        recorder=Recorder(keep=keep_inputs),
        now=now,
    )


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    known = [moment for moment in (first, second) if moment is not None]
    return max(known, default=None)


def convergence_of(migration: ServiceMigration, *, now: datetime) -> Convergence:
    """Say which proxies use the generation of the present place."""
    return traffic.convergence(
        group_id=migration.split.group_id, generation=migration.placed_generation, now=now
    )


def observed_of(migration: ServiceMigration) -> Observed:
    """Return what proxies saw since the last of them accepted the present place."""
    if migration.accepted_at is None:
        return Observed()
    return traffic.observed(split=migration.split.name, epoch=migration.split.epoch)


def fleet_connected(migration: ServiceMigration, *, now: datetime) -> bool:
    """Whether at least one proxy of the group is alive and none is silent."""
    found = traffic.convergence(group_id=migration.split.group_id, generation=0, now=now)
    return found.total > len(found.silent)
