"""One gate as a page of its own: what it says now, and every change of its verdict."""

import json

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from judge.evidence import Evidence
from rollout import readings
from rollout.models import GateEvaluation
from rollout.pages import words
from rollout.pages.access import Reader, page
from rollout.pages.contexts.gate_page import GatePage, VerdictRow
from rollout.pages.gate_rows import one_gate, plain
from rollout.pages.migration import build_head, view_of
from rollout.pages.shell import build_shell, show
from rollout.pages.states import said_of

SHOWN = 25


@require_safe
@page
def gate(request: HttpRequest, reader: Reader, slug: str, gate: str) -> HttpResponse:
    """GET /m/<slug>/gates/<gate>/?before=<id>."""
    view = view_of(slug, reader)
    result = next((r for r in view.gates if r.key == gate), None)
    if result is None:
        raise Http404(f"There is no gate {gate}.")
    before = request.GET.get("before", "")
    rows = readings.verdict_history(
        migration_id=view.migration.pk,
        gate=gate,
        before=int(before) if before.isdecimal() else None,
        limit=SHOWN + 1,
    )
    here = reverse("pages:gate", args=[slug, gate])
    built = GatePage(
        head=build_head(view, reader, "overview"),
        title=result.title,
        row=one_gate(result, view, reader),
        history=tuple(_row(row, reader) for row in rows[:SHOWN]),
        older_url=f"{here}?before={rows[SHOWN - 1].pk}" if len(rows) > SHOWN else "",
        raw=json.dumps(result.evidence.to_dict(), indent=1),
        download_url=reverse("pages:evidence", args=[slug, gate]),
    )
    shell = build_shell(reader, at=slug)
    return show(request, "pages/gate.html", {"page": built}, shell=shell)


def _row(row: GateEvaluation, reader: Reader) -> VerdictRow:
    evidence = Evidence.from_dict(row.evidence)
    state = said_of(evidence)
    legacy, _, candidate = row.builds.partition("|")
    return VerdictRow(
        since=words.moment_words(row.first_at, reader.zone, reader.now),
        until="now" if row.latest else words.moment_words(row.at, reader.zone, reader.now),
        route=row.route,
        status=state.status,
        word=state.word,
        sentence=plain(row.gate, evidence),
        n=words.count(evidence.n) if evidence.n else "",
        builds=f"{legacy} to {candidate}",
        sha256=words.short_hash(row.evidence_sha256),
    )
