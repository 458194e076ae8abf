"""The one writer of phase, step, weight and version.

A decision is one transaction: lock the migration, check the version, ask the data plane for the
new split, append to the ledger, compare-and-swap the row. Locks are always taken in the order
migration, proxy group, ledger head.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.db import OperationalError, connection, transaction

from audit import services as ledger
from audit.chain import Actor
from audit.models import LedgerEntry
from rollout import gates, permissions
from rollout.exceptions import ConflictError, InvalidError, NotFoundError, StaleVersionError
from rollout.lifecycle import Action, Move, NotAllowedError, Phase, Place, move, next_place
from rollout.models import Approval, Decision, GateEvaluation, Review, ServiceMigration
from rollout.policy import Policy
from rollout.services.inputs import inputs_body, keep_inputs
from rollout.services.states import builds_body, policy_body, state_of
from traffic import services as traffic

log = structlog.get_logger(__name__)


MAX_REASON = 2000
ENDED_PHASES = frozenset({Phase.DECOMMISSIONED, Phase.ABANDONED})


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody wants of one migration, as it came in."""

    slug: str
    action: Action
    actor: Actor
    now: datetime
    version: int | None = None
    reason: str = ""
    request_id: str = ""
    to_weight: int = 0


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a decision rests on and what it writes besides the place.

    `body` is added to the ledger entry, `values` are further columns of the migration, `review`
    the columns of a review that the decision leaves open.
    """

    evaluations: Sequence[GateEvaluation] = ()
    verdicts: Sequence[Mapping[str, Any]] = ()
    recorded: Sequence[gates.Recorded] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    approval: Approval | None = None
    review: Mapping[str, Any] | None = None
    policy: Policy | None = None
    # Why approvals given for before are over, as a code of `oversight.ENDED`.
    ends: str = "decided_since"


NO_GROUNDS = Grounds()


@contextmanager
def deciding(ask: Ask) -> Iterator[ServiceMigration]:
    """Check who asks, lock the migration and compare the version; commit when the block ends."""
    permissions.check(ask.actor, ask.action)
    check_text(ask.reason, "reason")
    with transaction.atomic():
        migration = locked(ask.slug)
        refuse_stale(migration, ask)
        yield migration


@contextmanager
def told_when_late(ask: Ask) -> Iterator[None]:
    """Let who waited for a lock in vain hear who moved the migration meanwhile, if somebody did."""
    try:
        yield
    except OperationalError:
        if not connection.in_atomic_block:
            refuse_stale(get(ask.slug), ask)
        raise


def refuse_stale(migration: ServiceMigration, ask: Ask) -> None:
    """Refuse what was asked at another version than the row has, saying who moved it."""
    if ask.version is not None and ask.version != migration.version:
        raise _stale(migration.slug)


def legal_move(migration: ServiceMigration, ask: Ask) -> Move:
    """Return where the action leads from here, or refuse with what to do instead."""
    try:
        return move(
            ask.action,
            migration.place,
            held=migration.held,
            weights=Policy.from_dict(migration.policy).weights,
            to_weight=ask.to_weight,
        )
    except NotAllowedError as exc:
        raise ConflictError(exc.detail, code=exc.code, version=migration.version) from exc


def settle(
    migration: ServiceMigration, ask: Ask, made: Move, grounds: Grounds = NO_GROUNDS
) -> Decision:
    """Write a migration's place: the only function that does. Runs inside `deciding`."""
    policy = grounds.policy or Policy.from_dict(migration.policy)
    generation = _ask_data_plane(migration, made, policy, ask.now)
    entry = ledger.append(
        actor=ask.actor,
        action=f"migration:{ask.action.value}",
        body=_body(migration, ask, made, policy, grounds, generation),
        now=ask.now,
    )
    _swap(migration, ask, made, grounds, generation, entry)
    decision = Decision.objects.create(
        migration=migration,
        from_version=migration.version,
        action=ask.action.value,
        from_place=state_of(migration),
        to_place=_to_state(migration, made),
        actor_kind=ask.actor.kind,
        actor=ask.actor.name,
        role=ask.actor.role,
        reason=ask.reason,
        entry=entry,
        request_id=ask.request_id,
        at=ask.now,
    )
    decision.evaluations.set(grounds.evaluations)
    keep_inputs(decision, grounds.recorded, now=ask.now)
    _settle_approvals(migration, decision, grounds)
    if grounds.review is not None:
        Review.objects.create(
            migration=migration,
            entry=entry,
            opened_by=ask.actor.name,
            opened_at=ask.now,
            **grounds.review,
        )
    transaction.on_commit(lambda: _tell(decision, made), robust=True)
    return decision


def _tell(decision: Decision, made: Move) -> None:
    """Log the decision by its ids, once it is one."""
    log.info(
        "decision",
        decision_id=decision.pk,
        entry=decision.entry_id,
        request_id=decision.request_id,
        migration=decision.migration.slug,
        action=decision.action,
        to=made.to.key,
        actor=decision.actor,
        actor_kind=decision.actor_kind,
    )


def _swap(  # the row's new values
    migration: ServiceMigration,
    ask: Ask,
    made: Move,
    grounds: Grounds,
    generation: int,
    entry: LedgerEntry,
) -> None:
    moved = made.to != migration.place
    values: dict[str, Any] = {
        "phase": made.to.phase,
        "step": made.to.step,
        "weight": made.to.weight,
        "held": made.held,
        "version": migration.version + 1,
        "last_audit_seq": entry,
    }
    if ask.action is Action.HOLD or made.held != migration.held or (moved and made.held):
        values |= {
            "held_by": ask.actor.name if made.held else "",
            "held_reason": ask.reason if made.held else "",
            "held_at": ask.now if made.held else None,
        }
    if moved:
        values |= {
            "placed_at": ask.now,
            "placed_generation": generation,
            "accepted_at": None,
            "in_effect_at": None,
        }
    if ask.action is Action.START:
        values |= {
            "shadow_since": ask.now,
            "evidence_since": ask.now,
            "builds": migration.pair.builds,
        }
    changed = ServiceMigration.objects.filter(pk=migration.pk, version=migration.version).update(
        **values, **grounds.values
    )
    if changed != 1:
        raise _stale(migration.slug)


def _settle_approvals(migration: ServiceMigration, decision: Decision, grounds: Grounds) -> None:
    """Use the approval that the decision rests on, and end the others: they were for before."""
    rows = Approval.objects.filter(migration=migration, state__in=Approval.OPEN)
    if grounds.approval is not None:
        rows.filter(pk=grounds.approval.pk).update(state=Approval.State.USED, decision=decision)
    rows.update(state=Approval.State.EXPIRED, ended_because=grounds.ends)


def _ask_data_plane(migration: ServiceMigration, made: Move, policy: Policy, now: datetime) -> int:
    """Publish the split of the new place; a place that stays keeps its generation."""
    if made.to == migration.place:
        return migration.placed_generation
    mode, weight_tth = _desired(made.to)
    snapshot = traffic.ask_for_split(
        split=migration.split,
        mode=mode,
        weight_tth=weight_tth,
        epoch=f"{migration.slug}-{migration.version + 1}"[:40],
        likely=likely_moves(made.to, policy),
        now=now,
    )
    return snapshot.generation


def _desired(place: Place) -> tuple[str, int]:
    """Return the data plane's mode and weight in ten-thousandths for a place."""
    if place.phase in (Phase.DRAFT, Phase.ABANDONED):
        return "safe", 0
    if place.phase is Phase.DUAL_RUN:
        return "dual_run", 0
    if place.phase is Phase.DECOMMISSIONED:
        return "decommissioned", 10_000
    if place.weight == 100:  # noqa: PLR2004  # percent: a route without a matcher, see DATAPLANE
        return "full", 10_000
    return "canary", place.weight * 100


def likely_moves(place: Place, policy: Policy) -> list[tuple[str, int]]:
    """Return what the data plane may be asked next, so that proxies check it ahead of time."""
    if place.phase in ENDED_PHASES:
        return []
    following = next_place(place, policy.weights)
    moves = [_desired(following)] if following else []
    return [*moves, ("dual_run", 0)]


def _body(  # the parts of one ledger entry
    migration: ServiceMigration,
    ask: Ask,
    made: Move,
    policy: Policy,
    grounds: Grounds,
    generation: int,
) -> dict[str, Any]:
    body = {
        "migration": migration.slug,
        "from": state_of(migration),
        "to": _to_state(migration, made),
        "reason": ask.reason,
        "builds": builds_body(migration),
        "generation": generation,
        "verdicts": list(grounds.verdicts),
        "policy": policy_body(policy),
        "request_id": ask.request_id,
        **grounds.body,
    }
    if grounds.recorded:
        body["evidence"] = inputs_body(grounds.recorded)
    if grounds.approval is not None:
        body["approval"] = grounds.approval.pk
    return body


def _to_state(migration: ServiceMigration, made: Move) -> dict[str, Any]:
    return {**made.to.to_dict(), "version": migration.version + 1, "held": made.held}


def check_text(text: str, field_name: str, *, needed: str = "") -> str:
    """Return the text without outer spaces; `needed` is the refusal of an empty one."""
    if len(text) > MAX_REASON:
        raise InvalidError(f"At most {MAX_REASON} characters, please.", field=field_name)
    if needed and not text.strip():
        raise InvalidError(needed, field=field_name)
    return text.strip()


def get(slug: str) -> ServiceMigration:
    """Return a migration with its pair and split, or raise the 404 refusal."""
    migration = ServiceMigration.objects.select_related("pair", "split").filter(slug=slug).first()
    if migration is None:
        raise NotFoundError(f"There is no migration {slug[:60]!r}.")
    return migration


def locked(slug: str) -> ServiceMigration:
    """Return the migration with its row locked: the first lock of every decision."""
    migration = (
        ServiceMigration.objects.select_for_update(of=("self",))
        .select_related("pair", "split")
        .filter(slug=slug)
        .first()
    )
    if migration is None:
        raise NotFoundError(f"There is no migration {slug[:60]!r}.")
    return migration


def _stale(slug: str) -> StaleVersionError:
    """Say who moved the migration, to where and when."""
    current = get(slug)
    last = current.decisions.first()
    who = (
        f"{last.actor} decided {Action(last.action).words.lower()} at {last.at:%H:%M:%S} UTC"
        if last
        else "It was changed"
    )
    return StaleVersionError(
        f"Nothing was changed by you. {who}; {slug} is now in {current.place.words()}"
        f"{', held' if current.held else ''} (version {current.version}).",
        version=current.version,
        moved_by=last.actor if last else None,
        moved_at=last.at.isoformat() if last else None,
        action=last.action if last else None,
    )
