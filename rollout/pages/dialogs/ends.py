"""The forms of the two ends: legacy is switched off, or the candidate is given up."""

from datetime import tzinfo

from rollout.lifecycle import Phase
from rollout.pages import words
from rollout.pages.closed import end_note
from rollout.pages.contexts.dialog import Dialog
from rollout.pages.contexts.parts import Fact
from rollout.pages.dialogs.base import refuse, url
from rollout.pages.gate_rows import mini_gate
from rollout.pages.heads import Beside
from rollout.queries import MigrationView


def decommission(view: MigrationView, beside: Beside, zone: tzinfo) -> Dialog:
    """Build the form that declares legacy gone: there is no way back from here."""
    slug = view.migration.slug
    required = [r for r in view.gates if r.required]
    passing = sum(1 for r in required if not r.blocks)
    dialog = Dialog(
        verb="decommission",
        slug=slug,
        title=f"Decommission legacy of {slug}",
        intro="The candidate stays alone. There is no roll back afterwards.",
        action_url=url("decommission", slug),
        back_url=url("overview", slug),
        button="Decommission legacy",
        busy="Decommissioning…",
        consequence="Banyan checks once more that nobody is answered by legacy.",
        version=view.migration.version,
        tone="danger",
        wide=True,
        now_percent=beside.share,
        now_words=words.share(beside.share),
        gates=tuple(mini_gate(r) for r in required),
        gates_title=f"{passing} of {len(required)} gates pass",
        gates_note=f"Measured {words.clock(view.now, zone, seconds=True)}, again when you confirm",
        gates_status="pass" if passing == len(required) else "inc",
        confirm=f"{slug} decommission",
    )
    if closed := end_note(view):
        return refuse(dialog, closed)
    return dialog


def abandon(view: MigrationView) -> Dialog:
    """Build the form that gives the candidate up."""
    slug = view.migration.slug
    dialog = Dialog(
        verb="abandon",
        slug=slug,
        title=f"Give up {slug}",
        intro="The dual-run ends, the candidate gets no more copies. No user notices.",
        action_url=url("abandon", slug),
        back_url=url("overview", slug),
        button="Give up",
        busy="Ending…",
        consequence="The log and the evidence stay. A new migration can begin any time.",
        version=view.migration.version,
        tone="danger",
        gates_title="Afterwards",
        effects=(
            Fact("Users", "stay on legacy", status="pass"),
            Fact("Copies and comparison", "end", status="hold"),
        ),
    )
    if view.place.phase is not Phase.DUAL_RUN:
        return refuse(dialog, "Only a dual-run can be given up. Roll back to 0% first.")
    return dialog
