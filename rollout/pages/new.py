"""A new migration: name, addresses with a connection test, routes, policy; draft or dual-run."""

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from rollout import connection, services
from rollout.connection import Tested
from rollout.exceptions import ConflictError, RefusalError
from rollout.lifecycle import Action
from rollout.pages import words
from rollout.pages.access import Reader, page
from rollout.pages.acting import record_denied
from rollout.pages.contexts.new import Check, New, PolicyCard, RouteLine
from rollout.pages.forms import NewForm
from rollout.pages.shell import build_shell, show
from rollout.policy import PRESETS, Policy
from rollout.services import NewMigration, RouteInput

FIELDS = ("slug", "team", "title", "legacy_url", "candidate_url", "policy", "extra")
DEFAULT_POLICY = "guide"
ROUTE_PARTS = 2
CONFLICT = 409


@require_http_methods(["GET", "HEAD", "POST"])
@page
def new(request: HttpRequest, reader: Reader) -> HttpResponse:
    """GET the form; POST tests the connection, saves a draft, or starts the dual-run."""
    if not reader.can(Action.CREATE):
        said = "Viewers cannot create migrations. Ask an operator."
        messages.info(request, said)
        return HttpResponseRedirect(reverse("pages:fleet"))
    values = {name: str(request.POST.get(name, "")) for name in FIELDS}
    values["policy"] = values["policy"] or DEFAULT_POLICY
    if request.method != "POST":
        return _form(request, reader, values, {})
    if request.POST.get("do") == "test":
        return _test(request, reader, values)
    return _create(request, reader, values)


def _form(
    request: HttpRequest,
    reader: Reader,
    values: dict[str, str],
    errors: Mapping[str, str],
    *,
    tested: Tested | None = None,
    status: int = 200,
) -> HttpResponse:
    safe = set(request.POST.getlist("safe"))
    context = {"page": _page(values, errors, tested, safe, reader)}
    shell = build_shell(reader, section="new", live=False)
    return show(request, "pages/new.html", context, shell=shell, status=status)


def _page(
    values: dict[str, str],
    errors: Mapping[str, str],
    tested: Tested | None,
    safe: set[str],
    reader: Reader,
) -> New:
    routes = tested.routes if tested else ()
    found = tuple(
        RouteLine(
            method=r.method,
            path=r.path,
            why=_why(r),
            safe=f"{r.method} {r.path}" in safe or (r.reads and not safe),
            warn=not r.reads,
        )
        for r in routes
    )
    listed = {f"{r.method} {r.path}" for r in routes}
    kept = tuple(
        RouteLine(*_parts(name), why="Chosen before", safe=True, warn=False)
        for name in sorted(safe - listed)
        if " " in name
    )
    at = words.clock(reader.now, reader.zone, seconds=True)
    total = len(tested.findings) if tested else 0
    return New(
        values=values,
        errors=dict(errors),
        checks=tuple(Check(f.status, f.lead, f.text, f.note) for f in tested.findings)
        if tested
        else (),
        tested=f"{tested.passing} of {total} checks pass, tested {at}" if tested else "",
        routes=(*found, *kept),
        policies=tuple(_card(p, chosen=p.name == values["policy"]) for p in PRESETS.values()),
        can_start=True,
        why_closed="Both services are tested before the dual-run starts",
    )


def _parts(name: str) -> tuple[str, str]:
    method, _, path = name.partition(" ")
    return method, path


def _why(route: connection.FoundRoute) -> str:
    where = "" if route.on_both else ", not in the candidate’s document"
    return f"Read{where}" if route.reads else f"May write, someone has to vouch for it{where}"


def _card(policy: Policy, *, chosen: bool) -> PolicyCard:
    steps = ", ".join(str(w) for w in policy.weights)
    window = words.duration(policy.discrepancy.min_window_s)
    lines: tuple[str, ...] = (
        f"{window} of shadow traffic",
        f"{steps}%",
        f"{len(policy.gates)} gates, confidence {100 * (1 - policy.discrepancy.alpha_pass):g}%",
    )
    if ": " in policy.label:
        lines = (*lines, policy.label.partition(": ")[2])
    return PolicyCard(policy.name, policy.name.capitalize(), lines, chosen)


def _test(request: HttpRequest, reader: Reader, values: dict[str, str]) -> HttpResponse:
    try:
        tested = connection.check(
            legacy_url=values["legacy_url"], candidate_url=values["candidate_url"]
        )
    except RefusalError as exc:
        return _form(request, reader, values, {exc.field or "form": exc.detail}, status=422)
    return _form(request, reader, values, {}, tested=tested)


def _create(request: HttpRequest, reader: Reader, values: dict[str, str]) -> HttpResponse:
    form = NewForm(values)
    if not form.is_valid():
        errors = {name: str(problems[0]) for name, problems in form.errors.items()}
        return _form(request, reader, values, errors, status=422)
    try:
        made = services.create_migration(
            given=_given(form, request.POST.getlist("safe")),
            actor=reader.actor,
            now=reader.now,
            request_id=reader.request_id,
        )
    except RefusalError as exc:
        if isinstance(exc, ConflictError):
            record_denied(Action.CREATE, values["slug"], exc.code, reader)
        errors = {exc.field or "form": exc.detail}
        return _form(request, reader, values, errors, status=max(exc.status, CONFLICT))
    if request.POST.get("do") == "start":
        _start(request, reader, made.slug)
    else:
        messages.success(request, f"{made.slug} is saved as a draft. Nothing is mirrored yet.")
    return HttpResponseRedirect(reverse("pages:overview", args=[made.slug]))


def _given(form: NewForm, safe: list[str]) -> NewMigration:
    sent = form.cleaned_data
    lines = [*safe, *sent["extra"].splitlines()]
    routes = dict.fromkeys(" ".join(line.split()) for line in lines if line.strip())
    parts = [name.split(" ", 1) for name in routes]
    return NewMigration(
        slug=sent["slug"],
        title=sent["title"] or sent["slug"],
        team=sent["team"],
        legacy_url=sent["legacy_url"].strip(),
        candidate_url=sent["candidate_url"].strip(),
        routes=tuple(
            RouteInput(method=p[0].upper(), path=p[1], safe_to_duplicate=True)
            for p in parts
            if len(p) == ROUTE_PARTS and p[1].startswith("/")
        ),
        policy=sent["policy"],
    )


def _start(request: HttpRequest, reader: Reader, slug: str) -> None:
    """Start at once; whoever does not answer leaves a draft behind, and the page says why."""
    try:
        decision = services.start(
            slug=slug,
            version=0,
            reason="Started with its creation.",
            actor=reader.actor,
            now=reader.now,
            request_id=reader.request_id,
        )
    except ConflictError as exc:
        messages.warning(request, f"{slug} is saved as a draft, not started. {exc.detail}")
    else:
        messages.success(request, f"{slug} is in dual-run. Entry #{decision.entry_id} recorded.")
