"""Approvals: one person asks for a move, another agrees; the move itself is made afterwards.

Granting moves nothing. Whoever moves then presses Promote (or Override, Decommission), the gates
are asked again in that transaction, and the grant is used up. So what was approved and what is done
are one transaction apart from each other only by evidence that is fresher.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from audit import services as ledger
from audit.chain import Actor, canonical
from rollout import gates, oversight, permissions
from rollout.exceptions import ConflictError, ForbiddenError, InvalidError
from rollout.lifecycle import Action, Move
from rollout.models import Approval, ServiceMigration
from rollout.policy import Policy
from rollout.services.decide import Ask, check_text, deciding, legal_move, locked
from rollout.services.states import builds_body

APPROVABLE = (Action.PROMOTE, Action.OVERRIDE, Action.DECOMMISSION)
MAX_INCIDENT = 100
State = Approval.State


@dataclass(frozen=True, slots=True)
class OverrideTerms:
    """What an override is asked for: the gates it goes past, why, and for how many seconds."""

    gates: tuple[str, ...]
    incident: str
    lifetime_s: int


def request_approval(  # noqa: PLR0913  # what is asked for, all by keyword
    *,
    slug: str,
    action: Action,
    version: int,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
    terms: OverrideTerms | None = None,
) -> Approval:
    """Ask a second person for a move that is legal from here; needs the role of the move itself.

    Bound to the place, version, plan and builds of now; it expires by itself.
    """
    if action not in APPROVABLE:
        raise InvalidError(f"{action.words} needs no approval.", field="action")
    reason = check_text(reason, "reason", needed="Say what the approver should know.")
    permissions.check(actor, Action.REQUEST_APPROVAL)
    _expire(slug, now)
    ask = Ask(slug, action, actor, now, version, reason, request_id)
    with deciding(ask) as migration:
        made = legal_move(migration, ask)
        _refuse_second(migration, action)
        policy = Policy.from_dict(migration.policy)
        approval = Approval.objects.create(
            migration=migration,
            action=action.value,
            from_version=migration.version,
            to_place=made.to.to_dict(),
            terms=_checked_terms(action, terms, policy, now),
            plan_sha256=oversight.plan_sha256(migration),
            builds=migration.pair.builds,
            evidence_sha256=_evidence_sha256(migration, now),
            requester=actor.name,
            reason=reason,
            requested_at=now,
            expires_at=now + timedelta(seconds=policy.approval_expiry_s),
        )
        _append_request(approval, ask, made)
    return approval


def grant_approval(
    *, approval_id: int, actor: Actor, now: datetime, answer: str = "", request_id: str = ""
) -> Approval:
    """Agree. Another person than who asked, and only while plan, builds and place are the same."""
    with _answering(approval_id, Action.GRANT_APPROVAL, actor, now, answer) as (found, migration):
        if found.requester == actor.name:
            raise ForbiddenError(
                "You asked for this. Somebody else approves it.",
                code="own_approval",
                rule="two_people",
            )
        _refuse_unfit(found, migration, now)
        _answer(found, State.GRANTED, actor, now, answer)
        body = {"plan_sha256": found.plan_sha256, "builds": builds_body(migration)}
        _append(
            found, Action.GRANT_APPROVAL, actor, now, answer, {**body, "request_id": request_id}
        )
    return oversight.get_approval(approval_id)


def decline_approval(
    *, approval_id: int, actor: Actor, now: datetime, answer: str, request_id: str = ""
) -> Approval:
    """Say no, and why."""
    answer = check_text(answer, "answer", needed="Say why not.")
    with _answering(approval_id, Action.DECLINE_APPROVAL, actor, now, answer) as (found, _):
        if found.requester == actor.name:
            raise ForbiddenError(
                "You asked for this. Withdraw it instead.", code="own_approval", rule="two_people"
            )
        _answer(found, State.DECLINED, actor, now, answer)
        _append(found, Action.DECLINE_APPROVAL, actor, now, answer, {"request_id": request_id})
    return oversight.get_approval(approval_id)


def withdraw_approval(
    *, approval_id: int, actor: Actor, now: datetime, reason: str = "", request_id: str = ""
) -> Approval:
    """Take a request back, granted or not; whoever asked may, and whoever granted."""
    with _answering(
        approval_id, Action.WITHDRAW_APPROVAL, actor, now, reason, states=Approval.OPEN
    ) as (found, _):
        if actor.name not in (found.requester, found.approver):
            raise ForbiddenError(
                f"{found.requester} asked for this, and can withdraw it.", rule="own_request"
            )
        Approval.objects.filter(pk=found.pk).update(state=State.WITHDRAWN)
        _append(found, Action.WITHDRAW_APPROVAL, actor, now, reason, {"request_id": request_id})
    return oversight.get_approval(approval_id)


@contextmanager
def _answering(  # who answers what
    approval_id: int,
    action: Action,
    actor: Actor,
    now: datetime,
    text: str,
    states: tuple[State, ...] = (State.REQUESTED,),
) -> Iterator[tuple[Approval, ServiceMigration]]:
    """Lock the migration, then yield the approval if it can still be answered."""
    permissions.check(actor, action)
    check_text(text, "reason")
    slug = oversight.get_approval(approval_id).migration.slug
    _expire(slug, now)
    with transaction.atomic():
        migration = locked(slug)
        found = oversight.get_approval(approval_id)
        if found.state not in states:
            why = f": {oversight.ENDED[found.ended_because]}" if found.ended_because else ""
            raise ConflictError(
                f"This approval is {found.state}{why}. Ask anew.",
                code=found.ended_because or "approval_answered",
            )
        yield found, migration


def _expire(slug: str, now: datetime) -> None:
    """Note what ended by time: nobody has to come by for that, asking is enough."""
    Approval.objects.filter(
        migration__slug=slug, state__in=Approval.OPEN, expires_at__lte=now
    ).update(state=State.EXPIRED, ended_because="approval_expired")


def _refuse_unfit(found: Approval, migration: ServiceMigration, now: datetime) -> None:
    problem = oversight.approval_problem(found, migration, now=now)
    if problem:
        raise ConflictError(f"Not approved: {oversight.ENDED[problem]}. Ask anew.", code=problem)


def _refuse_second(migration: ServiceMigration, action: Action) -> None:
    there = oversight.open_approval(migration, action.value)
    if there is not None:
        raise ConflictError(
            f"{there.requester} asked already; it is {there.state}.",
            code="approval_open",
            approval=there.pk,
        )


def _checked_terms(
    action: Action, terms: OverrideTerms | None, policy: Policy, now: datetime
) -> dict[str, Any]:
    if action is not Action.OVERRIDE:
        if terms is not None:
            raise InvalidError("Only an override has terms.", field="terms")
        return {}
    if terms is None or not terms.gates:
        raise InvalidError("Name the gates that the override goes past.", field="gates")
    there = {*gates.TITLES, *(rule.gate for rule in policy.metrics)}
    unknown = [gate for gate in terms.gates if gate not in there]
    if unknown:
        raise InvalidError(f"There is no gate {unknown[0][:60]!r}.", field="gates")
    incident = check_text(terms.incident, "incident", needed="Name the incident.")
    if len(incident) > MAX_INCIDENT:
        raise InvalidError(f"At most {MAX_INCIDENT} characters, please.", field="incident")
    if not 1 <= terms.lifetime_s <= policy.override_max_s:
        raise InvalidError(
            f"An override lasts from 1 to {policy.override_max_s} s.", field="expires_in_s"
        )
    ends = now + timedelta(seconds=terms.lifetime_s)
    return {"gates": list(terms.gates), "incident": incident, "expires_at": ends.isoformat()}


def _evidence_sha256(migration: ServiceMigration, now: datetime) -> str:
    """Hash what the gates say at this moment: what the requester saw."""
    said = [
        [r.key, gates.evidence_sha256(r.evidence.to_dict())]
        for r in gates.evaluate(migration, now=now)
        if r.required
    ]
    return hashlib.sha256(canonical(said)).hexdigest()


def _answer(found: Approval, state: State, actor: Actor, now: datetime, answer: str) -> None:
    Approval.objects.filter(pk=found.pk).update(
        state=state, approver=actor.name, answer=answer, answered_at=now
    )


def _append_request(approval: Approval, ask: Ask, made: Move) -> None:
    ledger.append(
        actor=ask.actor,
        action=f"migration:{Action.REQUEST_APPROVAL.value}",
        body={
            "migration": approval.migration.slug,
            "approval": approval.pk,
            "for": {"action": approval.action, "to": made.to.to_dict()},
            "terms": approval.terms,
            "plan_sha256": approval.plan_sha256,
            "builds": builds_body(approval.migration),
            "evidence_sha256": approval.evidence_sha256,
            "expires_at": approval.expires_at,
            "reason": ask.reason,
            "request_id": ask.request_id,
        },
        now=ask.now,
    )


def _append(  # the parts of one ledger entry
    approval: Approval,
    action: Action,
    actor: Actor,
    now: datetime,
    reason: str,
    more: dict[str, Any],
) -> None:
    ledger.append(
        actor=actor,
        action=f"migration:{action.value}",
        body={
            "migration": approval.migration.slug,
            "approval": approval.pk,
            "reason": reason,
            **more,
        },
        now=now,
    )
