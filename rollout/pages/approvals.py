"""Approvals: what waits for the reader, what the reader asked for, what was decided lately."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from rollout import oversight, services
from rollout.exceptions import NotFoundError
from rollout.lifecycle import Action
from rollout.models import Approval, Review
from rollout.pages import dialogs, words
from rollout.pages.access import Reader, page
from rollout.pages.acting import Call, Verb, answer
from rollout.pages.contexts.approvals import ApprovalCard, ApprovalRow, Approvals
from rollout.pages.contexts.parts import Fact
from rollout.pages.dialogs.consent import terms_of, what
from rollout.pages.forms import AnswerForm
from rollout.pages.gate_rows import mini_gate
from rollout.pages.migration import beside, view_of
from rollout.pages.shell import build_shell, show

both = require_http_methods(["GET", "HEAD", "POST"])
DECIDED_DAYS = 7
SHOWN = 20
ON_FAIL = {"roll_back": "rolls back", "hold": "holds"}
OVER = {
    Approval.State.USED: ("pass", "{approver} approved {requester}’s request, and it was made."),
    Approval.State.DECLINED: ("fail", "{approver} declined: “{answer}”"),
    Approval.State.WITHDRAWN: ("none", "{requester} withdrew it."),
    Approval.State.EXPIRED: ("stale", "Ended by itself: {why}."),
}


@require_safe
@page
def approvals(request: HttpRequest, reader: Reader) -> HttpResponse:
    """GET /approvals/."""
    shell = build_shell(reader, section="approvals")
    return show(request, "pages/approvals.html", {"page": _approvals(reader)}, shell=shell)


@require_safe
@page
def parts(request: HttpRequest, reader: Reader) -> HttpResponse:
    """GET the lists alone."""
    return show(request, "fragments/approvals.html", {"page": _approvals(reader)})


def _approvals(reader: Reader) -> Approvals:
    waiting = sorted(
        oversight.approvals_waiting(name=reader.name, now=reader.now),
        key=lambda found: found.expires_at,
    )
    open_ = oversight.approvals().filter(state__in=Approval.OPEN, expires_at__gt=reader.now)
    mine = list(open_.filter(requester=reader.name)[:SHOWN])
    since = reader.now - timedelta(days=DECIDED_DAYS)
    decided = oversight.approvals().filter(requested_at__gt=since)
    decided = decided.exclude(state__in=Approval.OPEN, expires_at__gt=reader.now)
    reviews = oversight.reviews().filter(closed_at=None)[:SHOWN]
    return Approvals(
        summary=_summary(len(waiting), len(mine)),
        waiting=tuple(_card(found, reader) for found in waiting[:5]),
        mine=tuple(_mine(found, reader) for found in mine),
        reviews=tuple(_review(found, reader) for found in reviews),
        decided=tuple(_decided(found, reader) for found in decided[:SHOWN]),
    )


def _summary(waiting: int, mine: int) -> str:
    verb = "waits" if waiting == 1 else "wait"
    for_you = f"{words.plural(waiting, 'request')} {verb} for you" if waiting else "Nothing waits"
    return f"{for_you}, you wait for {mine}. Whoever asks cannot approve."


def _card(found: Approval, reader: Reader) -> ApprovalCard:
    view = view_of(found.migration.slug, reader)
    near = beside(view)
    required = [r for r in view.gates if r.required]
    passing = sum(1 for r in required if not r.blocks)
    weight = float(found.to_place.get("weight", 0))
    left = words.duration((found.expires_at - reader.now).total_seconds())
    policy = view.policy
    fails = "to 0%" if policy.on_fail_to == "zero" else "one step back"
    acts = ON_FAIL[policy.on_fail] + (f" {fails}" if policy.on_fail == "roll_back" else "")
    return ApprovalCard(
        slug=found.migration.slug,
        what=what(found),
        status="over" if found.action == Action.OVERRIDE else "go",
        expires=f"Expires in {left}",
        asked=f"asked {words.clock(found.requested_at, reader.zone)} by {found.requester}",
        now_percent=near.share,
        now_words=words.share(near.share),
        after_percent=weight,
        after_words=f"{weight:.0f}%",
        quote=found.reason,
        facts=(
            Fact(
                "Asked by",
                f"{found.requester}, {words.clock(found.requested_at, reader.zone, seconds=True)}",
            ),
            Fact("If a gate fails", f"Banyan {acts}"),
            *terms_of(found, reader.zone),
        ),
        gates=tuple(mini_gate(r) for r in required),
        gates_status="pass" if passing == len(required) else "inc",
        gates_title=f"{passing} of {len(required)} gates pass",
        gates_note=f"measured for you at {words.clock(view.now, reader.zone, seconds=True)}",
        approve_url=reverse("pages:grant", args=[found.pk]),
        decline_url=reverse("pages:decline", args=[found.pk]),
        can_answer=reader.can(Action.GRANT_APPROVAL),
    )


def _mine(found: Approval, reader: Reader) -> ApprovalRow:
    granted = found.state == Approval.State.GRANTED
    text = (
        f"{found.approver} approved it. Make the move on the migration’s page."
        if granted
        else "Waiting for a second person. Nothing has moved."
    )
    return ApprovalRow(
        status="go" if granted else "over" if found.action == Action.OVERRIDE else "col",
        slug=found.migration.slug,
        what=what(found),
        text=f"{text} “{found.reason}”",
        end=f"expires {words.clock(found.expires_at, reader.zone)}",
        action="Withdraw",
        action_url=reverse("pages:withdraw", args=[found.pk]),
    )


def _decided(found: Approval, reader: Reader) -> ApprovalRow:
    state = Approval.State(found.state)
    if state in Approval.OPEN:
        state = Approval.State.EXPIRED
    status, text = OVER[state]
    why = oversight.ENDED.get(found.ended_because or "approval_expired", found.ended_because)
    at = found.answered_at or min(found.expires_at, reader.now)
    return ApprovalRow(
        status=status,
        slug=found.migration.slug,
        what=what(found),
        text=text.format(
            approver=found.approver, requester=found.requester, answer=found.answer, why=why
        ),
        end=words.moment_words(at, reader.zone, reader.now),
    )


def _review(found: Review, reader: Reader) -> ApprovalRow:
    may = reader.can(Action.CLOSE_REVIEW) and found.opened_by != reader.name
    return ApprovalRow(
        status="over",
        slug=found.migration.slug,
        what=f"review of entry #{found.entry_id}, {found.get_cause_display().lower()}",
        text=f"{found.opened_by}: {found.detail}",
        end=words.moment_words(found.opened_at, reader.zone, reader.now),
        action="Close…" if may else "",
        action_url=reverse("pages:close_review", args=[found.pk]) if may else "",
    )


@both
@page
def grant(request: HttpRequest, reader: Reader, number: int) -> HttpResponse:
    """Agree to what another person asked for."""
    found = _approval(number)
    view = view_of(found.migration.slug, reader)
    dialog = dialogs.grant(view, found, beside(view), reader.zone)
    call = _answered(services.grant_approval, "answer", approval_id=number)
    return _answer(
        request,
        reader,
        Verb(Action.GRANT_APPROVAL, dialog, _form(request), call),
        "Approved. Whoever asked can make the move now.",
    )


@both
@page
def decline(request: HttpRequest, reader: Reader, number: int) -> HttpResponse:
    """Say no, and why."""
    dialog = dialogs.decline(_approval(number))
    call = _answered(services.decline_approval, "answer", approval_id=number)
    return _answer(
        request,
        reader,
        Verb(Action.DECLINE_APPROVAL, dialog, _form(request), call),
        "Declined. Nothing moved.",
    )


@both
@page
def withdraw(request: HttpRequest, reader: Reader, number: int) -> HttpResponse:
    """Take an own request back."""
    dialog = dialogs.withdraw(_approval(number))
    call = _answered(services.withdraw_approval, "reason", approval_id=number)
    return _answer(
        request,
        reader,
        Verb(Action.WITHDRAW_APPROVAL, dialog, _form(request), call),
        "Withdrawn. Nothing moved.",
    )


@both
@page
def close_review(request: HttpRequest, reader: Reader, number: int) -> HttpResponse:
    """Say what the review found."""
    try:
        found = oversight.get_review(number)
    except NotFoundError as exc:
        raise Http404(exc.detail) from exc
    dialog = dialogs.close_review(found, reader.zone)
    call = _answered(services.close_review, "text", review_id=number)
    return _answer(
        request,
        reader,
        Verb(Action.CLOSE_REVIEW, dialog, _form(request), call),
        "The review is closed.",
    )


def _form(request: HttpRequest) -> AnswerForm:
    return AnswerForm(request.POST)


def _approval(number: int) -> Approval:
    try:
        return oversight.get_approval(number)
    except NotFoundError as exc:
        raise Http404(exc.detail) from exc


def _answer(request: HttpRequest, reader: Reader, verb: Verb, text: str) -> HttpResponse:
    to = reverse("pages:approvals")
    return answer(request, reader, replace(verb, said=lambda _made: text, to=to))


def _answered(service: Callable[..., Any], text_name: str, **about: int) -> Call:
    def call(_slug: str, form: Form, reader: Reader) -> Any:
        return service(
            actor=reader.actor,
            now=reader.now,
            request_id=reader.request_id,
            **about,
            **{text_name: form.cleaned_data["reason"]},
        )

    return call
