"""The load test's page: start, watch and stop it; its stages, stop rules and earlier runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from rollout import services
from rollout.exceptions import RefusalError
from rollout.lifecycle import LIVE, Action
from rollout.pages import words
from rollout.pages.access import Reader, page
from rollout.pages.charts import pair_bars
from rollout.pages.contexts.load import LoadRunRow, LoadTest, StageRow, StopRule
from rollout.pages.contexts.parts import NO_CHART, Fact, Html
from rollout.pages.migration import build_head, view_of
from rollout.pages.shell import build_shell, show
from rollout.queries import MigrationView
from traffic.load import runs
from traffic.load.plan import LoadPlan
from traffic.load.progress import Progress, remaining_s
from traffic.models import LoadRun

WORDS = {
    "PASS": ("pass", "Pass"),
    "FAIL": ("fail", "Fail"),
    "INCONCLUSIVE": ("inc", "Inconclusive"),
    "ERROR": ("err", "Error"),
}
RULES = {
    "users_errors": "Users’ errors over",
    "users_p99": "Users’ p99 over",
    "copies_errors": "Errors of the copies over",
    "copies_p99": "p99 of the copies over",
    "saturation": "Copies shed over",
}
METHODS = {
    LoadRun.Mode.MIRROR: "production’s own requests, copied by the proxy",
    LoadRun.Mode.GENERATOR: "requests sent on an absolute schedule, open loop",
}


@require_safe
@page
def load(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET /m/<slug>/load/?run=<id>."""
    context = {"page": _load(request, reader, slug)}
    return show(request, "pages/load.html", context, shell=build_shell(reader, at=slug))


@require_safe
@page
def parts(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET what changes alone."""
    return show(request, "fragments/load.html", {"page": _load(request, reader, slug)})


@require_POST
@page
def start(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """Begin a test."""
    typed = str(request.POST.get("peak_rps", "")).strip()
    try:
        services.start_load(
            slug=slug,
            mode=str(request.POST.get("mode") or LoadRun.Mode.MIRROR.value),
            declared_rps=float(typed) if typed else None,
            reason=str(request.POST.get("reason", "")),
            actor=reader.actor,
            now=reader.now,
            request_id=reader.request_id,
        )
        messages.success(request, "The test has begun. It stops at once when users suffer.")
    except ValueError:
        messages.error(request, "The peak is a number of requests per second.")
    except RefusalError as exc:
        messages.error(request, exc.detail)
    return HttpResponseRedirect(reverse("pages:load", args=[slug]))


@require_POST
@page
def stop(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """End the copies at once."""
    try:
        ended = services.stop_load(
            slug=slug, reason="", actor=reader.actor, now=reader.now, request_id=reader.request_id
        )
        text = "The test is stopped, it has no verdict." if ended else "No test was running."
        messages.success(request, text)
    except RefusalError as exc:
        messages.error(request, exc.detail)
    return HttpResponseRedirect(reverse("pages:load", args=[slug]))


def _load(request: HttpRequest, reader: Reader, slug: str) -> LoadTest:
    view = view_of(slug, reader)
    found = runs.latest(view.migration.split)
    chosen = request.GET.get("run", "")
    run = next((r for r in found if str(r.pk) == chosen), found[0] if found else None)
    if chosen and (run is None or str(run.pk) != chosen):
        raise Http404(f"There is no run {chosen[:20]}.")
    closed = _closed(view, reader, found)
    here = reverse("pages:load", args=[slug])
    plan = LoadPlan.from_dict(run.plan) if run else None
    progress = Progress.from_dict(run.progress) if run and run.progress else Progress()
    running = run is not None and run.state == LoadRun.State.RUNNING
    left = remaining_s(plan, progress, now=reader.now.timestamp()) if plan and running else 0.0
    stages = _stages(run, progress) if run else ()
    status, word = _said(run)
    return LoadTest(
        head=build_head(view, reader, "checklist"),
        title="Load test at 2×",
        status=status,
        word=word,
        identity=_identity(run, plan, reader),
        sentence=run.sentence if run else "No test has run yet.",
        stats=_stats(stages, plan),
        stages=tuple(_stage(stage) for stage in stages),
        rules=tuple(_rule(rule) for rule in _rules(run, progress)),
        runs=tuple(_row(r, here, current=r is run, reader=reader) for r in found[:8]),
        method=_method(run, plan),
        running=running,
        progress=max(0.0, 100 * (1 - left / plan.expected_s)) if plan and running else 0.0,
        doing=progress.words(plan) if plan and running else "",
        remaining=f"about {words.duration(left)} left" if running else "",
        can_run=not closed,
        closed=closed,
        start_url=reverse("pages:load_start", args=[slug]),
        stop_url=reverse("pages:load_stop", args=[slug])
        if running and reader.can(Action.RUN_CHECK)
        else "",
        query=f"?run={chosen}" if chosen else "",
    )


def _closed(view: MigrationView, reader: Reader, found: Sequence[LoadRun]) -> str:
    if not reader.can(Action.RUN_CHECK):
        return "Ask an operator to run it."
    if view.place.phase not in LIVE:
        return "A load test needs live traffic. Start the dual-run first."
    if view.migration.held:
        return "Held. Resume first."
    if any(run.state == LoadRun.State.RUNNING for run in found):
        return "A test is running."
    return ""


def _said(run: LoadRun | None) -> tuple[str, str]:
    if run is None:
        return "none", "Not measured yet"
    if run.state == LoadRun.State.RUNNING:
        return "col", "Running"
    if run.state == LoadRun.State.STOPPED:
        return "inc", "Stopped"
    return WORDS.get(run.verdict, ("none", run.verdict))


def _identity(run: LoadRun | None, plan: LoadPlan | None, reader: Reader) -> str:
    if run is None or plan is None:
        return "Twice the measured peak of production, on the candidate alone."
    build = run.builds.partition("|")[2] or "build unknown"
    begun = words.moment_words(run.started_at, reader.zone, reader.now)
    peak = "declared" if plan.declared else "measured"
    rate = words.per_second(plan.peak_rps)
    return f"Run {run.pk}, candidate {build}, {begun}, the {peak} peak is {rate} req/s"


def _stages(run: LoadRun, progress: Progress) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = run.result.get("stages") or progress.to_dict()["stages"]
    return found


def _stats(stages: Sequence[Mapping[str, Any]], plan: LoadPlan | None) -> tuple[Fact, ...]:
    if not stages or plan is None:
        return ()
    last = stages[-1]
    requests = int(last["requests"])
    errors = int(last["errors"])
    target = words.per_second(last["target_rps"])
    return (
        Fact("Rate held", f"{words.per_second(last['measured_rps'])} req/s", f"target {target}"),
        Fact("p99", words.millis(last["p99_us"]), f"legacy {words.millis(last['legacy_p99_us'])}"),
        Fact("Errors", words.count(errors), f"of {words.count(requests)}"),
        Fact("Reached", f"{last['factor']:g}×", f"of {plan.rules.factors[-1]:g}× the peak"),
        Fact(
            "Users’ p99",
            words.millis(last["users_p99_us"]),
            words.plural(int(last["users_errors"]), "failed request"),
        ),
    )


def _stage(stage: Mapping[str, Any]) -> StageRow:
    target, measured = float(stage["target_rps"]), float(stage["measured_rps"])
    label = f"asked {words.per_second(target)}, got {words.per_second(measured)} requests/s"
    return StageRow(
        factor=f"{stage['factor']:g}×",
        target=words.per_second(target),
        measured=words.per_second(measured),
        requests=words.count(int(stage["requests"])),
        errors=words.count(int(stage["errors"])),
        p99=words.millis(stage["p99_us"]),
        legacy_p99=words.millis(stage["legacy_p99_us"]),
        shed=words.count(int(stage["shed"])),
        chart=Html(pair_bars(target, measured, label=label)) if target else NO_CHART,
    )


def _rules(run: LoadRun | None, progress: Progress) -> Sequence[Mapping[str, Any]]:
    if run is None:
        return ()
    found: Sequence[Mapping[str, Any]] = progress.rules
    return found


def _rule(rule: Mapping[str, Any]) -> StopRule:
    unit = rule.get("unit", "")

    def say(value: float | None) -> str:
        if value is None:
            return "no data"
        if unit == "µs":
            return words.millis(value)
        return words.rate(value) if unit == "share" else f"{value:g}"

    value, limit = rule.get("value"), rule.get("limit")
    name = RULES.get(str(rule["rule"]), str(rule["rule"]).replace("_", " "))
    near = value is not None and limit is not None and value > limit / 2
    return StopRule(f"{name} {say(limit)}", say(value), say(limit), near)


def _row(run: LoadRun, here: str, *, current: bool, reader: Reader) -> LoadRunRow:
    status, word = _said(run)
    stages = run.result.get("stages", [])
    rate = f"{words.per_second(stages[-1]['measured_rps'])} req/s" if stages else ""
    day = words.moment_words(run.started_at, reader.zone, reader.now)
    build = run.builds.partition("|")[2]
    return LoadRunRow(
        f"{run.pk}, {day}", build, rate, status, word, f"{here}?run={run.pk}", current
    )


def _method(run: LoadRun | None, plan: LoadPlan | None) -> tuple[Fact, ...]:
    if run is None or plan is None:
        return ()
    return (
        Fact("Source", METHODS[LoadRun.Mode(run.mode)]),
        Fact("Stages", ", ".join(f"{f:g}×" for f in plan.rules.factors)),
        Fact("Held", words.duration(plan.rules.hold_s)),
        Fact("Left out", f"the first {plan.rules.settle_s} s of each stage"),
        Fact("Started by", run.requested_by),
    )
