"""Why a door is closed, in one line beside it."""

from collections.abc import Sequence

from rollout.gates import GateResult
from rollout.lifecycle import Phase
from rollout.models import Approval
from rollout.pages import words
from rollout.pages.gate_rows import plain
from rollout.pages.states import forecast_s, said_of
from rollout.queries import MigrationView

ASK_FIRST = "A second person has to approve. Ask for it first."
URGENCY = ("fail", "err", "stale", "inc", "col", "none", "pass")


def closed_note(results: Sequence[GateResult]) -> str:
    """Say in one line what keeps Promote closed and what opens it; empty when it is open."""
    closed = sorted((r for r in results if r.blocks), key=_urgency)
    if not closed:
        return ""
    first, e = closed[0], closed[0].evidence
    state = said_of(e).status
    rest = f" {words.plural(len(closed) - 1, 'more gate')} to go." if len(closed) > 1 else ""
    if state in {"fail", "err", "stale"}:
        return f"{first.title}: {lower_first(plain(first.key, e))}{rest}"
    eta = eta_of(first)
    when = f", about {words.duration(eta)}" if eta else ""
    return f"Waits for {lower_first(first.title)}{when}.{rest}"


def eta_of(result: GateResult) -> float | None:
    """Return the seconds until the slowest part of a gate passes; None when one never will."""
    etas = [forecast_s(e) for e in (result.evidence, *(e for _, e in result.routes))]
    known = [eta for eta in etas if eta is not None]
    return max(known) if len(known) == len(etas) else None


def _urgency(result: GateResult) -> int:
    return URGENCY.index(said_of(result.evidence).status)


def lower_first(text: str) -> str:
    """Begin within a sentence."""
    return text[:1].lower() + text[1:]


def end_note(view: MigrationView) -> str:
    """Say what stands between here and the end; empty when nothing that pages can see does."""
    m = view.migration
    if view.place.phase is not Phase.FULL:
        return "Only a migration at full can end."
    if m.held:
        return "Held. Resume first."
    if m.in_effect_at is None:
        return "Full is not in effect on every proxy yet."
    left = view.policy.decommission_hold_s - (view.now - m.in_effect_at).total_seconds()
    if left > 0:
        return f"100% has to hold for {words.duration(left)} more."
    return _unreviewed(view) or closed_note(view.gates) or _unapproved(view)


def _unreviewed(view: MigrationView) -> str:
    found = len(view.open_reviews)
    return f"{words.plural(found, 'review')} still open." if found else ""


def _unapproved(view: MigrationView) -> str:
    if view.approval is None:
        return ASK_FIRST
    if view.approval.state != Approval.State.GRANTED:
        return f"Waiting for an answer to {view.approval.requester}’s request."
    return ""
