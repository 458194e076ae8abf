"""The form of roll back, and the picker that any page can open."""

from collections.abc import Sequence

from django.urls import reverse

from rollout.lifecycle import Phase
from rollout.pages import words
from rollout.pages.access import Reader
from rollout.pages.contexts.dialog import Dialog, PickRow, Target
from rollout.pages.contexts.parts import Choice
from rollout.pages.dialogs.base import refuse, req_s, url
from rollout.pages.forms import ROLL_BACK_REASONS
from rollout.pages.heads import Beside
from rollout.pages.states import said_of, standing_of_row
from rollout.queries import MigrationView
from rollout.readings import NavRow
from shadow.models import ProbeResult

SUGGESTED = {"discrepancy": "Mismatch", "errors": "Errors", "error_codes": "Errors"}


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
        action_url=url("roll_back", slug),
        back_url=url("overview", slug),
        button="Roll back",
        busy="Rolling back…",
        consequence="Takes about 1 s. It stays there, held, until someone resumes it.",
        version=view.migration.version,
        now_percent=beside.share,
        now_words=words.share(beside.share),
        now_note=req_s(beside.rps, beside.share),
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
