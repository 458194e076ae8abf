"""Reads once what all gates of a migration need."""

from collections.abc import Mapping
from datetime import datetime

from rollout.gates.base import Context
from rollout.gates.recording import Recorder
from rollout.metrics import metric_readings
from rollout.models import ServiceMigration
from rollout.oversight import LatchState, latch_states, live_waivers
from rollout.policy import LIVE_GATES, Policy
from shadow import hours as shadow_hours
from shadow import queries as shadow
from traffic import hours
from traffic import queries as traffic
from traffic.blocks import SplitBlocks, read_blocks
from traffic.queries import Convergence, Observed

ALL_USERS = 100


def read_context(
    migration: ServiceMigration, *, now: datetime, keep_inputs: bool = False
) -> Context:
    """Read everything the gates need about one migration; a decision keeps what they are given."""
    split, pair = migration.split.name, migration.pair
    latches = latch_states(migration)
    timed = _later(migration.evidence_since, latches.get("latency", LatchState()).since)
    blocks = (
        read_blocks(split=split, since=migration.accepted_at) if migration.accepted_at else None
    )
    reverse, failed_over = _reverse(migration, latches)
    return Context(
        migration=migration,
        policy=Policy.from_dict(migration.policy),
        place=migration.place,
        evidence=shadow.pair_evidence(
            pair=pair,
            since=_later(migration.evidence_since, latches.get("discrepancy", LatchState()).since),
        ),
        convergence=convergence_of(migration, now=now),
        observed=observed_of(migration),
        latencies=hours.latencies(split=split, since=timed, arms=("legacy", "candidate_shadow"))
        if timed
        else {},
        latencies_since=timed,
        step_blocks=blocks,
        candidate_requests=_served(blocks, migration.in_effect_at),
        reverse=reverse,
        failed_over=failed_over,
        route_names=tuple(
            rule.label for rule in pair.routes.order_by("path") if rule.safe_to_duplicate
        ),
        runs=shadow.latest_runs(pair=pair),
        waived=frozenset(live_waivers(migration, now=now)),
        latches=latches,
        recorder=Recorder(keep=keep_inputs),
        now=now,
        metrics=metric_readings(migration, now=now),
    )


def _served(blocks: SplitBlocks | None, since: datetime | None) -> int:
    """Count the candidate's requests in blocks that began since the place was in effect."""
    if blocks is None or since is None:
        return 0
    candidate = blocks.arm("candidate")
    return int(candidate.requests[candidate.starts >= int(since.timestamp())].sum())


def _reverse(
    migration: ServiceMigration, latches: Mapping[str, LatchState]
) -> tuple[dict[str, dict[str, list[int]]], dict[str, int]]:
    """Read the pairs that stand for legacy where it serves nobody; nothing below 100 %."""
    resets = [latches.get(gate, LatchState()).since for gate in LIVE_GATES]
    since = _later(migration.accepted_at, max(filter(None, resets), default=None))
    if migration.weight < ALL_USERS or migration.accepted_at is None or since is None:
        return {}, {}
    tallies = traffic.accounting(split=migration.split.name, since=since)
    return (
        shadow_hours.reverse_bad(pair=migration.pair, since=since),
        {route: counts["failed_over"] for route, counts in tallies.items()},
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
