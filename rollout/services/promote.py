"""Toward the candidate: promote, on gates that PASS, and override, past gates that were named."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from audit.chain import Actor, utc_text
from audit.checkpoints import checkpoint_now
from judge.verdict import Verdict
from rollout import gates, oversight, permissions
from rollout.exceptions import ConflictError, GatesClosedError
from rollout.lifecycle import Action, Move, Place, next_place
from rollout.models import Decision, GateEvaluation, GateLatch, Review, ServiceMigration, Waiver
from rollout.policy import Policy
from rollout.services.builds import notice_build
from rollout.services.consent import consent
from rollout.services.decide import (
    Ask,
    Grounds,
    check_text,
    deciding,
    get,
    legal_move,
    refuse_stale,
    settle,
    told_when_late,
)
from rollout.services.evaluations import keep_evaluations

log = logging.getLogger(__name__)


def promote(  # noqa: PLR0913  # what a caller says about one move
    *,
    slug: str,
    version: int,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
    expected_weight: int | None = None,
) -> Decision:
    """Move one place to the right; every gate of that place must PASS now.

    Where the policy asks for approval, a granted one that still fits is used. `expected_weight` is
    what the caller believes comes next: another one is refused, so that a pipeline cannot skip or
    mistake a step.
    """
    reason = check_text(reason, "reason", needed="Say why you promote.")
    ask = Ask(slug, Action.PROMOTE, actor, now, version, reason, request_id)
    with told_when_late(ask):
        _before_locks(ask, expected_weight)
        with deciding(ask) as migration:
            made = legal_move(migration, ask)
            decision = settle(migration, ask, made, promotion(migration, ask, made))
    _anchor_decision(ask.now)
    return decision


def override(  # noqa: PLR0913  # what a caller says about one move
    *,
    slug: str,
    version: int,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
    expected_weight: int | None = None,
) -> Decision:
    """Move one place to the right past the gates that the approved terms name.

    The terms (gates, incident, end) are those of the override's approval, which another person
    granted: see `request_approval`. Until its end Banyan does not undo the move for these gates;
    the review that it leaves open blocks `decommission`.
    """
    reason = check_text(reason, "reason", needed="Say why you override.")
    ask = Ask(slug, Action.OVERRIDE, actor, now, version, reason, request_id)
    with told_when_late(ask):
        _before_locks(ask, expected_weight)
        with deciding(ask) as migration:
            made = legal_move(migration, ask)
            decision = settle(migration, ask, made, _overriding(migration, ask, made))
    _anchor_decision(ask.now)
    return decision


def _before_locks(ask: Ask, expected_weight: int | None) -> None:
    """Do what needs no lock: of many at once, who comes too late costs the winner nothing."""
    permissions.check(ask.actor, ask.action)
    migration = get(ask.slug)
    refuse_stale(migration, ask)
    _check_expected(migration, expected_weight)
    _anchor_ledger(ask.now)
    notice_build(get(ask.slug), now=ask.now)


def _anchor_ledger(now: datetime) -> None:
    """Vouch for every entry before traffic moves toward the candidate; a roll back never asks."""
    found = checkpoint_now(now=now)
    if not found.promotion_closed:
        return
    lead = "The ledger is not anchored, so nothing moves toward the candidate"
    if found.state == "freeze":
        lead = "The ledger and its anchor do not agree"
    raise ConflictError(f"{lead}: {found.promotion_closed}", code="ledger_not_anchored")


def _anchor_decision(now: datetime) -> None:
    """Vouch for the promotion itself at once. It is committed: nothing here can undo or fail it."""
    try:
        checkpoint_now(now=now)
    except Exception:
        log.exception("the promotion is not anchored yet; the next checkpoint does it")


def promotion(migration: ServiceMigration, ask: Ask, made: Move) -> Grounds:
    """Return what a promotion rests on: every required gate PASSes or is waived; consent."""
    grounds = open_gates(migration, made, ask.now)
    needed = Policy.from_dict(migration.policy).approvals_required > 0
    approval = consent(migration, ask, made.to) if needed else None
    return Grounds(
        evaluations=grounds.evaluations,
        verdicts=grounds.verdicts,
        recorded=grounds.recorded,
        body={"plan_sha256": oversight.plan_sha256(migration)},
        approval=approval,
    )


def _overriding(migration: ServiceMigration, ask: Ask, made: Move) -> Grounds:
    approval = consent(migration, ask, made.to)
    terms = approval.terms
    ends = datetime.fromisoformat(terms["expires_at"])
    if ends <= ask.now:
        raise ConflictError("The time that was approved for the override is over.", code="expired")
    grounds = open_gates(migration, made, ask.now, terms["gates"])
    passed = [v["gate"] for v in grounds.verdicts if v["verdict"] != Verdict.PASS]
    if not set(passed) & set(terms["gates"]):
        raise ConflictError("Every gate passes now. Promote instead.", code="nothing_to_override")
    said = {
        "gates": terms["gates"],
        "incident": terms["incident"],
        "expires_at": utc_text(ends),
        "second": approval.approver,
    }
    return Grounds(
        evaluations=grounds.evaluations,
        verdicts=grounds.verdicts,
        recorded=grounds.recorded,
        body={"plan_sha256": oversight.plan_sha256(migration), "override": said},
        approval=approval,
        review={
            "cause": Review.Cause.OVERRIDE,
            "detail": f"{terms['incident']}: {ask.reason}",
            "gates": terms["gates"],
            "place": made.to.key,
            "expires_at": ends,
        },
    )


def open_gates(
    migration: ServiceMigration, made: Move, now: datetime, excused: Collection[str] = ()
) -> Grounds:
    """Evaluate the gates now, inside the transaction; refuse with those that keep it closed.

    `excused` are gates that need not PASS.
    """
    context = gates.read_context(migration, now=now, keep_inputs=True)
    results = gates.evaluate_context(context)
    waived = oversight.live_waivers(migration, now=now)
    closed = [r for r in results if r.blocks and r.key not in excused]
    if closed:
        first = closed[0]
        raise GatesClosedError(
            f"Not moved to {made.to.words()}: {first.title} is {first.evidence.verdict}. "
            f"{first.evidence.sentence}",
            version=migration.version,
            gates=[r.to_dict() for r in closed],
        )
    # The decision rests on the gates that the policy requires; the others are shown, never cited.
    required = [r for r in results if r.required]
    _refuse_latched(migration, made.to, {r.key for r in required} - set(excused))
    if migration.builds != migration.pair.builds:
        raise ConflictError("A build changed. Its evidence begins anew.", code="build_changed")
    evaluations = keep_evaluations(migration=migration, results=required, now=now)
    cited = {r.key for r in required}
    return Grounds(
        evaluations=evaluations,
        verdicts=_verdicts_body(evaluations, waived),
        recorded=[call for call in context.recorder.calls if call.gate in cited],
    )


def _refuse_latched(migration: ServiceMigration, to: Place, required: Collection[str]) -> None:
    """Refuse while a gate's FAIL on these builds stands, here or where the move leads."""
    there = {migration.place.key, to.key}
    found = [
        latch
        for latch in oversight.open_latches(migration)
        if latch.gate in required and latch.place in there
    ]
    if found:
        raise GatesClosedError(_latched_words(found[0]), code="latched", gate=found[0].gate)


def _latched_words(latch: GateLatch) -> str:
    title = gates.title_of(latch.gate)
    return (
        f"{title} FAILed on these builds at {latch.since:%Y-%m-%d %H:%M} UTC, and that stands: "
        f"{latch.evidence['sentence']} Deploy another build, or let a lead reset the verdict."
    )


def _verdicts_body(
    evaluations: Sequence[GateEvaluation], waived: dict[str, Waiver]
) -> list[dict[str, Any]]:
    """Return the verdicts that a decision rests on, as they stand in its ledger entry."""
    found = []
    for each in evaluations:
        verdict: dict[str, Any] = {
            "gate": each.gate,
            "verdict": each.verdict,
            "evidence_sha256": each.evidence_sha256,
        }
        if each.verdict != Verdict.PASS and each.gate in waived:
            verdict["waived"] = True
        found.append(verdict)
    return found


def _check_expected(migration: ServiceMigration, weight: int | None) -> None:
    if weight is None:
        return
    following = next_place(migration.place, Policy.from_dict(migration.policy).weights)
    if following is None or following.weight != weight:
        place = following.words() if following else "nothing"
        raise ConflictError(
            f"After {migration.place.words()} comes {place}, not {weight} %.",
            code="not_allowed_step",
            field="to",
            version=migration.version,
        )
