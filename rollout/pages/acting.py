"""How every verb is answered: GET shows its form, POST acts once, a lost race is one banner."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from rollout import services
from rollout.exceptions import ConflictError, ForbiddenError, InvalidError, StaleVersionError
from rollout.lifecycle import Action
from rollout.models import Decision
from rollout.pages import dialogs, words
from rollout.pages.access import Reader
from rollout.pages.contexts.dialog import Dialog
from rollout.pages.contexts.head import Banner
from rollout.pages.shell import build_shell, show

Call = Callable[[str, Form, Reader], Any]
VERBS = {
    Action.START: "start a dual-run",
    Action.ROLL_BACK: "roll back",
    Action.DECOMMISSION: "decommission legacy",
    Action.RESET: "reset a verdict",
    Action.CHANGE_POLICY: "change the policy",
    Action.CHANGE_RULES: "change rules",
    Action.END_WAIVER: "end a waiver",
    Action.REQUEST_APPROVAL: "ask for approval",
    Action.GRANT_APPROVAL: "approve",
    Action.DECLINE_APPROVAL: "decline",
    Action.WITHDRAW_APPROVAL: "withdraw",
    Action.CLOSE_REVIEW: "close a review",
}


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb as posted: its form, what it shows, and the service call that does it.

    `said` turns what the call returned into the toast's words, `to` is the page afterwards, the
    migration's overview when empty.
    """

    action: Action
    dialog: Dialog
    form: Form
    call: Call
    team: str = ""
    said: Callable[[Any], str] | None = None
    to: str = ""


def answer(request: HttpRequest, reader: Reader, verb: Verb) -> HttpResponse:
    """Show the form, or act once and go where the result is to be seen."""
    if not reader.can(verb.action):
        return _forbidden(request, reader, verb)
    if request.method != "POST":
        return form_page(request, reader, verb.dialog)
    if not verb.form.is_valid():
        return _again(request, reader, verb)
    return _act(request, reader, verb)


def _act(request: HttpRequest, reader: Reader, verb: Verb) -> HttpResponse:
    slug = verb.dialog.slug
    try:
        made = verb.call(slug, verb.form, reader)
    except InvalidError as exc:
        return form_page(
            request, reader, _with_error(verb, exc.field or "", exc.detail), status=422
        )
    except ForbiddenError as exc:
        record_denied(verb.action, slug, exc.code, reader)
        refused = dialogs.refuse(verb.dialog, exc.detail)
        return form_page(request, replace(reader, htmx=False), refused, status=403)
    except ConflictError as exc:
        record_denied(verb.action, slug, exc.code, reader)
        return conflict(request, reader, verb, exc)
    return done(request, reader, verb, made)


def with_version(service: Callable[..., Decision | None]) -> Call:
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


def _again(request: HttpRequest, reader: Reader, verb: Verb) -> HttpResponse:
    field, problems = next(iter(verb.form.errors.items()))
    return form_page(request, reader, _with_error(verb, field, str(problems[0])), status=422)


def _with_error(verb: Verb, field: str, text: str) -> Dialog:
    fields = {"reason", "confirm", "gates", *(found.name for found in verb.dialog.inputs)}
    shown = field if field in fields else ""
    return replace(
        verb.dialog,
        error=text,
        error_field=shown,
        reason=str(verb.form.data.get("reason", "")),
        confirm_typed=str(verb.form.data.get("confirm", "")),
    )


def form_page(
    request: HttpRequest, reader: Reader, dialog: Dialog, *, status: int = 200
) -> HttpResponse:
    """Show a form: a dialog over the page, or a page of its own without the script."""
    if reader.htmx:
        return show(request, "dialogs/dialog.html", {"dialog": dialog}, status=status)
    shell = build_shell(reader, at=dialog.slug, live=False)
    return show(request, "pages/action.html", {"dialog": dialog}, shell=shell, status=status)


def _forbidden(request: HttpRequest, reader: Reader, verb: Verb) -> HttpResponse:
    named = VERBS.get(verb.action, verb.action.value)
    said = dialogs.no_permission(named, reader, verb.team or "its team", verb.action)
    refused = dialogs.refuse(verb.dialog, said)
    if request.method == "POST":
        record_denied(verb.action, verb.dialog.slug, "forbidden", reader)
        return form_page(request, replace(reader, htmx=False), refused, status=403)
    return form_page(request, reader, refused)


def record_denied(action: Action, slug: str, code: str, reader: Reader) -> None:
    """Write the attempt into the ledger."""
    services.record_denied(
        slug=slug,
        action=action,
        actor=reader.actor,
        code=code,
        now=reader.now,
        request_id=reader.request_id,
    )


def conflict(request: HttpRequest, reader: Reader, verb: Verb, exc: ConflictError) -> HttpResponse:
    """Answer 409 with one banner; the dialog closes and nothing is tried again by itself."""
    banner = _conflict_banner(verb, exc, reader)
    if not reader.htmx:
        shell = build_shell(reader, at=verb.dialog.slug, live=False)
        context = {"dialog": verb.dialog, "conflict": banner}
        return show(request, "pages/action.html", context, shell=shell, status=409)
    response = show(request, "components/conflict.html", {"conflict": banner}, status=409)
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


def done(request: HttpRequest, reader: Reader, verb: Verb, made: Any) -> HttpResponse:
    """Say what happened, on the page where it can be seen."""
    slug = verb.dialog.slug
    to = verb.to or reverse("pages:overview", args=[slug])
    if verb.said is not None:
        messages.success(request, verb.said(made))
    elif made is None:
        messages.info(request, f"{slug} was there already. Nothing changed.")
    else:
        weight = made.to_place["weight"]
        back = reverse("pages:roll_back", args=[slug]) if weight else ""
        text = f"{slug} {_done_words(made)}. Entry #{made.entry_id} recorded."
        messages.success(request, text, extra_tags=back)
    if reader.htmx:
        return HttpResponse(status=204, headers={"HX-Redirect": to})
    return HttpResponseRedirect(to)


def _done_words(made: Decision) -> str:
    weight = made.to_place["weight"]
    return {
        Action.START: "is in dual-run",
        Action.PROMOTE: f"moves to {weight}%",
        Action.OVERRIDE: f"moves to {weight}%",
        Action.HOLD: f"is held at {weight}%",
        Action.RESUME: f"is resumed at {weight}%",
        Action.ROLL_BACK: f"rolls back to {weight}%",
        Action.DECOMMISSION: "stands alone, legacy is decommissioned",
        Action.ABANDON: "is given up",
    }.get(Action(made.action), "is changed")
