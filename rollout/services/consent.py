"""The consent of a second person, as a decision needs it: found, checked, or refused by name."""

from rollout import oversight
from rollout.exceptions import ConflictError, ForbiddenError
from rollout.lifecycle import Place
from rollout.models import Approval, ServiceMigration
from rollout.services.decide import Ask


def consent(migration: ServiceMigration, ask: Ask, to: Place) -> Approval:
    """Return the granted approval that fits this move now; refuse, naming what is missing.

    The approver does not make the move, so that two people have looked.
    """
    last = migration.approvals.filter(action=ask.action.value).first()
    if last is None:
        raise _missing(ask, "Nobody asked for it yet.", "approval_needed")
    if last.state in Approval.OPEN:
        problem = oversight.approval_problem(last, migration, to=to, now=ask.now)
        if problem:
            raise _over(ask, problem)
    if last.state == Approval.State.REQUESTED:
        raise _missing(ask, f"{last.requester} asked, nobody answered yet.", "approval_pending")
    if last.state == Approval.State.EXPIRED:
        raise _over(ask, last.ended_because)
    if last.state != Approval.State.GRANTED:
        raise _missing(ask, f"The last one was {last.state}.", "approval_needed")
    if last.approver == ask.actor.name:
        raise ForbiddenError(
            "You approved this. Somebody else makes the move.",
            code="own_approval",
            rule="two_people",
        )
    return last


def _over(ask: Ask, problem: str) -> ConflictError:
    return _missing(ask, f"The last one is over: {oversight.ENDED[problem]}.", problem)


def _missing(ask: Ask, why: str, code: str) -> ConflictError:
    return ConflictError(
        f"{ask.action.words} needs the approval of a second person. {why}",
        code=code,
        rule="approval",
    )
