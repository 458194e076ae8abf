"""A migration's head and phase rail: where it stands, what it needs, what can be done."""

from dataclasses import dataclass
from datetime import tzinfo

from django.urls import reverse

from rollout.gates import CHECKLIST_GROUP
from rollout.lifecycle import Action, Phase
from rollout.models import Decision
from rollout.pages import words
from rollout.pages.access import Reader
from rollout.pages.closed import ASK_FIRST, closed_note, end_note
from rollout.pages.contexts.head import Banner, Button, Head, Rail, Step
from rollout.pages.states import (
    ENDED,
    Standing,
    place_words,
    said_of,
    standing_of_gates,
    target_words,
)
from rollout.policy import DEMO, Policy
from rollout.queries import MigrationView

SAID = {
    "reset": "Judged a gate anew",
    "change_policy": "Changed the policy",
    "change_rules": "Changed rules",
    "waive": "Waived an item",
    "end_waiver": "Ended a waiver",
    "request_approval": "Asked for approval",
    "grant_approval": "Approved",
    "decline_approval": "Declined",
    "withdraw_approval": "Withdrew a request",
    "close_review": "Closed a review",
}
READY = "Every gate passes now. You confirm with a reason."
RANK = {Phase.DRAFT: 0, Phase.DUAL_RUN: 1, Phase.CANARY: 2, Phase.FULL: 3, Phase.DECOMMISSIONED: 4}


@dataclass(frozen=True, slots=True)
class Beside:
    """What the head shows and the view does not hold; share is percent, None is not measured."""

    share: float | None
    rps: float | None
    causes: int
    entries: int


def standing(view: MigrationView) -> Standing:
    """Return the migration in one line."""
    return standing_of_gates(
        view.place,
        view.policy,
        view.gates,
        held=view.migration.held,
        in_effect=view.migration.in_effect_at is not None,
    )


def policy_label(policy: Policy) -> str:
    """Return what every screen says of a policy that promises less than the guide's."""
    _, _, text = policy.label.partition(": ")
    return text if policy.name == DEMO.name else ""


def head(view: MigrationView, reader: Reader, *, beside: Beside, tab: str) -> Head:
    """Build the head; actions a role lacks are left out, closed ones say what opens them."""
    m = view.migration
    line = standing(view)
    can_act = reader.can(Action.PROMOTE)
    return Head(
        slug=m.slug,
        title=m.title or m.slug,
        status=line.status,
        pill=line.pill,
        legacy_build=m.pair.legacy_build.removeprefix("legacy-") or "build unknown",
        candidate_build=m.pair.candidate_build.removeprefix("candidate-") or "build unknown",
        facts=f"{words.per_second(beside.rps)} req/s" if beside.rps is not None else "",
        policy_label=policy_label(view.policy),
        note=_note(view),
        roll_back=_roll_back(view) if can_act else None,
        hold=_hold(view) if can_act else None,
        forward=_forward(view) if can_act else None,
        tab=tab,
        cause_count=beside.causes,
        entry_count=beside.entries,
        can_act=can_act,
        banner=_banner(view, reader, can_act=can_act),
        override=_override(view) if reader.can(Action.OVERRIDE) else None,
        checklist=_checklist(view),
    )


def _note(view: MigrationView) -> str:
    if view.place.phase is Phase.DRAFT:
        return "Nothing is mirrored yet."
    if view.migration.held:
        return "Held. Resume first, then the gates open Promote."
    if view.place.phase is Phase.FULL:
        return end_note(view) or "Legacy answers nobody. You confirm with typed words."
    if view.following is None:
        return "The candidate serves everyone, legacy is gone."
    return closed_note(view.gates) or view.why_closed or READY


def _url(name: str, slug: str) -> str:
    return reverse(f"pages:{name}", args=[slug])


def _roll_back(view: MigrationView) -> Button | None:
    if view.place.weight == 0 and view.place.phase is not Phase.FULL:
        return None
    return Button("Roll back", "rotate-ccw", _url("roll_back", view.migration.slug))


def _hold(view: MigrationView) -> Button | None:
    if view.place.phase in ENDED:
        return None
    slug = view.migration.slug
    if view.migration.held:
        return Button("Resume…", "play", _url("resume", slug))
    at = f" at {view.place.weight}%" if view.place.weight else ""
    return Button("Hold", "pause", _url("hold", slug), suffix=at)


def _forward(view: MigrationView) -> Button | None:
    slug = view.migration.slug
    if view.place.phase is Phase.DRAFT:
        return Button("Start dual-run", "", _url("start", slug))
    if view.place.phase is Phase.FULL:
        return _last(view)
    if view.following is None:
        return None
    target = target_words(view.following)
    if _must_ask(view):
        return Button("Request approval", "", _url("request_approval", slug))
    return Button(f"Promote to {target}", "", _url("promote", slug), open=view.can_promote)


def _must_ask(view: MigrationView) -> bool:
    """Whether everything but a second person's word is there."""
    waits = view.policy.approvals_required and view.following and view.following.weight
    closed = view.migration.held or closed_note(view.gates)
    return bool(waits and view.approval is None and not closed)


def _last(view: MigrationView) -> Button:
    slug = view.migration.slug
    if view.approval is None and end_note(view) == ASK_FIRST:
        return Button("Request approval", "", _url("request_approval", slug))
    closed = bool(end_note(view))
    return Button("Decommission legacy", "", _url("decommission", slug), open=not closed)


def _override(view: MigrationView) -> Button | None:
    """Offer the way past the gates where they are what keeps Promote closed."""
    closed = any(result.blocks for result in view.gates)
    if view.following is None or view.place.phase is Phase.DRAFT or view.migration.held:
        return None
    return Button("Override…", "", _url("override", view.migration.slug)) if closed else None


def _checklist(view: MigrationView) -> str:
    items = [r for r in view.gates if r.group == CHECKLIST_GROUP]
    good = sum(1 for r in items if said_of(r.evidence).status == "pass" or r.key in view.waived)
    return f"{good} of {len(items)}"


def _banner(view: MigrationView, reader: Reader, *, can_act: bool) -> Banner | None:
    m = view.migration
    if view.convergence.holds:
        return _broken_glass(view, reader, can_act=can_act)
    if not m.held or m.held_at is None:
        return None
    last = view.decisions[0] if view.decisions else None
    when = words.moment_words(m.held_at, reader.zone, view.now)
    entry = f"entry #{last.entry_id}" if last else ""
    by = ", ".join(filter(None, (_who(m.held_by), f"“{m.held_reason}”", entry)))
    if last is not None and last.action == Action.ROLL_BACK:
        rest = " Legacy serves all traffic." if m.weight == 0 else ""
        title = f"Rolled back to {m.weight}% at {when}.{rest}"
    else:
        title = f"Held at {m.weight}% since {when}."
    return Banner(
        status="hold",
        title=title,
        text=f"{by}. Gates keep measuring.",
        url=_url("resume", m.slug) if can_act else "",
        action="Resume…",
    )


def _broken_glass(view: MigrationView, reader: Reader, *, can_act: bool) -> Banner:
    """Say in red that proxies went back on their own, and how that ends."""
    m, found = view.migration, view.convergence.holds
    first = found[0]
    names = ", ".join(each.proxy for each in found)
    since = f" since {words.moment_words(first.at, reader.zone, view.now)}" if first.at else ""
    if all(each.released for each in found):
        rest = "Resumed; the proxy has yet to follow."
    elif m.held and not m.weight:
        rest = "It is in the ledger, and another person looks at it. Resume ends it."
    else:
        rest = "It is not in the ledger yet."
    url = _url("resume", m.slug) if can_act and m.held else ""
    return Banner(
        status="fail",
        title=f"Glass broken at {names}{since}. Legacy serves everybody there.",
        text=f"“{first.reason}”, hold {first.id}. {rest}",
        tone="fail",
        url=url,
        action="Resume…" if url else "",
    )


def _who(name: str) -> str:
    return {"banyan": "Banyan, automatic"}.get(name, name)


def rail(view: MigrationView, *, beside: Beside, zone: tzinfo) -> Rail:
    """Build the three phases and the traffic bar; the bar is drawn from what was measured."""
    rank = RANK.get(view.place.phase, 0)
    weight = view.place.weight
    measured = f"measured {words.share(beside.share)}" if beside.share is not None else "no data"
    legacy_rps = (
        f"{words.per_second(beside.rps * (1 - beside.share / 100))} req/s"
        if beside.rps is not None and beside.share is not None
        else ""
    )
    done = view.place.phase is Phase.DECOMMISSIONED
    return Rail(
        dual_run_state=_state(rank, 1),
        dual_run_status={True: "pass", False: "col"}[rank > 1],
        dual_run_word=("Passed" if rank > 1 else "Now" if rank == 1 else ""),
        dual_run_text=_dual_run_text(view),
        canary_state=_state(rank, 2),
        canary_end=_canary_end(view, rank),
        steps=_steps(view, zone),
        full_state=_state(rank, 3),
        full_status="pass" if done else "col",
        full_word={True: "Done", False: "Now"}[done] if rank >= RANK[Phase.FULL] else "Not started",
        full_text=_full_text(view),
        set_weight=weight,
        measured=beside.share,
        measured_words=measured,
        legacy_words=f"{100 - weight}%",
        legacy_rps=legacy_rps,
    )


def _state(rank: int, own: int) -> str:
    return "pd" if rank > own else "now" if rank == own else "later"


def _dual_run_text(view: MigrationView) -> str:
    found = view.evidence.overall
    compared, differ = int(found.compared.sum()), int(found.mismatched.sum())
    since = view.migration.shadow_since
    if since is None:
        return "Legacy answers everyone, the candidate gets copies."
    time = words.duration((view.now - since).total_seconds())
    if not compared:
        return f"{time} of shadow traffic, nothing compared yet."
    return f"{time} of shadow traffic, {words.count(differ)} of {words.count(compared)} differ."


def _canary_end(view: MigrationView, rank: int) -> str:
    total = len(view.policy.steps)
    if view.place.step is not None:
        return f"Step {view.place.step + 1} of {total}"
    return "Passed" if rank > RANK[Phase.CANARY] else "Not started"


def _steps(view: MigrationView, zone: tzinfo) -> tuple[Step, ...]:
    rank = RANK.get(view.place.phase, 0)
    at = view.place.step if view.place.step is not None else (99 if rank > 2 else -1)  # noqa: PLR2004  # canary's rank
    found = []
    for index, step in enumerate(view.policy.steps):
        if index < at:
            found.append(Step(step.weight, "done", "pass", "Passed"))
        elif index == at:
            found.append(_current(view, step.weight, zone))
        else:
            near = index == at + 1 and rank > 0
            state = "last" if index == len(view.policy.steps) - 1 else "next"
            found.append(Step(step.weight, state, "none", "Next" if near else "Later"))
    return tuple(found)


def _current(view: MigrationView, weight: int, zone: tzinfo) -> Step:
    since = view.migration.in_effect_at
    if since is None:
        asked = words.clock(view.migration.placed_at, zone, seconds=True)
        return Step(weight, "cur", "cur", "Moving", f", asked {asked}")
    held = view.migration.held
    time = words.duration((view.now - since).total_seconds())
    return Step(weight, "cur", "hold" if held else "cur", "Held" if held else "Now", f", {time}")


def _full_text(view: MigrationView) -> str:
    if view.place.phase is Phase.FULL:
        return "The candidate answers everyone. Legacy stands by."
    return "Legacy stays deployed until 100% has held."


def decision_words(decision: Decision) -> str:
    """Say what a decision did: Promoted 5% → 25%."""
    return action_words(decision.action, decision.from_place, decision.to_place)


def action_words(action: str, before: object, after: object) -> str:
    """Say an action with the places it led between, from the ledger's own documents."""
    from_, to = (_weight(before), _weight(after))
    phase = after.get("phase") if isinstance(after, dict) else ""
    if action == Action.PROMOTE:
        if phase == Phase.FULL:
            return "Promoted to full migration"
        return f"Started canary at {to}" if from_ == "0%" else f"Promoted {from_} → {to}"
    return {
        Action.CREATE: "Created",
        Action.START: "Started dual-run",
        Action.HOLD: f"Held at {to}",
        Action.RESUME: f"Resumed at {to}",
        Action.ROLL_BACK: f"Rolled back {from_} → {to}",
        Action.LATE_ENTRY: f"Broke the glass {from_} → {to}",
        Action.OVERRIDE: f"Overrode {from_} → {to}",
        Action.DECOMMISSION: "Decommissioned legacy",
        Action.ABANDON: "Gave the candidate up",
    }.get(Action(action), SAID.get(action, action.replace("_", " ").capitalize()))


def _weight(place: object) -> str:
    return f"{place.get('weight', 0)}%" if isinstance(place, dict) else "0%"


__all__ = [
    "Beside",
    "action_words",
    "decision_words",
    "head",
    "place_words",
    "policy_label",
    "rail",
    "standing",
]
