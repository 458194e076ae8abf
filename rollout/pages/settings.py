"""The settings page: the policy as a form, previewed before it is saved as a decision."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from rollout import services
from rollout.exceptions import ConflictError, ForbiddenError, InvalidError
from rollout.gates import TITLES
from rollout.lifecycle import BEFORE_THE_END, Action, Phase
from rollout.pages import words
from rollout.pages.access import Reader, page
from rollout.pages.contexts.parts import Fact
from rollout.pages.contexts.settings import (
    GateSetting,
    PolicyChange,
    RouteSetting,
    Setting,
    Settings,
    StepSetting,
)
from rollout.pages.migration import build_head, view_of
from rollout.pages.shell import build_shell, show
from rollout.permissions import LOOSENING_NEEDS, NEEDS, RANK
from rollout.policy import CHECKLIST, LIVE_GATES, STEP_GATES, Policy, PolicyError
from rollout.policy_reading import changes, loosened
from rollout.queries import MigrationView

# What people change by hand, in the order of the page: path, label, unit.
LIMITS = (
    ("discrepancy.limit", "Shadow discrepancy below", "share"),
    ("discrepancy.min_window_s", "Shadow at least", "s"),
    ("discrepancy.alpha_pass", "Allowed error, opening on discrepancy", "share"),
    ("latency.alpha_pass", "Allowed error, opening on latency", "share"),
    ("errors.delta", "Errors at most above legacy", "share"),
    ("errors.rho_fail", "Errors that roll back", "times legacy"),
    ("evidence_max_age_s", "Evidence may be old", "s"),
    ("stale_after_s", "No data after", "s"),
    ("warmup_s", "Warm-up left out of latency", "s"),
    ("shadow_tth", "Requests copied", "of 10,000"),
    ("noise_tth", "Copied back to legacy", "of 10,000"),
    ("approvals_required", "Second person to promote", "0 or 1"),
    ("approval_expiry_s", "A request for approval lasts", "s"),
    ("override_max_s", "An override lasts at most", "s"),
    ("decommission_hold_s", "100% holds before the end", "s"),
)
EDITED = frozenset(path for path, _, _ in LIMITS)


@dataclass(frozen=True, slots=True)
class Draft:
    """What was posted: the document it makes, the texts as typed, and the field that is wrong."""

    document: Mapping[str, Any]
    typed: Mapping[str, str]
    field: str = ""
    problem: str = ""


@require_http_methods(["GET", "HEAD", "POST"])
@page
def settings(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET the policy; POST previews what would change, and saves it with a reason."""
    view = view_of(slug, reader)
    draft = Draft(view.migration.policy, {})
    if request.method != "POST":
        return _page(request, reader, view, draft)
    draft = _read(request, view)
    if draft.problem or request.POST.get("do") != "save":
        return _page(request, reader, view, draft, status=422 if draft.problem else 200)
    return _save(request, reader, view, draft)


def _save(request: HttpRequest, reader: Reader, view: MigrationView, draft: Draft) -> HttpResponse:
    slug = view.migration.slug
    version = request.POST.get("version", "")
    try:
        made = services.change_policy(
            slug=slug,
            version=int(version) if version.isdecimal() else -1,
            document=draft.document,
            reason=str(request.POST.get("reason", "")),
            actor=reader.actor,
            now=reader.now,
            request_id=reader.request_id,
        )
    except InvalidError as exc:
        wrong = Draft(draft.document, draft.typed, exc.field or "", exc.detail)
        return _page(request, reader, view, wrong, status=422)
    except (ConflictError, ForbiddenError) as exc:
        services.record_denied(
            slug=slug,
            action=Action.CHANGE_POLICY,
            actor=reader.actor,
            code=exc.code,
            now=reader.now,
            request_id=reader.request_id,
        )
        wrong = Draft(draft.document, draft.typed, "", exc.detail)
        return _page(request, reader, view, wrong, status=exc.status)
    messages.success(request, f"The policy is changed. Entry #{made.entry_id} recorded.")
    return HttpResponseRedirect(reverse("pages:settings", args=[slug]))


def _read(request: HttpRequest, view: MigrationView) -> Draft:
    """Return the policy document that the form describes; unknown fields are not looked at."""
    document = copy.deepcopy(view.migration.policy)
    typed = {name: str(value).strip() for name, value in request.POST.items()}
    paths = [*EDITED]
    for index in range(len(document["steps"])):
        paths += [f"steps.{index}.bake_seconds", f"steps.{index}.min_requests"]
    for path in paths:
        if path not in typed:
            continue
        try:
            _put(document, path, typed[path])
        except ValueError:
            return Draft(view.migration.policy, typed, path, "Expected a number.")
    if "gates" in typed:
        document["gates"] = _gates(request, document["gates"])
    try:
        Policy.from_dict(document)
    except PolicyError as exc:
        return Draft(view.migration.policy, typed, exc.field, f"{exc.problem.capitalize()}.")
    return Draft(document, typed)


def _put(document: dict[str, Any], path: str, text: str) -> None:
    *parents, last = path.split(".")
    place: Any = document
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    old = place[last]
    value = float(text.replace(",", ""))
    if not isfinite(value):
        raise ValueError(text)
    place[last] = int(value) if isinstance(old, int) and value == int(value) else value


def _gates(request: HttpRequest, old: list[dict[str, Any]]) -> list[dict[str, Any]]:
    before = {rule["gate"]: rule for rule in old}
    chosen = set(request.POST.getlist("gates"))
    return [
        before.get(key, {"gate": key, "from_weight": 1})
        for key in (*CHECKLIST, *LIVE_GATES, *STEP_GATES)
        if key in STEP_GATES or key in chosen
    ]


def _page(
    request: HttpRequest,
    reader: Reader,
    view: MigrationView,
    draft: Draft,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {"page": _settings(request, reader, view, draft)}
    shell = build_shell(reader, at=view.migration.slug, live=request.method != "POST")
    return show(request, "pages/settings.html", context, shell=shell, status=status)


def _settings(request: HttpRequest, reader: Reader, view: MigrationView, draft: Draft) -> Settings:
    m, policy = view.migration, view.policy
    changed = changes(dict(m.policy), dict(draft.document)) if draft.typed else {}
    loose = loosened(changed)
    may = reader.can(Action.CHANGE_POLICY) and view.place.phase in BEFORE_THE_END
    can_save = bool(changed) and not draft.problem
    needs_lead = bool(loose) and RANK[reader.role] < RANK[LOOSENING_NEEDS]
    return Settings(
        head=build_head(view, reader, "settings"),
        version=m.version,
        steps=_steps(view, draft),
        gates=_gate_settings(draft, policy),
        limits=tuple(_limit(path, label, unit, draft) for path, label, unit in LIMITS),
        routes=_routes(view),
        policy=(
            Fact("Name", f"{policy.name}, version {policy.version}"),
            Fact("Label", policy.label),
            Fact("If a live gate fails", _on_fail(policy)),
            Fact("Blocks", f"{policy.block_seconds} s"),
        ),
        people=_people(policy, m.team),
        services=_services(view),
        changes=tuple(
            PolicyChange(path, _plain(old), _plain(new), path in loose)
            for path, (old, new) in changed.items()
        ),
        verdict=_verdict(changed, loose, draft),
        error=draft.problem if not draft.field else f"{draft.field}: {draft.problem}",
        reason=str(request.POST.get("reason", "")),
        can_change=may,
        can_save=can_save and not needs_lead,
        closed=f"Loosening needs a {LOOSENING_NEEDS.value}." if can_save and needs_lead else "",
        abandon_url=reverse("pages:abandon", args=[m.slug])
        if view.place.phase is Phase.DUAL_RUN and reader.can(Action.ABANDON)
        else "",
        report_url=reverse("pages:report", args=[m.slug]),
    )


def _on_fail(policy: Policy) -> str:
    if policy.on_fail == "hold":
        return "Banyan holds it where it is"
    return "Banyan rolls back " + ("to 0%" if policy.on_fail_to == "zero" else "one step")


def _plain(value: Any) -> str:
    if value is None:
        return "not asked for"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _verdict(changed: Mapping[str, Any], loose: tuple[str, ...], draft: Draft) -> str:
    if not draft.typed:
        return ""
    if not changed:
        return "Nothing differs from the policy in force."
    said = words.plural(len(changed), "change")
    if not loose:
        return f"{said}, all of them stricter. Any operator may save them."
    return f"{said}, {words.count(len(loose))} of them looser. A lead saves them."


def _limit(path: str, label: str, unit: str, draft: Draft) -> Setting:
    place: Any = draft.document
    for name in path.split("."):
        place = place[name]
    typed = draft.typed.get(path)
    return Setting(
        path=path,
        label=label,
        value=typed
        if typed is not None
        else f"{place:g}"
        if isinstance(place, float)
        else str(place),
        unit=unit,
        words=_said(place, unit),
        error=draft.problem if draft.field == path else "",
    )


def _said(value: float, unit: str) -> str:
    if unit == "s":
        return words.duration(value)
    if unit == "share":
        return words.rate(value)
    return words.rate(value / 10_000) if unit.startswith("of ") else ""


def _steps(view: MigrationView, draft: Draft) -> tuple[StepSetting, ...]:
    found = []
    for index, step in enumerate(draft.document["steps"]):
        paths = (f"steps.{index}.bake_seconds", f"steps.{index}.min_requests")
        asked = [
            f"p{100 * rule['quantile']:g}"
            for rule in draft.document["latency"]["percentiles"]
            if rule["from_weight"] <= step["weight"]
        ]
        bake, requests = (
            Setting(
                path=path,
                label=f"{name} at {step['weight']}%",
                value=draft.typed.get(path, str(step[field])),
                unit=unit,
                words=words.duration(step[field]) if unit == "s" else "",
                error=draft.problem if draft.field == path else "",
            )
            for path, name, field, unit in (
                (paths[0], "Least time", "bake_seconds", "s"),
                (paths[1], "Least requests", "min_requests", "requests"),
            )
        )
        found.append(
            StepSetting(
                weight=step["weight"],
                now=view.place.phase is Phase.CANARY and view.place.step == index,
                bake=bake,
                requests=requests,
                percentiles=f"{asked[0]} to {asked[-1]}" if len(asked) > 1 else ", ".join(asked),
            )
        )
    return tuple(found)


def _gate_settings(draft: Draft, policy: Policy) -> tuple[GateSetting, ...]:
    rules = {rule["gate"]: rule for rule in draft.document["gates"]}
    limits = {
        "discrepancy": f"below {words.rate(policy.discrepancy.limit)}",
        "errors": f"at most {words.rate(policy.errors.delta)} above legacy",
        "latency": "every percentile faster",
    }
    return tuple(
        GateSetting(
            key=key,
            name=TITLES[key],
            required=key in rules,
            fixed=key in STEP_GATES,
            from_weight=f"from {rules[key]['from_weight']}%"
            if key in rules and rules[key]["from_weight"] > 1
            else "every step"
            if key in rules
            else "",
            limit=limits.get(key, ""),
        )
        for key in (*CHECKLIST, *LIVE_GATES, *STEP_GATES)
    )


def _routes(view: MigrationView) -> tuple[RouteSetting, ...]:
    found = []
    for rule in view.migration.pair.routes.order_by("path", "method"):
        more = len(rule.rules) if isinstance(rule.rules, list) else 0
        found.append(
            RouteSetting(
                route=rule.label,
                safe="safe to duplicate" if rule.safe_to_duplicate else "never copied",
                rule=f"numbers within {words.small(rule.atol)}",
                ignored=", ".join(rule.ignore) or "nothing",
                note=words.plural(more, "rule") + " by path" if more else "",
                url=reverse("pages:rules", args=[view.migration.slug, rule.pk]),
            )
        )
    return tuple(found)


def _people(policy: Policy, team: str) -> tuple[Fact, ...]:
    two = ", 2 people" if policy.approvals_required else ""
    lasts = words.duration(policy.override_max_s)
    return (
        Fact("Promote", f"{NEEDS[Action.PROMOTE].value}s in {team}{two}"),
        Fact("Roll back, hold", f"any {NEEDS[Action.ROLL_BACK].value}, alone"),
        Fact("Override", f"{NEEDS[Action.OVERRIDE].value}, 2 people, at most {lasts}"),
        Fact("Waive", f"{NEEDS[Action.WAIVE].value}, at most 7 days"),
        Fact("Decommission", f"{NEEDS[Action.DECOMMISSION].value}, 2 people"),
        Fact("Read", "everyone signed in"),
    )


def _services(view: MigrationView) -> tuple[Fact, ...]:
    pair, split = view.migration.pair, view.migration.split
    return (
        Fact("Legacy", pair.legacy_url),
        Fact("Candidate", pair.candidate_url),
        Fact("Health", f"{pair.health_path}, {pair.ready_path}"),
        Fact("Path", split.path_prefix),
        Fact("Proxies", split.group.name),
    )
