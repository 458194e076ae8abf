"""The gates on users' own requests in a step: errors and slow requests, candidate against legacy.

Below 100 % both sides serve users at the same time. At 100 % legacy gets copies of the candidate's
requests, and these stand for it.
"""

from collections.abc import Callable

from judge import errors_live, latency_live
from judge.arms import ArmBlocks as Counts
from judge.design_effect import UNKNOWN
from judge.errors_live import ErrorsLivePolicy
from judge.evidence import Evidence
from judge.latency_live import LatencyLivePolicy
from judge.verdict import Verdict, worst
from rollout.gates.base import Context, Judged, changed, simple_evidence
from rollout.lifecycle import Phase
from rollout.policy_parts import Step
from traffic.blocks import SplitBlocks, align

SERVING = frozenset({Phase.CANARY, Phase.FULL})
ALL_USERS = 100


def errors(context: Context) -> Judged:
    """Judge errors at the attempt, overall and per route."""
    return _judged("errors", context, _errors)


def latency_regression(context: Context) -> Judged:
    """Judge how often each side is slower than legacy was in the step before."""
    return _judged("latency_regression", context, _slow)


def _judged(
    rule: str, context: Context, judge: Callable[[Context, Step, str, int], Evidence]
) -> Judged:
    blocks = context.step_blocks
    if context.place.phase not in SERVING or blocks is None:
        text = "No user is served by the candidate yet."
        return simple_evidence(rule, Verdict.INCONCLUSIVE, text), ()
    if not blocks.overall.get("candidate"):
        text = "No request of this step was reported yet."
        return simple_evidence(rule, Verdict.INCONCLUSIVE, text), ()
    step = _step(context)
    strata = len(context.route_names) + 1
    overall = judge(context, step, "", strata)
    routes = tuple((name, judge(context, step, name, strata)) for name in context.route_names)
    # A route may not FAIL; that it has shown too little by itself does not close a step.
    failing = [(name, e) for name, e in routes if e.verdict is Verdict.FAIL]
    if failing and overall.verdict is not Verdict.FAIL:
        name, found = failing[0]
        overall = changed(
            overall,
            verdict=worst([overall.verdict, found.verdict]),
            sentence=f"{name}: {found.sentence}",
            reasons=(*overall.reasons, f"{name} FAILs"),
        )
    return overall, routes


def _step(context: Context) -> Step:
    """Return the numbers of the present step; those of the last one in full."""
    steps, index = context.policy.steps, context.place.step
    return steps[-1] if index is None else steps[index]


def _reference(context: Context) -> str:
    return "legacy_shadow" if context.place.weight == ALL_USERS else "legacy"


def _counts(context: Context, blocks: SplitBlocks, route: str, bad: str) -> Counts:
    gate = "errors" if bad == "errors" else "latency_regression"
    both = align(
        blocks.arm("candidate", route),
        blocks.arm(_reference(context), route),
        bad=bad,
        since=context.latch(gate).since,
    )
    return Counts(n_c=both.n_c, k_c=both.k_c, n_l=both.n_l, k_l=both.k_l)


def _elapsed(context: Context) -> float:
    since = context.migration.accepted_at or context.now
    return max(0.0, (context.now - since).total_seconds())


def _planned(context: Context, step: Step) -> int:
    return max(1, step.bake_seconds // context.policy.block_seconds)


def _errors(context: Context, step: Step, route: str, strata: int) -> Evidence:
    rules, blocks = context.policy.errors, context.step_blocks
    assert blocks is not None  # noqa: S101  # _judged asked
    keys = blocks.arm("candidate", route).error_keys
    return context.recorder.judge(
        "errors",
        route,
        (errors_live.RULE, errors_live.RULE_VERSION, errors_live.judge_errors_live),
        arms=_counts(context, blocks, route, "errors"),
        # Distinct keys are known per block alone; the largest block is a lower bound of them all.
        error_keys=int(keys.max(initial=0)),
        elapsed_s=_elapsed(context),
        planned_blocks=_planned(context, step),
        deff=UNKNOWN,
        strata_count=strata,
        policy=ErrorsLivePolicy(
            rho_fail=rules.rho_fail,
            rho_open=step.rho_open,
            delta=rules.delta,
            alpha_pass=rules.alpha_pass * context.latch("errors").alpha_share,
            alpha_fail=rules.alpha_step * context.latch("errors").alpha_share,
            min_window_s=step.bake_seconds,
            min_requests=0 if route else step.min_requests,
            min_fail_events=rules.min_fail_events,
            min_fail_keys=rules.min_fail_keys,
        ),
    )


def _slow(context: Context, step: Step, route: str, strata: int) -> Evidence:
    rules, blocks = context.policy.regression, context.step_blocks
    assert blocks is not None  # noqa: S101  # _judged asked
    if not context.migration.split.slow_us:
        text = "Legacy served too little before this step to say what is slow."
        return simple_evidence("latency_regression", Verdict.INCONCLUSIVE, text)
    return context.recorder.judge(
        "latency_regression",
        route,
        (latency_live.RULE, latency_live.RULE_VERSION, latency_live.judge_latency_live),
        slow={rule.name: _counts(context, blocks, route, rule.name) for rule in rules.slow},
        slow_keys=None,
        elapsed_s=_elapsed(context),
        planned_blocks=_planned(context, step),
        deff={rule.name: UNKNOWN for rule in rules.slow},
        strata_count=strata,
        policy=LatencyLivePolicy(
            rho={rule.name: rule.rho for rule in rules.slow},
            alpha_pass=rules.alpha_pass * context.latch("latency_regression").alpha_share,
            alpha_fail=rules.alpha_step * context.latch("latency_regression").alpha_share,
            min_window_s=step.bake_seconds,
            min_requests=0 if route else step.min_requests,
            min_fail_events=rules.min_fail_events,
            min_fail_keys=rules.min_fail_keys,
        ),
    )
