"""The verbs. GET shows a form (a dialog over the page, or a page of its own); POST acts once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from rollout import queries, readings, services
from rollout.exceptions import ConflictError, InvalidError, StaleVersionError
from rollout.lifecycle import Action
from rollout.models import Decision
from rollout.pages import dialogs, words
from rollout.pages.access import Reader, page
from rollout.pages.contexts import Banner, Dialog
from rollout.pages.forms import PromoteForm, ReasonForm, RollBackForm
from rollout.pages.migration import beside, view_of
from rollout.pages.shell import build_shell, show
from rollout.queries import MigrationView

Call = Callable[[str, Form, Reader], Decision | None]
VERBS = {
    Action.START: "start a dual-run",
    Action.PROMOTE: "promote",
    Action.HOLD: "hold",
    Action.RESUME: "resume",
    Action.ROLL_BACK: "roll back",
}


@require_http_methods(["GET", "HEAD", "POST"])
@page
def promote(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Go one place to the right: a reason and the typed slug and weight."""
    view = view_of(slug, reader)
    dialog = dialogs.promote(view, beside(view), reader.zone)
    form = PromoteForm(request.POST, expected=dialog.confirm)
    return _answer(
        request, reader, view, Verb(Action.PROMOTE, dialog, form, _with_version(services.promote))
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page
def start(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Begin dual-run."""
    view = view_of(slug, reader)
    form = ReasonForm(request.POST)
    return _answer(
        request,
        reader,
        view,
        Verb(Action.START, dialogs.start(view), form, _with_version(services.start)),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page
def hold(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Stop advancing."""
    view = view_of(slug, reader)
    form = ReasonForm(request.POST)
    return _answer(
        request,
        reader,
        view,
        Verb(Action.HOLD, dialogs.hold(view), form, _with_version(services.hold)),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page
def resume(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Allow advancing again."""
    view = view_of(slug, reader)
    form = ReasonForm(request.POST)
    return _answer(
        request,
        reader,
        view,
        Verb(Action.RESUME, dialogs.resume(view), form, _with_version(services.resume)),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page
def roll_back(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Give the traffic back to legacy: no gate, no version, no second person."""
    form = RollBackForm(request.POST)
    if request.method == "POST" and reader.can(Action.ROLL_BACK) and form.is_valid():
        return _roll_back_now(request, reader, slug, form)
    view = view_of(slug, reader)
    dialog = dialogs.roll_back(view, beside(view), probes=queries.probes(view.migration))
    return _answer(request, reader, view, Verb(Action.ROLL_BACK, dialog, form, _roll_back))


@require_safe
@page
def roll_back_any(request: HttpRequest, reader: Reader) -> HttpResponse:
    """GET /rollback/?m=: the roll back form with a picker, reachable from every page."""
    rows = readings.fleet_rows()
    picks = dialogs.picks(rows, chosen=request.GET.get("m", ""), reader=reader)
    picked = next((p.slug for p in picks if p.chosen), "")
    if not picked:
        return _form(request, reader, dialogs.nothing_to_roll_back())
    view = view_of(picked, reader)
    dialog = dialogs.roll_back(view, beside(view), probes=queries.probes(view.migration))
    if not reader.can(Action.ROLL_BACK):
        team = view.migration.team
        dialog = dialogs.refuse(dialog, dialogs.no_permission("roll back", reader, team))
    back = reverse("pages:fleet")
    return _form(request, reader, replace(dialog, picks=picks, back_url=back))


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb as posted: its form, what it shows, and the service call that does it."""

    action: Action
    dialog: Dialog
    form: Form
    call: Call


def _answer(request: HttpRequest, reader: Reader, view: MigrationView, verb: Verb) -> HttpResponse:
    if not reader.can(verb.action):
        return _forbidden(request, reader, view, verb)
    if request.method != "POST":
        return _form(request, reader, verb.dialog)
    if not verb.form.is_valid():
        return _again(request, reader, verb)
    slug = view.migration.slug
    try:
        decision = verb.call(slug, verb.form, reader)
    except InvalidError as exc:
        return _form(request, reader, _with_error(verb, exc.field or "", exc.detail), status=422)
    except ConflictError as exc:
        _record(verb.action, slug, exc.code, reader)
        return _conflict(request, reader, verb, exc)
    return _done(request, reader, slug, decision)


def _with_version(service: Callable[..., Decision | None]) -> Call:
    """Wrap a service whose form carries a reason and the version that the person saw."""

    def call(slug: str, form: Form, reader: Reader) -> Decision | None:
        return service(
            slug=slug,
            version=form.cleaned_data["version"],
            reason=form.cleaned_data["reason"],
            actor=reader.actor,
            now=reader.now,
            request_id=reader.request_id,
        )

    return call


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
        _record(Action.ROLL_BACK, slug, exc.code, reader)
        view = view_of(slug, reader)
        dialog = dialogs.roll_back(view, beside(view), probes=())
        return _conflict(request, reader, Verb(Action.ROLL_BACK, dialog, form, _roll_back), exc)
    return _done(request, reader, slug, decision)


def _again(request: HttpRequest, reader: Reader, verb: Verb) -> HttpResponse:
    field, problems = next(iter(verb.form.errors.items()))
    return _form(request, reader, _with_error(verb, field, str(problems[0])), status=422)


def _with_error(verb: Verb, field: str, text: str) -> Dialog:
    shown = field if field in {"reason", "confirm"} else ""
    return replace(
        verb.dialog,
        error=text,
        error_field=shown,
        reason=str(verb.form.data.get("reason", "")),
        confirm_typed=str(verb.form.data.get("confirm", "")),
    )


def _form(
    request: HttpRequest, reader: Reader, dialog: Dialog, *, status: int = 200
) -> HttpResponse:
    if reader.htmx:
        return show(request, "dialogs/dialog.html", {"dialog": dialog}, status=status)
    shell = build_shell(reader, at=dialog.slug, live=False)
    return show(request, "pages/action.html", {"dialog": dialog}, shell=shell, status=status)


def _forbidden(
    request: HttpRequest, reader: Reader, view: MigrationView, verb: Verb
) -> HttpResponse:
    said = dialogs.no_permission(VERBS[verb.action], reader, view.migration.team)
    refused = dialogs.refuse(verb.dialog, said)
    if request.method == "POST":
        _record(verb.action, view.migration.slug, "forbidden", reader)
        return _form(request, replace(reader, htmx=False), refused, status=403)
    return _form(request, reader, refused)


def _record(action: Action, slug: str, code: str, reader: Reader) -> None:
    services.record_denied(
        slug=slug,
        action=action,
        actor=reader.actor,
        code=code,
        now=reader.now,
        request_id=reader.request_id,
    )


def _conflict(request: HttpRequest, reader: Reader, verb: Verb, exc: ConflictError) -> HttpResponse:
    """Answer 409 with one banner; the dialog closes and nothing is tried again by itself."""
    conflict = _conflict_banner(verb, exc, reader)
    if not reader.htmx:
        shell = build_shell(reader, at=verb.dialog.slug, live=False)
        context = {"dialog": verb.dialog, "conflict": conflict}
        return show(request, "pages/action.html", context, shell=shell, status=409)
    response = show(request, "components/conflict.html", {"conflict": conflict}, status=409)
    response.headers["HX-Retarget"] = "#notices"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _conflict_banner(verb: Verb, exc: ConflictError, reader: Reader) -> Banner:
    slug = verb.dialog.slug
    title, text = f"Not {dialogs.PAST[verb.action]}.", exc.detail
    moved_by, moved_at = exc.extra.get("moved_by"), exc.extra.get("moved_at")
    if isinstance(exc, StaleVersionError) and moved_by and moved_at:
        at = words.clock(datetime.fromisoformat(moved_at), reader.zone, seconds=True)
        did = dialogs.PAST.get(Action(exc.extra["action"]), "changed")
        title = f"{title} {moved_by} {did} {slug} at {at}, after you opened this page."
        text = "Nothing was changed by you. Review the current state, then decide again."
    return Banner(
        status="fail",
        title=title,
        text=text.removeprefix(f"{title} "),
        tone="fail",
        url=reverse("pages:overview", args=[slug]),
        action="Load current state",
    )


def _done(
    request: HttpRequest, reader: Reader, slug: str, decision: Decision | None
) -> HttpResponse:
    to = reverse("pages:overview", args=[slug])
    if decision is None:
        messages.info(request, f"{slug} was there already. Nothing changed.")
    else:
        weight = decision.to_place["weight"]
        back = reverse("pages:roll_back", args=[slug]) if weight else ""
        done = _done_words(Action(decision.action), weight)
        text = f"{slug} {done}. Entry #{decision.entry_id} recorded."
        messages.success(request, text, extra_tags=back)
    if reader.htmx:
        return HttpResponse(status=204, headers={"HX-Redirect": to})
    return HttpResponseRedirect(to)


def _done_words(action: Action, weight: int) -> str:
    return {
        Action.START: "is in dual-run",
        Action.PROMOTE: f"moves to {weight}%",
        Action.HOLD: f"is held at {weight}%",
        Action.RESUME: f"is resumed at {weight}%",
        Action.ROLL_BACK: f"rolls back to {weight}%",
    }.get(action, "changed")
