"""The one writer of phase, step, weight and version.

A decision is one transaction: lock the migration, check the version, ask the data plane for the
new split, append to the ledger, compare-and-swap the row. Locks are always taken in the order
migration, proxy group, ledger head.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import services as ledger
from audit.chain import Actor
from audit.models import LedgerEntry
from rollout import gates
from rollout.exceptions import (
    ConflictError,
    GatesClosedError,
    InvalidError,
    RefusalError,
    StaleVersionError,
)
from rollout.lifecycle import Action, Move, NotAllowedError, Phase, Place, move, next_place
from rollout.models import Decision, GateEvaluation, ServiceMigration
from rollout.policy import Policy
from rollout.services.record import keep_evaluations
from rollout.services.states import policy_body, state_of
from traffic import services as traffic

MAX_REASON = 2000


def decide(  # noqa: PLR0913  # one decision is these facts, all by keyword
    *,
    slug: str,
    action: Action,
    version: int | None,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str,
    to_weight: int = 0,
) -> Decision:
    """Write a migration's place: the only function that does."""
    if len(reason) > MAX_REASON:
        raise InvalidError(f"A reason has at most {MAX_REASON} characters.", field="reason")
    with transaction.atomic():
        migration = _locked(slug)
        _check_version(migration, version)
        policy = Policy.from_dict(migration.policy)
        made = _move(action, migration, policy, to_weight)
        evaluations: list[GateEvaluation] = []
        if action is Action.PROMOTE:
            evaluations = _passing_gates(migration, made.to, now)
        generation = _ask_data_plane(migration, made, policy, now)
        entry = ledger.append(
            actor=actor,
            action=f"migration:{action.value}",
            body=_body(migration, made, policy, reason, evaluations, request_id, generation),
            now=now,
        )
        _swap(migration, made, actor, reason, generation, entry, now)
        decision = Decision.objects.create(
            migration=migration,
            from_version=migration.version,
            action=action.value,
            from_place=state_of(migration),
            to_place=_to_state(migration, made),
            actor_kind=actor.kind,
            actor=actor.name,
            role=actor.role,
            reason=reason,
            entry=entry,
            request_id=request_id,
            at=now,
        )
        decision.evaluations.set(evaluations)
    return decision


def _swap(  # noqa: PLR0913  # the row's new values
    migration: ServiceMigration,
    made: Move,
    actor: Actor,
    reason: str,
    generation: int,
    entry: LedgerEntry,
    now: datetime,
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
    if made.held != migration.held or made.held:
        values |= {
            "held_by": actor.name if made.held else "",
            "held_reason": reason if made.held else "",
            "held_at": now if made.held else None,
        }
    if moved:
        values |= {
            "placed_at": now,
            "placed_generation": generation,
            "accepted_at": None,
            "in_effect_at": None,
        }
    if migration.phase == Phase.DRAFT and moved:
        values["shadow_since"] = now
    changed = ServiceMigration.objects.filter(pk=migration.pk, version=migration.version).update(
        **values
    )
    if changed != 1:
        raise _stale(migration.slug)


def _move(action: Action, migration: ServiceMigration, policy: Policy, to_weight: int) -> Move:
    try:
        return move(
            action,
            migration.place,
            held=migration.held,
            weights=policy.weights,
            to_weight=to_weight,
        )
    except NotAllowedError as exc:
        raise ConflictError(exc.detail, code=exc.code, version=migration.version) from exc


def _passing_gates(migration: ServiceMigration, to: Place, now: datetime) -> list[GateEvaluation]:
    results = gates.evaluate(migration, now=now)
    closed = [r for r in results if r.blocks]
    if closed:
        first = closed[0]
        raise GatesClosedError(
            f"Not promoted to {to.words()}: {first.title} is {first.evidence.verdict}. "
            f"{first.evidence.sentence}",
            version=migration.version,
            gates=[r.to_dict() for r in closed],
        )
    # The decision rests on the gates that the policy requires; the others are shown, never cited.
    required = [r for r in results if r.required]
    return keep_evaluations(migration=migration, results=required, now=now)


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
        likely=_likely(made.to, policy),
        now=now,
    )
    return snapshot.generation


def _desired(place: Place) -> tuple[str, int]:
    """Return the data plane's mode and weight in ten-thousandths for a place."""
    if place.phase is Phase.DUAL_RUN:
        return "dual_run", 0
    if place.weight == 100:  # noqa: PLR2004  # percent: a route without a matcher, see DATAPLANE
        return "full", 10_000
    return "canary", place.weight * 100


def _likely(place: Place, policy: Policy) -> list[tuple[str, int]]:
    following = next_place(place, policy.weights)
    moves = [_desired(following)] if following else []
    return [*moves, ("dual_run", 0)]


def _body(  # noqa: PLR0913  # the parts of one ledger entry
    migration: ServiceMigration,
    made: Move,
    policy: Policy,
    reason: str,
    evaluations: Sequence[GateEvaluation],
    request_id: str,
    generation: int,
) -> dict[str, Any]:
    return {
        "migration": migration.slug,
        "from": state_of(migration),
        "to": _to_state(migration, made),
        "reason": reason,
        "builds": {
            "legacy": migration.pair.legacy_build,
            "candidate": migration.pair.candidate_build,
        },
        "generation": generation,
        "verdicts": [
            {"gate": e.gate, "verdict": e.verdict, "evidence_sha256": e.evidence_sha256}
            for e in evaluations
        ],
        "policy": policy_body(policy),
        "request_id": request_id,
    }


def _to_state(migration: ServiceMigration, made: Move) -> dict[str, Any]:
    return {**made.to.to_dict(), "version": migration.version + 1, "held": made.held}


def get(slug: str) -> ServiceMigration:
    """Return a migration with its pair and split, or raise the 404 refusal."""
    migration = ServiceMigration.objects.select_related("pair", "split").filter(slug=slug).first()
    if migration is None:
        raise _not_found(slug)
    return migration


def _locked(slug: str) -> ServiceMigration:
    migration = (
        ServiceMigration.objects.select_for_update(of=("self",))
        .select_related("pair", "split")
        .filter(slug=slug)
        .first()
    )
    if migration is None:
        raise _not_found(slug)
    return migration


def _not_found(slug: str) -> RefusalError:
    error = RefusalError(f"There is no migration {slug[:60]!r}.", code="not_found")
    error.status = 404
    return error


def _check_version(migration: ServiceMigration, version: int | None) -> None:
    if version is not None and version != migration.version:
        raise _stale(migration.slug)


def _stale(slug: str) -> StaleVersionError:
    """Say who moved the migration, to where and when."""
    current = get(slug)
    last = current.decisions.first()
    who = (
        f"{last.actor} decided {last.action.replace('_', ' ')} at {last.at:%H:%M:%S} UTC"
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
