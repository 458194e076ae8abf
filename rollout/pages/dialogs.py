"""The forms of the verbs: what each shows before a person confirms."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import tzinfo

from django.urls import reverse

from rollout.lifecycle import Action, Phase
from rollout.pages import words
from rollout.pages.access import Reader
from rollout.pages.contexts import Choice, Dialog, Fact, PickRow, Target
from rollout.pages.forms import ROLL_BACK_REASONS
from rollout.pages.gate_rows import mini_gate
from rollout.pages.heads import Beside, closed_note
from rollout.pages.states import said_of, standing_of_row, target_words
from rollout.queries import MigrationView
from rollout.readings import NavRow
from shadow.models import ProbeResult

SUGGESTED = {"discrepancy": "Mismatch", "errors": "Errors", "error_codes": "Errors"}


def _url(name: str, slug: str) -> str:
    return reverse(f"pages:{name}", args=[slug])


def refuse(dialog: Dialog, refusal: str) -> Dialog:
    """Return the dialog with nothing but the reason why it is closed."""
    return replace(dialog, allowed=False, refusal=refusal)


def no_permission(verb: str, reader: Reader, team: str) -> str:
    """Say who can do what the reader cannot."""
    return f"{reader.role.value.capitalize()}s can’t {verb}. Ask an operator in {team}."


def promote_words(view: MigrationView) -> str:
    """Return what has to be typed to confirm the next step."""
    weight = view.following.weight if view.following else view.place.weight
    return f"{view.migration.slug} {weight}"


def promote(view: MigrationView, beside: Beside, zone: tzinfo) -> Dialog:
    """Build the promote form with the gates as they are now."""
    slug = view.migration.slug
    to = view.following
    weight = to.weight if to else view.place.weight
    target = target_words(to) if to else "nothing"
    required = [r for r in view.gates if r.required]
    passing = sum(1 for r in required if not r.blocks)
    at = words.clock(view.now, zone, seconds=True)
    dialog = Dialog(
        verb="promote",
        slug=slug,
        title=f"Promote {slug} to {target}",
        intro="Users’ traffic moves as soon as you confirm. You can roll back at any time.",
        action_url=_url("promote", slug),
        back_url=_url("overview", slug),
        button=f"Promote to {target}",
        busy="Promoting…",
        consequence="If something is wrong afterwards, roll back: one click, no gate.",
        version=view.migration.version,
        confirm=promote_words(view),
        now_percent=beside.share,
        now_words=words.share(beside.share),
        now_note=_rps(beside.rps, beside.share),
        after_percent=float(weight),
        after_words=f"{weight}%",
        after_note=_rps(beside.rps, float(weight), about="about "),
        gates=tuple(mini_gate(r) for r in required),
        gates_title=f"{passing} of {len(required)} gates pass",
        gates_note=f"Measured {at}, again when you confirm",
        gates_status="pass" if passing == len(required) else "inc",
    )
    if not view.can_promote:
        held = "Held. Resume first." if view.migration.held else ""
        return refuse(dialog, held or closed_note(view.gates) or "Nothing follows.")
    return dialog


def start(view: MigrationView) -> Dialog:
    """Build the form that begins dual-run."""
    slug = view.migration.slug
    dialog = Dialog(
        verb="start",
        slug=slug,
        title=f"Start the dual-run of {slug}",
        intro="Users keep getting legacy’s answers. The candidate gets copies.",
        action_url=_url("start", slug),
        back_url=_url("overview", slug),
        button="Start dual-run",
        busy="Starting…",
        consequence="Both services are asked for health and readiness first.",
        version=view.migration.version,
    )
    if view.place.phase is not Phase.DRAFT:
        return refuse(dialog, "The dual-run has begun already.")
    return dialog


def hold(view: MigrationView) -> Dialog:
    """Build the hold form: a reason, and what stays on meanwhile."""
    slug, weight = view.migration.slug, view.place.weight
    at = f" at {weight}%" if weight else ""
    dialog = Dialog(
        verb="hold",
        slug=slug,
        title=f"Hold {slug}{at}",
        intro="Traffic stays where it is, and nobody can promote meanwhile.",
        action_url=_url("hold", slug),
        back_url=_url("overview", slug),
        button=f"Hold{at}",
        busy="Holding…",
        consequence="Stays until someone resumes. Recorded in the audit log.",
        version=view.migration.version,
        gates_title="While held",
        effects=(
            Fact("Promote, by hand or by pipeline", "closed", status="hold"),
            Fact("Roll back", "stays on", status="pass"),
            Fact("Gates and evidence", "keep collecting", status="col"),
        ),
    )
    if view.migration.held:
        return refuse(dialog, "It is held already.")
    return dialog


def resume(view: MigrationView) -> Dialog:
    """Build the resume form: it lifts the hold and moves nothing."""
    slug, weight = view.migration.slug, view.place.weight
    dialog = Dialog(
        verb="resume",
        slug=slug,
        title=f"Resume {slug} at {weight}%",
        intro="Lifts the hold. Traffic stays where it is until someone promotes.",
        action_url=_url("resume", slug),
        back_url=_url("overview", slug),
        button="Resume",
        busy="Resuming…",
        consequence="Recorded in the audit log.",
        version=view.migration.version,
        gates_title="Afterwards",
        effects=(
            Fact("Promote", "opens when the gates pass", status="col"),
            Fact("Traffic", f"stays at {weight}%", status="hold"),
            Fact("Roll back", "stays on", status="pass"),
        ),
    )
    if not view.migration.held:
        return refuse(dialog, "It is not held, there is nothing to resume.")
    return dialog


def roll_back(
    view: MigrationView, beside: Beside, *, probes: Sequence[ProbeResult], to: int = 0
) -> Dialog:
    """Build the roll back form: everything is chosen already, so the red button works at once."""
    slug = view.migration.slug
    suggested = _suggested(view)
    room, status = _room(probes)
    dialog = Dialog(
        verb="roll_back",
        slug=slug,
        title=f"Roll back {slug}",
        intro="Legacy takes the traffic back at once. No approval needed.",
        action_url=_url("roll_back", slug),
        back_url=_url("overview", slug),
        button="Roll back",
        busy="Rolling back…",
        consequence="Takes about 1 s. It stays there, held, until someone resumes it.",
        version=view.migration.version,
        now_percent=beside.share,
        now_words=words.share(beside.share),
        now_note=_rps(beside.rps, beside.share),
        reasons=tuple(Choice(r, r, chosen=r == suggested) for r in ROLL_BACK_REASONS),
        reasons_note="" if suggested == "Precaution" else "suggested by the failed gate",
        targets=_targets(view, beside, to),
        room_status=status,
        room_text=room,
    )
    if not view.lower or (view.place.weight == 0 and view.place.phase is Phase.DUAL_RUN):
        return refuse(dialog, "Legacy serves all traffic already.")
    return dialog


def _targets(view: MigrationView, beside: Beside, to: int) -> tuple[Target, ...]:
    lower = view.lower
    chosen = to if any(p.weight == to for p in lower) else 0
    found = []
    for index, place in enumerate(lower[:6]):
        label = f"{place.weight}%"
        if place.weight == 0:
            label = "0%, all legacy"
        elif index == len(lower) - 1:
            label = f"{place.weight}%, the step before"
        if place.weight == view.place.weight:
            label = f"{place.weight}%, as canary"
        share = 1 - place.weight / 100
        legacy = f", legacy {words.per_second(beside.rps * share)} req/s" if beside.rps else ""
        found.append(Target(place.weight, label, index, place.weight == chosen, legacy))
    return tuple(found)


def _suggested(view: MigrationView) -> str:
    for result in view.gates:
        if said_of(result.evidence).status == "fail":
            default = "Latency" if result.key.startswith("latency") else "Precaution"
            return SUGGESTED.get(result.key, default)
    return "Precaution"


def _room(probes: Sequence[ProbeResult]) -> tuple[str, str]:
    legacy = [p for p in probes if p.side == "legacy"]
    if legacy and all(p.status == 200 for p in legacy):  # noqa: PLR2004  # healthy
        return "Legacy answers its health checks. Its spare room is not measured.", "pass"
    if legacy:
        return "Legacy does not answer its health checks. The button stays on.", "over"
    return "Legacy’s room is not measured. The button stays on.", "stale"


def _rps(rps: float | None, percent: float | None, *, about: str = "") -> str:
    if rps is None or percent is None:
        return ""
    return f", {about}{words.per_second(rps * percent / 100)} req/s"


def picks(rows: Sequence[NavRow], *, chosen: str, reader: Reader) -> tuple[PickRow, ...]:
    """List the migrations that carry users, failed ones first."""
    carrying = [row for row in rows if row.weight and row.phase != Phase.DECOMMISSIONED]
    lines = [(standing_of_row(row, now=reader.now), row) for row in carrying]
    lines.sort(key=lambda pair: (pair[0].status != "fail", pair[1].weight, pair[1].slug))
    base = reverse("pages:roll_back_any")
    picked = chosen if any(row.slug == chosen for _, row in lines) else ""
    return tuple(
        PickRow(
            slug=row.slug,
            status=line.status,
            note=line.pill,
            share=f"{row.weight}%",
            url=f"{base}?m={row.slug}",
            chosen=row.slug == picked if picked else index == 0,
        )
        for index, (line, row) in enumerate(lines)
    )


def nothing_to_roll_back() -> Dialog:
    """Build the picker when no migration carries users."""
    return Dialog(
        verb="roll_back",
        slug="",
        title="Roll back a migration",
        intro="Legacy takes the traffic back at once. No approval needed.",
        action_url=reverse("pages:roll_back_any"),
        back_url=reverse("pages:fleet"),
        button="Roll back",
        busy="",
        consequence="",
        version=0,
        allowed=False,
        refusal="No migration carries candidate traffic. Legacy serves everyone.",
    )


PAST = {
    Action.START: "started",
    Action.PROMOTE: "promoted",
    Action.HOLD: "held",
    Action.RESUME: "resumed",
    Action.ROLL_BACK: "rolled back",
}
