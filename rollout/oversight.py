"""What watches over decisions, read: approvals, waivers, reviews, latched verdicts."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from audit.chain import canonical
from judge.evidence import Evidence
from judge.verdict import Verdict
from rollout.exceptions import NotFoundError
from rollout.lifecycle import Place
from rollout.models import Approval, GateLatch, Review, ServiceMigration, Waiver

ENDED = {
    "approval_expired": "it expired",
    "plan_changed": "the plan was changed since",
    "build_changed": "a build changed since",
    "target_changed": "it was for another place",
    "decided_since": "something else was decided since",
}


@dataclass(frozen=True, slots=True)
class LatchState:
    """What a gate's past on these builds means for its present judgement.

    `failed` is the evidence of an open latch: the verdict is FAIL whatever the counts say now. The
    `attempt` begins with 1; the gate's alphas are multiplied by `alpha_share`, and its evidence
    counts from `since` (None: from where the place's evidence begins anyway).
    """

    failed: GateLatch | None = None
    attempt: int = 1
    since: datetime | None = None

    @property
    def alpha_share(self) -> float:
        """The part of alpha that is left: 1, 1/2, 1/4 ..."""
        return float(0.5 ** (self.attempt - 1))

    @property
    def evidence(self) -> Evidence | None:
        """The evidence that latched the verdict."""
        return Evidence.from_dict(self.failed.evidence) if self.failed else None


def plan_sha256(migration: ServiceMigration) -> str:
    """Hash what an approval is about besides the place: policy, addresses and routes."""
    split = migration.split
    plan = {
        "migration": migration.slug,
        "policy": migration.policy,
        "services": {
            "legacy": f"{split.legacy_host}:{split.legacy_port}",
            "candidate": f"{split.candidate_host}:{split.candidate_port}",
        },
        "routes": split.routes,
    }
    return hashlib.sha256(canonical(plan)).hexdigest()


def get_approval(approval_id: int) -> Approval:
    """Return one approval or raise the 404 refusal."""
    found = approvals().filter(pk=approval_id).first()
    if found is None:
        raise NotFoundError(f"There is no approval {approval_id}.")
    return found


def get_review(review_id: int) -> Review:
    """Return one review or raise the 404 refusal."""
    found = reviews().filter(pk=review_id).first()
    if found is None:
        raise NotFoundError(f"There is no review {review_id}.")
    return found


def approvals() -> QuerySet[Approval]:
    """All approvals, newest first."""
    return Approval.objects.select_related("migration")


def approvals_waiting(*, name: str, now: datetime) -> list[Approval]:
    """Return what waits for this person's answer: asked by others, not expired."""
    rows = approvals().filter(state=Approval.State.REQUESTED, expires_at__gt=now)
    return list(rows.exclude(requester=name))


def approvals_of(migration: ServiceMigration) -> list[Approval]:
    """Return a migration's approvals, newest first, at most 100."""
    return list(migration.approvals.select_related("migration")[:100])


def open_approval(migration: ServiceMigration, action: str) -> Approval | None:
    """Return the requested or granted approval of that action, whether or not it still fits."""
    return migration.approvals.filter(action=action, state__in=Approval.OPEN).first()


def approval_problem(
    approval: Approval, migration: ServiceMigration, *, now: datetime, to: Place | None = None
) -> str:
    """Return why an open approval no longer fits, as a code of `ENDED`; empty when it fits.

    `to` is where the move would lead; left out, the place is not compared.
    """
    if approval.expires_at <= now:
        return "approval_expired"
    if approval.plan_sha256 != plan_sha256(migration):
        return "plan_changed"
    if approval.builds != migration.pair.builds:
        return "build_changed"
    if to is not None and approval.to_place != to.to_dict():
        return "target_changed"
    if approval.from_version != migration.version:
        return "decided_since"
    return ""


def live_waivers(migration: ServiceMigration, *, now: datetime) -> dict[str, Waiver]:
    """Return the waivers in force, by checklist item."""
    rows = migration.waivers.filter(ended_at=None, expires_at__gt=now)
    return {row.item: row for row in rows}


def is_waived(gate: str, evidence: Evidence, waived: Mapping[str, Waiver]) -> bool:
    """Whether a waiver stands in for the gate. What was shown to be bad is never waived."""
    return gate in waived and evidence.verdict is not Verdict.FAIL


def waivers_of(migration: ServiceMigration) -> list[Waiver]:
    """Return a migration's waivers, ended ones too, newest first, at most 100."""
    return list(migration.waivers.all()[:100])


def reviews() -> QuerySet[Review]:
    """All reviews, newest first."""
    return Review.objects.select_related("migration")


def open_reviews(migration: ServiceMigration) -> list[Review]:
    """Return what another person has yet to look at; any of them stops decommission."""
    return list(migration.reviews.filter(closed_at=None))


def overridden(migration: ServiceMigration, *, now: datetime) -> frozenset[str]:
    """Return the gates that an override in force at this place goes past."""
    rows = migration.reviews.filter(
        cause=Review.Cause.OVERRIDE, place=migration.place.key, lapsed_at=None, expires_at__gt=now
    )
    return frozenset(gate for row in rows for gate in row.gates)


def latch_states(migration: ServiceMigration) -> dict[str, LatchState]:
    """Return each gate's past on the present builds; a gate without one is absent.

    A reset counts on the builds wherever it was made; an open latch only at its own place.
    """
    rows = list(migration.latches.filter(builds=migration.pair.builds))
    return {gate: _state([r for r in rows if r.gate == gate], migration) for gate in _names(rows)}


def _names(rows: Sequence[GateLatch]) -> list[str]:
    return sorted({row.gate for row in rows})


def _state(rows: Sequence[GateLatch], migration: ServiceMigration) -> LatchState:
    resets = sorted({row.reset_at for row in rows if row.reset_at is not None})
    here = migration.place.key
    failed = next((row for row in rows if row.reset_at is None and row.place == here), None)
    return LatchState(failed, 1 + len(resets), resets[-1] if resets else None)


def open_latches(migration: ServiceMigration) -> list[GateLatch]:
    """Return the latched FAILs of the present builds, at whatever place."""
    return list(migration.latches.filter(builds=migration.pair.builds, reset_at=None))
