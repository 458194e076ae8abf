"""How one route's answers are compared: a form that shows what it would change before it does."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from rollout import services
from rollout.exceptions import ConflictError, ForbiddenError, InvalidError
from rollout.lifecycle import Action
from rollout.pages import words
from rollout.pages.access import Reader, page
from rollout.pages.contexts.rules import PreviewRow, ProposalRow, RulesPage
from rollout.pages.migration import build_head, view_of
from rollout.pages.shell import build_shell, show
from rollout.queries import MigrationView
from rollout.services.rules import change_route_rules
from shadow import findings
from shadow.comparison import RuleError
from shadow.findings import Kept
from shadow.models import RouteRule
from shadow.services.route_rules import FIELDS, JUDGING, check_columns

SHOWN = 20
STATUSES = {"match": "pass", "mismatch": "fail"}


@dataclass(frozen=True, slots=True)
class Draft:
    """What was posted, as texts and as the columns they make."""

    typed: Mapping[str, str]
    columns: Mapping[str, Any]
    field: str = ""
    problem: str = ""


@require_http_methods(["GET", "HEAD", "POST"])
@page
def rules(request: HttpRequest, reader: Reader, slug: str, number: int) -> HttpResponse:
    """GET the rules; POST tries them out on the kept examples, and saves them with a reason."""
    view = view_of(slug, reader)
    rule = findings.route_of(pair=view.migration.pair, route_id=number)
    if rule is None:
        raise Http404("There is no such route.")
    if request.method != "POST":
        return _page(request, reader, view, rule, Draft(_texts(rule), {}))
    draft = _read(request)
    if draft.problem or request.POST.get("do") != "save":
        return _page(request, reader, view, rule, draft, status=422 if draft.problem else 200)
    return _save(request, reader, view, rule, draft)


def _texts(rule: RouteRule) -> dict[str, str]:
    return {
        "atol": f"{rule.atol:g}",
        "ignore": "\n".join(rule.ignore),
        "rules": "\n".join(json.dumps(one) for one in rule.rules),
        "redact": "\n".join(rule.redact),
    }


def _read(request: HttpRequest) -> Draft:
    """Read the form; a line that cannot be used is named with its number."""
    typed = {name: str(request.POST.get(name, "")) for name in FIELDS}
    lines = {name: [x.strip() for x in typed[name].splitlines() if x.strip()] for name in typed}
    columns: dict[str, Any] = {"ignore": lines["ignore"], "redact": lines["redact"]}
    try:
        columns["atol"] = float(typed["atol"])
    except ValueError:
        return Draft(typed, {}, "atol", "Expected a number.")
    columns["rules"] = []
    for number, line in enumerate(lines["rules"], start=1):
        try:
            columns["rules"].append(json.loads(line))
        except ValueError as exc:
            return Draft(typed, {}, "rules", f"Line {number} is not JSON: {exc}.")
    try:
        check_columns(columns)
    except RuleError as exc:
        return Draft(typed, {}, exc.field.partition("[")[0], f"{exc.field}: {exc.problem}")
    return Draft(typed, columns)


def _save(
    request: HttpRequest, reader: Reader, view: MigrationView, rule: RouteRule, draft: Draft
) -> HttpResponse:
    slug = view.migration.slug
    version = str(request.POST.get("version", ""))
    try:
        made = change_route_rules(
            slug=slug,
            route_id=rule.pk,
            version=int(version) if version.isdecimal() else -1,
            changes=draft.columns,
            reason=str(request.POST.get("reason", "")),
            actor=reader.actor,
            now=reader.now,
            request_id=reader.request_id,
        )
    except InvalidError as exc:
        wrong = Draft(draft.typed, draft.columns, exc.field or "", exc.detail)
        return _page(request, reader, view, rule, wrong, status=422)
    except (ConflictError, ForbiddenError) as exc:
        services.record_denied(
            slug=slug,
            action=Action.CHANGE_RULES,
            actor=reader.actor,
            code=exc.code,
            now=reader.now,
            request_id=reader.request_id,
        )
        wrong = Draft(draft.typed, draft.columns, "", exc.detail)
        return _page(request, reader, view, rule, wrong, status=exc.status)
    text = f"{rule.label} is compared by other rules. Entry #{made.entry_id} recorded."
    messages.success(request, text)
    return HttpResponseRedirect(reverse("pages:settings", args=[slug]))


def _page(  # a form, its reader and what was typed
    request: HttpRequest,
    reader: Reader,
    view: MigrationView,
    rule: RouteRule,
    draft: Draft,
    *,
    status: int = 200,
) -> HttpResponse:
    kept = _preview(rule, draft) if draft.columns else []
    built = RulesPage(
        head=build_head(view, reader, "settings"),
        route=rule.label,
        version=view.migration.version,
        atol=draft.typed["atol"],
        ignore=draft.typed["ignore"],
        rules=draft.typed["rules"],
        redact=draft.typed["redact"],
        error_field=draft.field,
        error=draft.problem,
        summary=_summary(kept),
        rows=tuple(_row(one) for one in kept if one.judged.changed)[:SHOWN],
        proposals=_proposals(view, rule),
        previewed=bool(draft.columns) and not draft.problem,
        can_change=reader.can(Action.CHANGE_RULES),
        reason=str(request.POST.get("reason", "")),
        back_url=reverse("pages:settings", args=[view.migration.slug]),
    )
    shell = build_shell(reader, at=view.migration.slug, live=False)
    return show(request, "pages/rules.html", {"page": built}, shell=shell, status=status)


def _preview(rule: RouteRule, draft: Draft) -> list[Kept]:
    columns = {name: draft.columns[name] for name in JUDGING if name in draft.columns}
    return findings.preview_rules(rule=rule, columns=columns)


def _summary(kept: list[Kept]) -> str:
    if not kept:
        return "No example of this route is kept yet, so there is nothing to try the rules on."
    moved = Counter((one.judged.was, one.judged.becomes) for one in kept if one.judged.changed)
    was = sum(1 for one in kept if one.judged.was == "mismatch")
    equal = moved[("mismatch", "match")]
    stored = words.plural(was, "stored mismatch", "stored mismatches")
    said = f"These rules would have changed {equal} of {stored}."
    other = sum(moved.values()) - equal
    return said if not other else f"{said} {words.plural(other, 'other example')} would change."


def _row(one: Kept) -> PreviewRow:
    judged = one.judged
    text = "; ".join(d.describe()[:200] for d in judged.outcome.differences[:2])
    return PreviewRow(
        method=f"{one.row.method} {one.row.path}",
        was=judged.was,
        becomes=judged.becomes,
        status=STATUSES.get(judged.becomes, "none"),
        text=text,
    )


def _proposals(view: MigrationView, rule: RouteRule) -> tuple[ProposalRow, ...]:
    """Show where legacy does not repeat itself, with the rule that would say so."""
    return tuple(
        ProposalRow(one.cause.group.path, words.rate(one.cause.share), json.dumps(one.proposal))
        for one in findings.noise(pair=view.migration.pair, since=view.migration.evidence_since)
        if one.cause.group.route == rule.label and one.proposal
    )
