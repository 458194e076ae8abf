"""Readings for pages and REST: a migration as it stands, and what opens the next place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from rollout import gates, oversight
from rollout.exceptions import NotFoundError
from rollout.gates import GateResult
from rollout.lifecycle import LIVE, Action, Phase, Place, lower_places, next_place
from rollout.models import (
    Approval,
    Decision,
    GateEvaluation,
    GateLatch,
    Review,
    ServiceMigration,
    Waiver,
)
from rollout.policy import Policy
from shadow import queries as shadow
from shadow import scorecard
from shadow.models import Measurement, MismatchGroup, ProbeResult
from shadow.queries import PairEvidence
from shadow.scorecard import Row as ScorecardRow
from traffic import queries as traffic
from traffic.queries import ArmTotals, Convergence, Observed

LIVE_WINDOW = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class MigrationView:
    """Everything a page or an answer says about one migration at one moment."""

    migration: ServiceMigration
    policy: Policy
    place: Place
    following: Place | None
    lower: tuple[Place, ...]
    gates: tuple[GateResult, ...]
    why_closed: str
    convergence: Convergence
    observed: Observed
    evidence: PairEvidence
    arms: dict[str, ArmTotals]
    accounting: dict[str, dict[str, int]]
    decisions: tuple[Decision, ...]
    # The open approval of the next move, if there is one; waivers in force by item; what another
    # person has yet to look at; FAILs of the present builds that stand until they are reset.
    approval: Approval | None
    waived: Mapping[str, Waiver]
    open_reviews: tuple[Review, ...]
    latched: tuple[GateLatch, ...]
    now: datetime

    @property
    def can_promote(self) -> bool:
        """Whether promote is open now; the server decides again when it is pressed."""
        return self.following is not None and not self.why_closed


def migrations() -> QuerySet[ServiceMigration]:
    """All migrations, newest first, with what lists show."""
    return ServiceMigration.objects.select_related("pair", "split", "split__group").order_by(
        "-created_at", "slug"
    )


def get_migration(slug: str) -> ServiceMigration:
    """Return one migration or raise the 404 refusal."""
    found = migrations().filter(slug=slug).first()
    if found is None:
        raise NotFoundError(f"There is no migration {slug[:60]!r}.")
    return found


def migration_view(slug: str, *, now: datetime) -> MigrationView:
    """Read one migration whole, its gates evaluated at `now`."""
    migration = get_migration(slug)
    policy = Policy.from_dict(migration.policy)
    context = gates.read_context(migration, now=now)
    results = tuple(gates.evaluate_context(context))
    following = next_place(migration.place, policy.weights)
    approval = oversight.open_approval(migration, _next_action(migration))
    waived = oversight.live_waivers(migration, now=now)
    latched = tuple(oversight.open_latches(migration))
    closed = why_closed(migration, following, results, latched=latched)
    return MigrationView(
        migration=migration,
        policy=policy,
        place=migration.place,
        following=following,
        lower=lower_places(migration.place, policy.weights),
        gates=results,
        why_closed=closed or _why_unapproved(migration, following, policy, approval, now),
        convergence=context.convergence,
        observed=context.observed,
        evidence=context.evidence,
        arms=traffic.arm_totals(split=migration.split.name, since=now - LIVE_WINDOW),
        accounting=traffic.accounting(
            split=migration.split.name, since=migration.shadow_since or now
        ),
        decisions=tuple(migration.decisions.select_related("entry")[:8]),
        approval=approval,
        waived=waived,
        open_reviews=tuple(oversight.open_reviews(migration)),
        latched=latched,
        now=now,
    )


def _next_action(migration: ServiceMigration) -> str:
    ends = migration.phase == Phase.FULL
    return (Action.DECOMMISSION if ends else Action.PROMOTE).value


def _why_unapproved(
    migration: ServiceMigration,
    following: Place | None,
    policy: Policy,
    approval: Approval | None,
    now: datetime,
) -> str:
    if not policy.approvals_required or following is None or not following.weight:
        return ""
    if approval is None:
        return "Every gate passes. Ask a second person to approve."
    if oversight.approval_problem(approval, migration, to=following, now=now):
        return "The approval no longer fits. Ask anew."
    if approval.state == Approval.State.REQUESTED:
        return f"Waiting for an answer to {approval.requester}’s request."
    return ""


def why_closed(
    migration: ServiceMigration,
    following: Place | None,
    results: Sequence[GateResult],
    *,
    latched: Sequence[GateLatch],
) -> str:
    """Return the one line beside a closed Promote, or the empty text when it is open."""
    if migration.phase == Phase.DRAFT:
        return "" if following else "Nothing follows."
    if following is None:
        return f"Nothing follows {migration.place.words()}."
    if migration.held:
        return f"Held by {migration.held_by}: {migration.held_reason} Resume first."
    closed = [r for r in results if r.blocks]
    if not closed:
        return _why_latched(migration, following, results, latched)
    first = closed[0]
    more = f" {len(closed) - 1} more gates wait." if len(closed) > 1 else ""
    return f"Waiting on {first.title.lower()}: {first.evidence.sentence}{more}"


def _why_latched(
    migration: ServiceMigration,
    following: Place,
    results: Sequence[GateResult],
    latched: Sequence[GateLatch],
) -> str:
    required = {r.key: r.title for r in results if r.required}
    there = {migration.place.key, following.key}
    found = [row for row in latched if row.gate in required and row.place in there]
    if not found:
        return ""
    return f"{required[found[0].gate]} FAILed on these builds; a lead can reset the verdict."


def live_migrations() -> list[ServiceMigration]:
    """Return the migrations whose evidence grows."""
    return list(migrations().filter(phase__in=LIVE))


def decisions(migration: ServiceMigration) -> QuerySet[Decision]:
    """Return a migration's decisions, newest first."""
    return migration.decisions.select_related("entry")


def latest_evaluations(migration: ServiceMigration) -> list[GateEvaluation]:
    """Return what the scheduled evaluation last stored."""
    return list(migration.evaluations.filter(latest=True).order_by("gate"))


def causes(migration: ServiceMigration) -> list[MismatchGroup]:
    """Return the causes of mismatch of the present builds."""
    return shadow.causes(pair=migration.pair)


def probes(migration: ServiceMigration) -> list[ProbeResult]:
    """Return the latest health probes of both sides."""
    return shadow.latest_probes(pair=migration.pair)


def candidate_of(split_id: int) -> str:
    """Return the address of the candidate that a split sends users to."""
    return ServiceMigration.objects.values_list("pair__candidate_url", flat=True).get(
        split=split_id
    )


def scorecard_rows(migration: ServiceMigration) -> tuple[ScorecardRow, ...]:
    """Return the guide's table, each side by its newest measurement."""
    return scorecard.rows(Measurement.objects.filter(pair=migration.pair).order_by("-at", "-id"))


def places_for_audit() -> list[tuple[str, dict[str, object]]]:
    """Return where each migration stands, for the comparison with its ledger."""
    return [
        (m.slug, {**m.place.to_dict(), "version": m.version, "held": m.held})
        for m in ServiceMigration.objects.all()
    ]
