"""The verbs that move traffic. GET shows a form; POST acts once."""

from dataclasses import replace

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from rollout import queries, readings, services
from rollout.exceptions import ConflictError
from rollout.lifecycle import Action
from rollout.models import Decision
from rollout.pages import dialogs
from rollout.pages.access import Reader, page
from rollout.pages.acting import (
    Verb,
    answer,
    conflict,
    done,
    form_page,
    record_denied,
    with_version,
)
from rollout.pages.contexts.dialog import Dialog
from rollout.pages.forms import ConfirmForm, ReasonForm, RollBackForm
from rollout.pages.migration import beside, view_of

both = require_http_methods(["GET", "HEAD", "POST"])


@both
@page
def promote(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Go one place to the right: a reason and the typed slug and weight."""
    view = view_of(slug, reader)
    dialog = dialogs.promote(view, beside(view), reader.zone)
    form = ConfirmForm(request.POST, expected=dialog.confirm)
    call = with_version(services.promote)
    return answer(
        request, reader, Verb(Action.PROMOTE, dialog, form, call, team=view.migration.team)
    )


@both
@page
def start(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Begin dual-run."""
    view = view_of(slug, reader)
    call = with_version(services.start)
    verb = Verb(Action.START, dialogs.start(view), ReasonForm(request.POST), call)
    return answer(request, reader, replace(verb, team=view.migration.team))


@both
@page
def hold(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Stop advancing."""
    view = view_of(slug, reader)
    call = with_version(services.hold)
    verb = Verb(Action.HOLD, dialogs.hold(view), ReasonForm(request.POST), call)
    return answer(request, reader, replace(verb, team=view.migration.team))


@both
@page
def resume(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Allow advancing again."""
    view = view_of(slug, reader)
    call = with_version(services.resume)
    verb = Verb(Action.RESUME, dialogs.resume(view), ReasonForm(request.POST), call)
    return answer(request, reader, replace(verb, team=view.migration.team))


@both
@page
def roll_back(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Give the traffic back to legacy: no gate, no version, no second person."""
    form = RollBackForm(request.POST)
    if request.method == "POST" and reader.can(Action.ROLL_BACK) and form.is_valid():
        return _roll_back_now(request, reader, slug, form)
    view = view_of(slug, reader)
    dialog = dialogs.roll_back(view, beside(view), probes=queries.probes(view.migration))
    verb = Verb(Action.ROLL_BACK, dialog, form, _roll_back, team=view.migration.team)
    return answer(request, reader, verb)


def _roll_back(slug: str, form: Form, reader: Reader) -> Decision | None:
    return services.roll_back(
        slug=slug,
        to_weight=form.cleaned_data["to"] or 0,
        reason=form.words() if isinstance(form, RollBackForm) else "",
        actor=reader.actor,
        now=reader.now,
        request_id=reader.request_id,
    )


def _roll_back_now(
    request: HttpRequest, reader: Reader, slug: str, form: RollBackForm
) -> HttpResponse:
    """Act before anything is read for a page: nothing that fails there may stand in the way."""
    try:
        decision = _roll_back(slug, form, reader)
    except ConflictError as exc:
        record_denied(Action.ROLL_BACK, slug, exc.code, reader)
        view = view_of(slug, reader)
        dialog = dialogs.roll_back(view, beside(view), probes=())
        return conflict(request, reader, Verb(Action.ROLL_BACK, dialog, form, _roll_back), exc)
    empty = Dialog("roll_back", slug, "", "", "", "", "", "", "", 0)
    return done(request, reader, Verb(Action.ROLL_BACK, empty, form, _roll_back), decision)


@require_safe
@page
def roll_back_any(request: HttpRequest, reader: Reader) -> HttpResponse:
    """GET /rollback/?m=: the roll back form with a picker, reachable from every page."""
    rows = readings.fleet_rows()
    picks = dialogs.picks(rows, chosen=request.GET.get("m", ""), reader=reader)
    picked = next((p.slug for p in picks if p.chosen), "")
    if not picked:
        return form_page(request, reader, dialogs.nothing_to_roll_back())
    view = view_of(picked, reader)
    dialog = dialogs.roll_back(view, beside(view), probes=queries.probes(view.migration))
    if not reader.can(Action.ROLL_BACK):
        refusal = dialogs.no_permission("roll back", reader, view.migration.team, Action.ROLL_BACK)
        dialog = dialogs.refuse(dialog, refusal)
    return form_page(request, reader, replace(dialog, picks=picks, back_url=reverse("pages:fleet")))
