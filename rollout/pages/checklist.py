"""The checklist page: seven items, each with its verdict, last and next run, and raw evidence."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from rollout import services
from rollout.exceptions import RefusalError
from rollout.gates import CHECKLIST_GROUP, GateResult
from rollout.lifecycle import LIVE, Action
from rollout.models import Waiver
from rollout.pages import words
from rollout.pages.access import Reader, page
from rollout.pages.contexts.checklist import Checklist, ChecklistRow, FindingRow
from rollout.pages.gate_rows import URGENCY, detail_of, measured_of, plain
from rollout.pages.migration import build_head, view_of
from rollout.pages.shell import build_shell, show
from rollout.pages.states import Said, said_of
from rollout.queries import MigrationView
from shadow.models import CheckRun
from shadow.readings import CheckState, check_history, check_states

OVER = Said("over", "Waived")
SEVERITIES = {
    "breaking": ("fail", "Breaks"),
    "warning": ("inc", "Look at it"),
    "note": ("none", "Note"),
}
FINDINGS_SHOWN = 25
CONTINUOUS = frozenset({"discrepancy", "latency"})
LEADS = {
    "discrepancy": "Answers of both sides to the same requests are compared by the rules of their "
    "route. The share that differs must be shown to be below the limit, for long enough.",
    "latency": "Each percentile of the candidate must be shown to be below legacy’s, on the same "
    "sampled requests, measured by the proxy in microseconds.",
    "schema": "Both OpenAPI documents are compared, then generated and recorded requests are sent "
    "to both: what was accepted must be accepted, what was read must be readable.",
    "error_codes": "The same wrong requests are sent to both sides. Status, shape and message of "
    "each refusal are compared by rule.",
    "health": "Health and readiness are asked in each state that can be provoked: up, starting, "
    "draining, a dependency down.",
    "log_format": "Log lines of both are read: fields, types, formats and levels. What a parser "
    "made for legacy could not read counts against the candidate.",
    "load": "The mirror is amplified until the candidate gets twice the measured peak, in steps, "
    "and stopped at once when users or the candidate suffer.",
}


@require_safe
@page
def checklist(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET /m/<slug>/checklist/?open=<item>."""
    context = {"page": _checklist(request, reader, slug)}
    return show(request, "pages/checklist.html", context, shell=build_shell(reader, at=slug))


@require_safe
@page
def parts(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET the list alone."""
    context = {"page": _checklist(request, reader, slug)}
    return show(request, "fragments/checklist.html", context)


@require_POST
@page
def run(request: HttpRequest, reader: Reader, slug: str, item: str) -> HttpResponse:
    """Ask for a run of one check, or of all with the item "all"."""
    asked = [item]
    if item == "all":
        pair = view_of(slug, reader).migration.pair
        asked = [state.check.item for state in check_states(pairs=[pair])[pair.pk]]
    try:
        for name in asked:
            services.run_check(slug=slug, item=name, actor=reader.actor, now=reader.now)
        messages.success(request, f"{words.plural(len(asked), 'check')} asked for.")
    except RefusalError as exc:
        messages.error(request, exc.detail)
    return _back(request, slug, item)


@require_POST
@page
def stop(request: HttpRequest, reader: Reader, slug: str, item: str) -> HttpResponse:
    """Stop a run; what it found so far is dropped."""
    try:
        services.stop_check(slug=slug, item=item, actor=reader.actor, now=reader.now)
        messages.success(request, "Stopped. It left no result.")
    except RefusalError as exc:
        messages.error(request, exc.detail)
    return _back(request, slug, item)


@require_safe
@page
def evidence(
    request: HttpRequest, reader: Reader, slug: str, item: str
) -> HttpResponse:  # a page has a request
    """GET the newest evidence of one item as a JSON file."""
    view = view_of(slug, reader)
    result = next((r for r in view.gates if r.key == item), None)
    if result is None:
        raise Http404(f"There is no gate {item}.")
    runs = check_history(pair=view.migration.pair, item=item, limit=1)
    document = {**result.to_dict(), "run": runs[0].result if runs else None}
    response = JsonResponse(document, json_dumps_params={"indent": 1})
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}-{item}.json"'
    return response


def _back(request: HttpRequest, slug: str, item: str) -> HttpResponse:
    to = reverse("pages:checklist", args=[slug]) + (f"?open={item}" if item != "all" else "")
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204, headers={"HX-Redirect": to})
    return HttpResponseRedirect(to)


def _checklist(request: HttpRequest, reader: Reader, slug: str) -> Checklist:
    view = view_of(slug, reader)
    pair = view.migration.pair
    states = {s.check.item: s for s in check_states(pairs=[pair])[pair.pk]}
    opened = request.GET.get("open", "")
    items = [r for r in view.gates if r.group == CHECKLIST_GROUP]
    rows = [_row(r, view, reader, states, opened) for r in items]
    rows.sort(key=lambda row: _order(row.status))
    good = sum(1 for row in rows if row.status in {"pass", "over"})
    waived = len(view.waived)
    note = f"{words.plural(waived, 'waiver')} in force" if waived else "no waiver in force"
    may_run = reader.can(Action.RUN_CHECK) and view.place.phase in LIVE and states
    return Checklist(
        head=build_head(view, reader, "checklist"),
        summary=f"{good} of {len(rows)} pass, {note}",
        rows=tuple(rows),
        run_all_url=reverse("pages:check_run", args=[slug, "all"]) if may_run else "",
        query=f"?open={opened}" if opened else "",
    )


def _order(status: str) -> int:
    return URGENCY.index(status) if status in URGENCY else URGENCY.index("pass")


def _row(
    result: GateResult,
    view: MigrationView,
    reader: Reader,
    states: Mapping[str, CheckState],
    opened: str,
) -> ChecklistRow:
    key, slug = result.key, view.migration.slug
    state = states.get(key)
    waiver = view.waived.get(key)
    said = OVER if waiver and result.evidence.verdict != "FAIL" else said_of(result.evidence)
    value, limit = _measured(result, state, said)
    last, last_note, following, next_note = _times(
        state, view, reader, continuous=key in CONTINUOUS
    )
    is_open = key == opened
    running = state.open_run if state else None
    may_run = state is not None and reader.can(Action.RUN_CHECK) and view.place.phase in LIVE
    here = reverse("pages:checklist", args=[slug])
    row = ChecklistRow(
        key=key,
        name=result.title,
        url=reverse("pages:load", args=[slug])
        if key == "load"
        else reverse("pages:gate", args=[slug, key]),
        detail=_detail(result, state),
        value=value,
        limit=limit,
        last=last,
        last_note=last_note,
        next=following,
        next_note=next_note,
        status="cur" if running else said.status,
        word="Running" if running else said.word,
        run_url=reverse("pages:check_run", args=[slug, key]) if may_run and not running else "",
        stop_url=reverse("pages:check_stop", args=[slug, key]) if may_run and running else "",
        toggle_url=here if is_open else f"{here}?open={key}",
        open=is_open,
        progress=100 * running.progress if running else None,
        doing=running.doing if running else "",
    )
    return _opened(row, result, view, reader, state, waiver) if is_open else row


def _measured(result: GateResult, state: CheckState | None, said: Said) -> tuple[str, str]:
    if state is None or state.latest is None:
        return measured_of(result, said)
    found = state.latest.result
    n, failed = found.get("n", 0), found.get("failed", 0)
    if not n:
        return "no data", ""
    return f"{words.count(n - failed)} of {words.count(n)}", "all must match"


def _detail(result: GateResult, state: CheckState | None) -> str:
    if state is None or state.latest is None:
        return detail_of(result)
    found = len(state.latest.result.get("findings", []))
    asked = words.plural(state.latest.result.get("n", 0), "question")
    return f"{asked} asked, {words.plural(found, 'finding')}"


def _times(
    state: CheckState | None, view: MigrationView, reader: Reader, *, continuous: bool
) -> tuple[str, str, str, str]:
    """Return when it ran last and how long it took, when it runs next and why."""
    if state is None and not continuous:
        return "never", "", "by hand", ""
    if state is None:
        at = words.clock(view.now, reader.zone, seconds=True)
        return at, "measured always", "continuous", "the clock runs on"
    latest = state.latest
    last, took = "never", ""
    if latest and latest.finished_at and latest.started_at:
        last = words.moment_words(latest.finished_at, reader.zone, view.now)
        took = f"took {words.duration((latest.finished_at - latest.started_at).total_seconds())}"
    if state.open_run:
        return last, took, "now", state.open_run.doing or "waits for a worker"
    due: datetime | None = state.due_at
    following = (
        "now" if due is None or due <= view.now else words.moment_words(due, reader.zone, view.now)
    )
    return last, took, following, f"every {words.duration(state.check.every_s)}, and per build"


def _opened(
    row: ChecklistRow,
    result: GateResult,
    view: MigrationView,
    reader: Reader,
    state: CheckState | None,
    waiver: Waiver | None,
) -> ChecklistRow:
    slug, key = view.migration.slug, result.key
    latest = state.latest if state else None
    found = latest.result if latest else {}
    findings = found.get("findings", [])
    may = reader.can(Action.WAIVE)
    waive = (
        reverse("pages:end_waiver" if waiver else "pages:waive", args=[slug, key]) if may else ""
    )
    return replace(
        row,
        lead=LEADS[key],
        sentence=latest.sentence if latest else plain(key, result.evidence),
        advice=tuple(found.get("advice", ())),
        findings=tuple(_finding(f) for f in findings[:FINDINGS_SHOWN]),
        findings_note=f"first {FINDINGS_SHOWN} of {len(findings)}"
        if len(findings) > FINDINGS_SHOWN
        else "",
        raw=json.dumps(latest.result.get("details", {}), indent=1)[:20_000]
        if latest
        else json.dumps(result.evidence.to_dict(), indent=1),
        foot=_foot(latest, waiver, view, reader),
        waive_url=waive,
        waive_label="End the waiver…" if waiver else "Waive…",
        download_url=reverse("pages:evidence", args=[slug, key]),
    )


def _finding(found: Mapping[str, str]) -> FindingRow:
    status, word = SEVERITIES.get(str(found.get("severity")), SEVERITIES["note"])
    return FindingRow(
        where=str(found.get("where", "")),
        sentence=str(found.get("sentence", "")),
        legacy=str(found.get("legacy", "")),
        candidate=str(found.get("candidate", "")),
        status=status,
        word=word,
    )


def _foot(
    latest: CheckRun | None, waiver: Waiver | None, view: MigrationView, reader: Reader
) -> str:
    parts: Sequence[str] = (
        f"Run {latest.pk}, holds until "
        f"{words.moment_words(latest.expires_at, reader.zone, view.now)}."
        if latest and latest.expires_at
        else "",
        f"Waived until {words.moment_words(waiver.expires_at, reader.zone, view.now)} "
        f"by {waiver.by}, entry #{waiver.entry_id}: “{waiver.reason}”"
        if waiver
        else "",
    )
    return " ".join(part for part in parts if part)
