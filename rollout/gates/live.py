"""The gates on users' own requests in a step: errors and slow requests, candidate against legacy.

Below 100 % both sides serve users at the same time. At 100 % `rollout.gates.full` takes over.
"""

from collections.abc import Callable

from judge import errors_live, latency_live
from judge.arms import ArmBlocks as Counts
from judge.evidence import Evidence
from judge.verdict import Verdict
from rollout.gates import full, live_policy
from rollout.gates.base import Context, Judged, changed, simple_evidence
from rollout.gates.routes import with_routes
from rollout.lifecycle import Phase
from traffic.blocks import SplitBlocks, align

SERVING = frozenset({Phase.CANARY, Phase.FULL})
ALL_USERS = 100
Judge = Callable[[Context, SplitBlocks, str], Evidence]


def errors(context: Context) -> Judged:
    """Judge errors at the attempt, overall and per route."""
    judge = full.errors if context.place.weight == ALL_USERS else _errors
    return _judged("errors", context, judge)


def latency_regression(context: Context) -> Judged:
    """Judge how often each side is slower than legacy was in the step before."""
    judge = full.slow if context.place.weight == ALL_USERS else _slow
    return _judged("latency_regression", context, judge)


def _judged(rule: str, context: Context, judge: Judge) -> Judged:
    blocks = context.step_blocks
    if context.place.phase not in SERVING or blocks is None:
        text = "No user is served by the candidate yet."
        return simple_evidence(rule, Verdict.INCONCLUSIVE, text), ()
    if not blocks.overall.get("candidate"):
        text = "No request of this step was reported yet."
        return simple_evidence(rule, Verdict.INCONCLUSIVE, text), ()
    if rule == "latency_regression" and not context.migration.split.slow_us:
        text = "Legacy served too little before this step to say what is slow."
        return simple_evidence(rule, Verdict.INCONCLUSIVE, text), ()
    routes = tuple((name, judge(context, blocks, name)) for name in context.route_names)
    overall = judge(context, blocks, "")
    judged = with_routes(context, overall, routes, thin=context.policy.thin_routes_live)
    return _told_deff(context, judged, rule), routes


def _told_deff(context: Context, evidence: Evidence, rule: str) -> Evidence:
    """Say by how much counts were divided, because bad requests come in bursts."""
    kinds = ["errors"] if rule == "errors" else [r.name for r in context.policy.regression.slow]
    effects = ", ".join(f"{kind} {context.deff('', kind):.3g}" for kind in kinds)
    frozen = context.migration.split.frozen.get("", {}).get("deff", {})
    how = "legacy's history" if any(kind in frozen for kind in kinds) else "too little history"
    told = f"counts divided by a design effect of {effects} ({how})"
    return changed(evidence, verdict=evidence.verdict, reasons=(*evidence.reasons, told))


def _counts(context: Context, blocks: SplitBlocks, route: str, bad: str) -> Counts:
    gate = "errors" if bad == "errors" else "latency_regression"
    both = align(
        blocks.arm("candidate", route),
        blocks.arm("legacy", route),
        bad=bad,
        since=context.latch(gate).since,
    )
    return Counts(n_c=both.n_c, k_c=both.k_c, n_l=both.n_l, k_l=both.k_l)


def _errors(context: Context, blocks: SplitBlocks, route: str) -> Evidence:
    since = context.latch("errors").since
    return context.recorder.judge(
        "errors",
        route,
        (errors_live.RULE, errors_live.RULE_VERSION, errors_live.judge_errors_live),
        arms=_counts(context, blocks, route, "errors"),
        error_keys=blocks.arm("candidate", route).users("errors", since=since),
        elapsed_s=live_policy.elapsed(context),
        planned_blocks=live_policy.planned_blocks(context),
        deff=context.deff(route, "errors"),
        strata_count=live_policy.strata(context),
        policy=live_policy.errors_policy(context, route),
    )


def _slow(context: Context, blocks: SplitBlocks, route: str) -> Evidence:
    names = [rule.name for rule in context.policy.regression.slow]
    since = context.latch("latency_regression").since
    candidate = blocks.arm("candidate", route)
    return context.recorder.judge(
        "latency_regression",
        route,
        (latency_live.RULE, latency_live.RULE_VERSION, latency_live.judge_latency_live),
        slow={name: _counts(context, blocks, route, name) for name in names},
        slow_keys={name: candidate.users(name, since=since) for name in names},
        elapsed_s=live_policy.elapsed(context),
        planned_blocks=live_policy.planned_blocks(context),
        deff={name: context.deff(route, name) for name in names},
        strata_count=live_policy.strata(context),
        policy=live_policy.latency_policy(context, route),
    )
