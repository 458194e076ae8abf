"""The forms of start, promote, hold and resume."""

from datetime import tzinfo

from rollout.lifecycle import Phase
from rollout.pages import words
from rollout.pages.closed import closed_note
from rollout.pages.contexts.dialog import Dialog
from rollout.pages.contexts.parts import Fact
from rollout.pages.dialogs.base import refuse, req_s, url
from rollout.pages.gate_rows import mini_gate
from rollout.pages.heads import Beside
from rollout.pages.states import target_words
from rollout.queries import MigrationView


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
        wide=True,
        slug=slug,
        title=f"Promote {slug} to {target}",
        intro="Users’ traffic moves as soon as you confirm. You can roll back at any time.",
        action_url=url("promote", slug),
        back_url=url("overview", slug),
        button=f"Promote to {target}",
        busy="Promoting…",
        consequence="If something is wrong afterwards, roll back: one click, no gate.",
        version=view.migration.version,
        confirm=promote_words(view),
        now_percent=beside.share,
        now_words=words.share(beside.share),
        now_note=req_s(beside.rps, beside.share),
        after_percent=float(weight),
        after_words=f"{weight}%",
        after_note=req_s(beside.rps, float(weight), about="about "),
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
        action_url=url("start", slug),
        back_url=url("overview", slug),
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
        action_url=url("hold", slug),
        back_url=url("overview", slug),
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
        action_url=url("resume", slug),
        back_url=url("overview", slug),
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
