"""FAIL is latched, acted upon by policy, and reset only by a lead who understood it."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from audit import services as ledger
from audit.chain import Actor
from judge.evidence import Evidence
from rollout import gates, oversight
from rollout.exceptions import ConflictError, InvalidError
from rollout.lifecycle import LIVE, Action, lower_places
from rollout.models import Decision, GateEvaluation, GateLatch, Review, ServiceMigration
from rollout.permissions import AUTOMATION
from rollout.policy import Policy
from rollout.policy_parts import METRIC_PREFIX
from rollout.services.decide import (
    NO_GROUNDS,
    Ask,
    Grounds,
    check_text,
    deciding,
    legal_move,
    locked,
    settle,
)
from rollout.services.states import builds_body, state_of


def latch_fail(
    *, migration: ServiceMigration, gate: str, evidence: Evidence, now: datetime
) -> GateLatch | None:
    """Keep a FAIL for these builds at this place; the same latch again when it is there already.

    None when the migration has moved on or has other builds: the evidence is about another time.
    """
    with transaction.atomic():
        current = locked(migration.slug)
        if not _same_time(migration, current):
            return None
        return _latch(current, gate, evidence, now)


def on_gate_fail(
    *, migration: ServiceMigration, gate: str, evidence: Evidence, now: datetime
) -> Decision | None:
    """Latch the FAIL of a gate and, while users are on the candidate, hold or roll back by policy.

    Returns the decision, or None when there was nothing to do: no user is on the candidate, it was
    done already, an override in force names the gate, or the evidence is about another time.
    """
    with transaction.atomic():
        current = locked(migration.slug)
        if not _same_time(migration, current):
            return None
        _latch(current, gate, evidence, now)
        return _react(current, gate, evidence, now)


def on_gate_error(  # an error and its beginning
    *,
    migration: ServiceMigration,
    gate: str,
    evidence: Evidence,
    since: datetime,
    now: datetime,
) -> Decision | None:
    """Act as on a FAIL when a live gate could not be judged for longer than the policy bears.

    `since` is when the verdict became ERROR. Nothing is latched: the next good evidence counts.
    """
    with transaction.atomic():
        current = locked(migration.slug)
        policy = Policy.from_dict(current.policy)
        patient = now - since <= timedelta(seconds=policy.error_grace_s)
        if patient or not _same_time(migration, current):
            return None
        return _react(current, gate, evidence, now)


def on_override_end(*, migration: ServiceMigration, now: datetime) -> Decision | None:
    """Hold when an override ended and a gate that it went past still does not PASS; once."""
    ended = migration.reviews.filter(
        cause=Review.Cause.OVERRIDE, lapsed_at=None, expires_at__lte=now
    )
    if not ended.exists():
        return None
    with transaction.atomic():
        current = locked(migration.slug)
        rows = list(ended.select_for_update())
        Review.objects.filter(pk__in=[row.pk for row in rows]).update(lapsed_at=now)
        named = {gate for row in rows if row.place == current.place.key for gate in row.gates}
        if not named or current.held or current.phase not in LIVE:
            return None
        closed = [r.title for r in gates.evaluate(current, now=now) if r.key in named and r.blocks]
        if not closed:
            return None
        reason = f"The override ended, and {', '.join(closed)} does not pass."
        ask = Ask(current.slug, Action.HOLD, AUTOMATION, now, None, reason)
        return settle(current, ask, legal_move(current, ask), NO_GROUNDS)


def reset_verdict(  # noqa: PLR0913  # what a lead says about one gate
    *,
    slug: str,
    gate: str,
    version: int,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> Decision:
    """Let a gate that FAILed on these builds be judged anew, on evidence from now on.

    Its alphas are halved for every attempt on the same candidate build.
    """
    if gate not in gates.TITLES and not gate.startswith(METRIC_PREFIX):
        raise InvalidError(f"There is no gate {gate[:60]!r}.", field="gate")
    reason = check_text(reason, "reason", needed="Say what the failure was.")
    ask = Ask(slug, Action.RESET, actor, now, version, reason, request_id)
    with deciding(ask) as migration:
        made = legal_move(migration, ask)
        found = [latch for latch in oversight.open_latches(migration) if latch.gate == gate]
        if not found:
            raise ConflictError(f"{gates.title_of(gate)} has no latched FAIL.", code="not_latched")
        rows = GateLatch.objects.filter(pk__in=[latch.pk for latch in found])
        rows.update(reset_at=now, reset_by=actor.name)
        state = oversight.latch_states(migration)[gate]
        said = {
            "gate": gate,
            "evidence_sha256": found[0].evidence_sha256,
            "places": sorted(latch.place for latch in found),
            "attempt": state.attempt,
            "alpha_share": state.alpha_share,
        }
        return settle(migration, ask, made, Grounds(body=said))


def _same_time(read: ServiceMigration, current: ServiceMigration) -> bool:
    """Whether what was judged is still what is: the same place and the same builds, and live."""
    return (
        current.phase in LIVE
        and current.place == read.place
        and current.placed_at == read.placed_at
        and current.pair.builds == read.pair.builds
    )


def _latch(migration: ServiceMigration, gate: str, evidence: Evidence, now: datetime) -> GateLatch:
    key = {"gate": gate, "builds": migration.pair.builds, "place": migration.place.key}
    there = migration.latches.filter(reset_at=None, **key).first()
    if there is not None:
        return there
    document = evidence.to_dict()
    state = oversight.latch_states(migration).get(gate, oversight.LatchState())
    latch = GateLatch.objects.create(
        migration=migration,
        attempt=state.attempt,
        since=now,
        evidence=document,
        evidence_sha256=gates.evidence_sha256(document),
        **key,
    )
    ledger.append(
        actor=AUTOMATION,
        action="migration:latch",
        body={
            "migration": migration.slug,
            "place": state_of(migration),
            "builds": builds_body(migration),
            "attempt": latch.attempt,
            **_verdict(gate, evidence),
        },
        now=now,
    )
    return latch


def _react(
    migration: ServiceMigration, gate: str, evidence: Evidence, now: datetime
) -> Decision | None:
    if not migration.weight or gate in oversight.overridden(migration, now=now):
        return None
    policy = Policy.from_dict(migration.policy)
    if policy.on_fail == "hold" and migration.held:
        return None
    action = Action.HOLD if policy.on_fail == "hold" else Action.ROLL_BACK
    title = gates.title_of(gate)
    reason = f"{title}: {evidence.verdict}. {evidence.sentence}"
    to = _way_back(migration, policy)
    ask = Ask(migration.slug, action, AUTOMATION, now, None, reason[:2000], to_weight=to)
    grounds = Grounds(
        evaluations=_kept(migration, gate, evidence), verdicts=[_verdict(gate, evidence)]
    )
    return settle(migration, ask, legal_move(migration, ask), grounds)


def _way_back(migration: ServiceMigration, policy: Policy) -> int:
    """Return the weight that Banyan goes back to: 0, or that of the step below."""
    if policy.on_fail_to == "zero":
        return 0
    lower = lower_places(migration.place, policy.weights)
    return max((p.weight for p in lower if p.weight < migration.weight), default=0)


def _verdict(gate: str, evidence: Evidence) -> dict[str, Any]:
    return {
        "gate": gate,
        "verdict": evidence.verdict.value,
        "evidence_sha256": gates.evidence_sha256(evidence.to_dict()),
    }


def _kept(migration: ServiceMigration, gate: str, evidence: Evidence) -> list[GateEvaluation]:
    """Return the stored evaluation of exactly this evidence, if the schedule kept it."""
    digest = gates.evidence_sha256(evidence.to_dict())
    rows = migration.evaluations.filter(gate=gate, route="", evidence_sha256=digest)
    return list(rows.order_by("-id")[:1])
