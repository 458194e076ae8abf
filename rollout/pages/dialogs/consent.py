"""The forms of two people: ask for a move, approve it, decline it, take it back, close a review."""

from dataclasses import replace
from datetime import tzinfo

from rollout.gates import title_of
from rollout.lifecycle import Action
from rollout.models import Approval, Review
from rollout.pages import words
from rollout.pages.closed import closed_note
from rollout.pages.contexts.dialog import Dialog
from rollout.pages.contexts.parts import Fact
from rollout.pages.dialogs.base import refuse, req_s, url
from rollout.pages.gate_rows import mini_gate
from rollout.pages.heads import Beside
from rollout.pages.states import target_words
from rollout.queries import MigrationView


def request_promotion(view: MigrationView, beside: Beside, zone: tzinfo) -> Dialog:
    """Build the form that asks a second person for the next move, or for the last."""
    slug = view.migration.slug
    ends = view.following is None
    target = "decommission legacy" if ends else target_words(view.following)  # type: ignore[arg-type]
    dialog = _of_gates(
        view,
        beside,
        zone,
        Dialog(
            verb="request",
            slug=slug,
            title=f"Ask to {target}" if ends else f"Ask for {slug} at {target}",
            intro="A second person sees fresh evidence and decides. Nothing moves by asking.",
            action_url=url("request_approval", slug),
            back_url=url("overview", slug),
            button="Request approval",
            busy="Asking…",
            consequence=f"Ends in {words.duration(view.policy.approval_expiry_s)}, "
            "or when anything it rests on changes.",
            version=view.migration.version,
            wide=True,
        ),
    )
    if view.approval is not None:
        return refuse(dialog, f"{view.approval.requester} asked already.")
    if view.migration.held:
        return refuse(dialog, "Held. Resume first.")
    if note := closed_note(view.gates):
        return refuse(dialog, note)
    return dialog


def grant(view: MigrationView, approval: Approval, beside: Beside, zone: tzinfo) -> Dialog:
    """Build the approver's form, with evidence measured for the reader."""
    slug = approval.migration.slug
    return _of_gates(
        view,
        beside,
        zone,
        Dialog(
            verb="grant",
            slug=slug,
            title=f"Approve {what(approval)} of {slug}",
            intro=f"Asked by {approval.requester}, who makes the move once you approve.",
            action_url=url("grant", approval.pk),
            back_url=url("approvals"),
            button="Approve",
            busy="Approving…",
            consequence="Nothing moves yet. The gates are asked again when it does.",
            version=approval.from_version,
            wide=True,
            quote=approval.reason,
            effects=terms_of(approval, zone),
            reasons_note="optional",
        ),
    )


def decline(approval: Approval) -> Dialog:
    """Build the form that says no."""
    return Dialog(
        verb="decline",
        slug=approval.migration.slug,
        title=f"Decline {what(approval)} of {approval.migration.slug}",
        intro=f"{approval.requester} is told why.",
        action_url=url("decline", approval.pk),
        back_url=url("approvals"),
        button="Decline",
        busy="Declining…",
        consequence="Nothing moves. They can ask again.",
        version=approval.from_version,
        quote=approval.reason,
    )


def withdraw(approval: Approval) -> Dialog:
    """Build the form that takes a request back."""
    return Dialog(
        verb="withdraw",
        slug=approval.migration.slug,
        title=f"Withdraw {what(approval)} of {approval.migration.slug}",
        intro="The request ends. Nothing has moved.",
        action_url=url("withdraw", approval.pk),
        back_url=url("approvals"),
        button="Withdraw",
        busy="Withdrawing…",
        consequence="Recorded in the audit log.",
        version=approval.from_version,
        quote=approval.reason,
        reasons_note="optional",
    )


def close_review(review: Review, zone: tzinfo) -> Dialog:
    """Build the form of the person who looks at what was done in a hurry."""
    return Dialog(
        verb="close_review",
        slug=review.migration.slug,
        title=f"Close the review of entry #{review.entry_id}",
        intro=f"{review.opened_by}, {review.opened_at.astimezone(zone):%d %b %H:%M}.",
        action_url=url("close_review", review.pk),
        back_url=url("approvals"),
        button="Close the review",
        busy="Closing…",
        consequence="Recorded with your name. An open review stops the last step.",
        version=review.migration.version,
        quote=review.detail,
    )


def what(approval: Approval) -> str:
    """Name the move that was asked for."""
    weight = approval.to_place.get("weight", 0)
    if approval.action == Action.DECOMMISSION:
        return "decommissioning legacy"
    if approval.to_place.get("phase") == "full":
        return "full migration"
    return f"override to {weight}%" if approval.action == Action.OVERRIDE else f"canary {weight}%"


def terms_of(approval: Approval, zone: tzinfo) -> tuple[Fact, ...]:
    """Say what an override asks for; nothing for other moves."""
    if not approval.terms:
        return ()
    names = ", ".join(title_of(gate) for gate in approval.terms["gates"])
    return (
        Fact("Goes past", names, status="over"),
        Fact("Incident", str(approval.terms["incident"]), status="none"),
        Fact(
            "Ends", str(approval.terms["expires_at"])[:16].replace("T", " ") + " UTC", status="none"
        ),
    )


def _of_gates(view: MigrationView, beside: Beside, zone: tzinfo, dialog: Dialog) -> Dialog:
    required = [r for r in view.gates if r.required]
    passing = sum(1 for r in required if not r.blocks)
    to = view.following.weight if view.following else view.place.weight
    at = words.clock(view.now, zone, seconds=True)
    return replace(
        dialog,
        now_percent=beside.share,
        now_words=words.share(beside.share),
        now_note=req_s(beside.rps, beside.share),
        after_percent=float(to),
        after_words=f"{to}%",
        after_note=req_s(beside.rps, float(to), about="about "),
        gates=tuple(mini_gate(r) for r in required),
        gates_title=f"{passing} of {len(required)} gates pass",
        gates_note=f"Measured for you at {at}",
        gates_status="pass" if passing == len(required) else "inc",
    )
