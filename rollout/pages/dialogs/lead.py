"""The forms of a lead: override, reset a verdict, waive an item and ask for it again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import tzinfo

from rollout.gates import GateResult, title_of
from rollout.models import Approval, GateLatch, Waiver
from rollout.pages import words
from rollout.pages.contexts.dialog import Dialog, Input, OverrideGate
from rollout.pages.contexts.parts import Choice, Fact
from rollout.pages.dialogs.base import refuse, req_s, url
from rollout.pages.gate_rows import chart_of, plain
from rollout.pages.heads import Beside
from rollout.pages.states import said_of, target_words
from rollout.queries import MigrationView

HOUR_S = 3600
WAIVER_TIMES = ((HOUR_S, "1 h"), (24 * HOUR_S, "1 day"), (3 * 24 * HOUR_S, "3 days"))
WEEK = (7 * 24 * HOUR_S, "7 days")
OVERRIDE_TIMES = (
    (HOUR_S // 2, "30 min"),
    (HOUR_S, "1 h"),
    (2 * HOUR_S, "2 h"),
    (4 * HOUR_S, "4 h"),
)


def request_override(
    view: MigrationView, beside: Beside, zone: tzinfo, posted: Mapping[str, list[str]]
) -> Dialog:
    """Build the form that asks a second person to go past gates; it moves nothing."""
    dialog = _override(view, beside, verb="request_override")
    policy = view.policy
    chosen = _one(posted, "expires_in_s") or str(min(2 * HOUR_S, policy.override_max_s))
    gates = tuple(_gate(r, posted.get("gates")) for r in view.gates if r.blocks)
    if not gates:
        return refuse(dialog, "Every gate passes. Promote instead.")
    return _with(
        dialog,
        button="Ask to override",
        busy="Asking…",
        consequence="Nothing moves until a second person approves. "
        f"The request ends in {words.duration(policy.approval_expiry_s)}.",
        override_gates=gates,
        inputs=(
            Input("incident", "Incident", value=_one(posted, "incident"), mono=True),
            Input(
                "expires_in_s",
                "Ends after",
                kind="select",
                note=f"at most {words.duration(policy.override_max_s)}",
                help=f"Then back to {view.place.weight}%, unless the gates pass by then.",
                choices=tuple(
                    Choice(str(s), text, chosen=str(s) == chosen)
                    for s, text in _times(policy.override_max_s)
                ),
            ),
        ),
    )


def override(view: MigrationView, beside: Beside, zone: tzinfo, approval: Approval) -> Dialog:
    """Build the form that makes the approved move."""
    dialog = _override(view, beside, verb="override")
    terms = approval.terms
    names = ", ".join(title_of(gate) for gate in terms["gates"])
    if approval.state == Approval.State.REQUESTED:
        asked = words.clock(approval.expires_at, zone)
        return refuse(
            dialog,
            f"{approval.requester} asked to override {names}. "
            f"Waiting for a second person, until {asked}.",
        )
    return _with(
        dialog,
        button=f"Override to {_target(view)}",
        busy="Moving…",
        consequence="Recorded with both names. A review stays open until somebody closes it.",
        effects=(
            Fact("Overrides", names, status="over"),
            Fact("Incident", str(terms["incident"]), status="none"),
            Fact("Asked by", approval.requester, status="none"),
            Fact("Approved by", approval.approver, status="pass"),
        ),
        gates_title="Approved",
    )


def _override(view: MigrationView, beside: Beside, *, verb: str) -> Dialog:
    slug, weight = view.migration.slug, view.following.weight if view.following else 0
    dialog = Dialog(
        verb=verb,
        slug=slug,
        title=f"Override a gate on {slug}",
        intro=f"Break glass. Moves users to {_target(view)} although a gate has not passed.",
        action_url=url("override", slug),
        back_url=url("overview", slug),
        button="",
        busy="",
        consequence="",
        version=view.migration.version,
        confirm=_override_words(view),
        tone="over",
        wide=True,
        strip_lead="It stays on this migration’s page while in force.",
        strip_text="Banyan does not undo it for these gates meanwhile, and its review blocks "
        "switching legacy off.",
        now_percent=beside.share,
        now_words=words.share(beside.share),
        now_note=req_s(beside.rps, beside.share),
        after_percent=float(weight),
        after_words=f"{weight}%",
        after_note=req_s(beside.rps, float(weight), about="about "),
    )
    if view.following is None:
        return refuse(dialog, "Nothing follows this place.")
    if view.migration.held:
        return refuse(dialog, "Held. Resume first.")
    return dialog


def reset(view: MigrationView, latch: GateLatch, zone: tzinfo) -> Dialog:
    """Build the form that lets a failed gate be judged anew."""
    slug, title = view.migration.slug, title_of(latch.gate)
    half = words.rate(0.5**latch.attempt)
    return Dialog(
        verb="reset",
        slug=slug,
        title=f"Judge {title.lower()} anew",
        intro=f"It failed at {words.moment_words(latch.since, zone, view.now)} on these builds.",
        action_url=url("reset", slug, latch.gate),
        back_url=url("overview", slug),
        button="Reset the verdict",
        busy="Resetting…",
        consequence="The failure stays in the audit log for good.",
        version=view.migration.version,
        gates_title="Afterwards",
        effects=(
            Fact("Evidence", "starts anew from now", status="col"),
            Fact("Allowed error", f"{half} of the policy’s, same build", status="inc"),
            Fact("Traffic", f"stays at {view.place.weight}%", status="hold"),
        ),
    )


def waive(view: MigrationView, item: str, zone: tzinfo) -> Dialog:
    """Build the form that does without one checklist item for a while."""
    slug, title = view.migration.slug, title_of(item)
    dialog = Dialog(
        verb="waive",
        slug=slug,
        title=f"Waive {title.lower()}",
        intro="The gate opens without it, and every later form names the waiver.",
        action_url=url("waive", slug, item),
        back_url=url("checklist", slug),
        button="Waive",
        busy="Waiving…",
        consequence="A failure found by the check closes the gate all the same.",
        version=view.migration.version,
        tone="over",
        inputs=(
            Input(
                "expires_in_s",
                "Ends after",
                kind="select",
                note="at most 7 days",
                choices=tuple(
                    Choice(str(s), text, chosen=s == HOUR_S * 24)
                    for s, text in (*WAIVER_TIMES, WEEK)
                ),
            ),
        ),
    )
    if item in view.waived:
        until = words.moment_words(view.waived[item].expires_at, zone, view.now)
        return refuse(dialog, f"It is waived already, until {until}.")
    return dialog


def end_waiver(view: MigrationView, waiver: Waiver, zone: tzinfo) -> Dialog:
    """Build the form that asks for a waived item again."""
    slug, title = view.migration.slug, title_of(waiver.item)
    until = words.moment_words(waiver.expires_at, zone, view.now)
    return Dialog(
        verb="end_waiver",
        slug=slug,
        title=f"Ask for {title.lower()} again",
        intro=f"Waived by {waiver.by} until {until}.",
        action_url=url("end_waiver", slug, waiver.item),
        back_url=url("checklist", slug),
        button="End the waiver",
        busy="Ending…",
        consequence="The gate is asked for from now on.",
        version=view.migration.version,
        quote=waiver.reason,
    )


def _gate(result: GateResult, posted: list[str] | None) -> OverrideGate:
    state = said_of(result.evidence)
    return OverrideGate(
        key=result.key,
        name=result.title,
        status=state.status,
        word=state.word,
        text=plain(result.key, result.evidence),
        chart=chart_of(result, state),
        chosen=result.key in posted if posted else False,
    )


def _times(longest: int) -> list[tuple[int, str]]:
    found = [(s, text) for s, text in OVERRIDE_TIMES if s <= longest]
    if longest not in [s for s, _ in found]:
        found.append((longest, words.duration(longest)))
    return found


def _override_words(view: MigrationView) -> str:
    weight = view.following.weight if view.following else view.place.weight
    return f"{view.migration.slug} {weight} override"


def _target(view: MigrationView) -> str:
    return target_words(view.following) if view.following else "nothing"


def _one(posted: Mapping[str, list[str]], name: str) -> str:
    return next(iter(posted.get(name, [])), "")


def _with(dialog: Dialog, **values: object) -> Dialog:
    return replace(dialog, **values) if dialog.allowed else dialog  # type: ignore[arg-type]
