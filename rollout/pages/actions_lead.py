"""The verbs of a lead and the two ends: override, reset, waive, decommission, abandon."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from rollout import oversight, services
from rollout.lifecycle import Action
from rollout.models import Decision
from rollout.pages import dialogs
from rollout.pages.access import Reader, page
from rollout.pages.acting import Call, Verb, answer, with_version
from rollout.pages.forms import (
    ConfirmForm,
    OverrideForm,
    ReasonForm,
    WaiveForm,
)
from rollout.pages.migration import beside, view_of
from rollout.policy import CHECKLIST
from rollout.queries import MigrationView
from rollout.services import OverrideTerms

both = require_http_methods(["GET", "HEAD", "POST"])


@both
@page
def override(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Ask for an override; once a second person approved it, make it."""
    view = view_of(slug, reader)
    approval = oversight.open_approval(view.migration, Action.OVERRIDE.value)
    if approval is None or approval.expires_at <= reader.now:
        return _request_override(request, reader, view)
    dialog = dialogs.override(view, beside(view), reader.zone, approval)
    form = ConfirmForm(request.POST, expected=dialog.confirm)
    call = with_version(services.override)
    return answer(
        request, reader, Verb(Action.OVERRIDE, dialog, form, call, team=view.migration.team)
    )


def _request_override(request: HttpRequest, reader: Reader, view: MigrationView) -> HttpResponse:
    posted = dict(request.POST.lists())
    dialog = dialogs.request_override(view, beside(view), reader.zone, posted)
    form = OverrideForm(request.POST, expected=dialog.confirm)

    def call(slug: str, form: Form, reader: Reader) -> Any:
        return services.request_approval(
            slug=slug,
            action=Action.OVERRIDE,
            version=form.cleaned_data["version"],
            reason=form.cleaned_data["reason"],
            actor=reader.actor,
            now=reader.now,
            request_id=reader.request_id,
            terms=OverrideTerms(
                gates=tuple(form.cleaned_data["gates"]),
                incident=form.cleaned_data["incident"],
                lifetime_s=form.cleaned_data["expires_in_s"],
            ),
        )

    verb = Verb(Action.OVERRIDE, dialog, form, call, team=view.migration.team)
    text = "Asked. Nothing moves until a second person approves."
    return answer(request, reader, replace(verb, said=lambda _made: text))


@both
@page
def reset(request: HttpRequest, reader: Reader, slug: str, gate: str) -> HttpResponse:
    """Let a latched FAIL be judged anew."""
    view = view_of(slug, reader)
    latch = next((row for row in view.latched if row.gate == gate), None)
    if latch is None:
        raise Http404(f"{gate} has no latched failure.")
    dialog = dialogs.reset(view, latch, reader.zone)
    call = about(services.reset_verdict, gate=gate)
    verb = Verb(Action.RESET, dialog, ReasonForm(request.POST), call, team=view.migration.team)
    return answer(request, reader, replace(verb, said=_entry_of("Judged anew from now on.")))


@both
@page
def waive(request: HttpRequest, reader: Reader, slug: str, item: str) -> HttpResponse:
    """Do without one checklist item."""
    if item not in CHECKLIST:
        raise Http404(f"{item} is no item of the checklist.")
    view = view_of(slug, reader)

    def call(slug: str, form: Form, reader: Reader) -> Decision:
        lifetime_s = form.cleaned_data["expires_in_s"]
        return about(services.waive, item=item, lifetime_s=lifetime_s)(slug, form, reader)  # type: ignore[no-any-return]

    dialog = dialogs.waive(view, item, reader.zone)
    verb = Verb(Action.WAIVE, dialog, WaiveForm(request.POST), call, team=view.migration.team)
    to = reverse("pages:checklist", args=[slug])
    return answer(request, reader, replace(verb, said=_entry_of("Waived."), to=to))


@both
@page
def end_waiver(request: HttpRequest, reader: Reader, slug: str, item: str) -> HttpResponse:
    """Ask for a waived item again."""
    view = view_of(slug, reader)
    waiver = view.waived.get(item)
    if waiver is None:
        raise Http404(f"{item} is not waived.")
    dialog = dialogs.end_waiver(view, waiver, reader.zone)
    call = about(services.end_waiver, item=item)
    form = ReasonForm(request.POST)
    verb = Verb(Action.END_WAIVER, dialog, form, call, team=view.migration.team)
    to = reverse("pages:checklist", args=[slug])
    return answer(request, reader, replace(verb, said=_entry_of("Asked for again."), to=to))


@both
@page
def decommission(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Declare legacy gone, with typed words and a second person."""
    view = view_of(slug, reader)
    dialog = dialogs.decommission(view, beside(view), reader.zone)
    form = ConfirmForm(request.POST, expected=dialog.confirm)
    call = about(services.decommission, confirm=dialog.confirm)
    verb = Verb(Action.DECOMMISSION, dialog, form, call, team=view.migration.team)
    return answer(request, reader, verb)


@both
@page
def abandon(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Give the candidate up while no user is on it."""
    view = view_of(slug, reader)
    dialog = dialogs.abandon(view)
    call = with_version(services.abandon)
    form = ReasonForm(request.POST)
    return answer(
        request, reader, Verb(Action.ABANDON, dialog, form, call, team=view.migration.team)
    )


@both
@page
def request_approval(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Ask a second person for the next move, or for the last one."""
    view = view_of(slug, reader)
    dialog = dialogs.request_promotion(view, beside(view), reader.zone)
    action = Action.DECOMMISSION if view.following is None else Action.PROMOTE
    call = about(services.request_approval, action=action)
    form = ReasonForm(request.POST)
    verb = Verb(Action.REQUEST_APPROVAL, dialog, form, call, team=view.migration.team)
    text = "Asked. Somebody else approves it on the Approvals page."
    return answer(request, reader, replace(verb, said=lambda _made: text))


def about(service: Callable[..., Any], **facts: Any) -> Call:
    """Wrap a service that is told what it is about besides reason and version."""

    def call(slug: str, form: Form, reader: Reader) -> Any:
        return service(
            slug=slug,
            version=form.cleaned_data["version"],
            reason=form.cleaned_data["reason"],
            actor=reader.actor,
            now=reader.now,
            request_id=reader.request_id,
            **facts,
        )

    return call


def _entry_of(text: str) -> Callable[[Decision], str]:
    return lambda made: f"{text} Entry #{made.entry_id} recorded."
