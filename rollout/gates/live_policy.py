"""The numbers that live gates judge by: the policy's, for this step and this attempt."""

from judge.errors_live import ErrorsLivePolicy
from judge.latency_live import LatencyLivePolicy
from rollout.gates.base import Context
from rollout.policy_parts import Step


def step_of(context: Context) -> Step:
    """Return the numbers of the present step; those of the last one in full."""
    steps, index = context.policy.steps, context.place.step
    return steps[-1] if index is None else steps[index]


def elapsed(context: Context) -> float:
    """Return the seconds since every proxy accepted the present place."""
    since = context.migration.accepted_at or context.now
    return max(0.0, (context.now - since).total_seconds())


def planned_blocks(context: Context) -> int:
    """Return how many blocks the step is planned to last."""
    return max(1, step_of(context).bake_seconds // context.policy.block_seconds)


def strata(context: Context) -> int:
    """Return how many verdicts share the alpha of FAIL: each route and all together."""
    return len(context.route_names) + 1


def errors_policy(context: Context, route: str) -> ErrorsLivePolicy:
    """Return the numbers for errors; the least number of requests is asked of all together."""
    rules, step, share = context.policy.errors, step_of(context), context.latch("errors")
    return ErrorsLivePolicy(
        rho_fail=rules.rho_fail,
        rho_open=step.rho_open,
        delta=rules.delta,
        alpha_pass=rules.alpha_pass * share.alpha_share,
        alpha_fail=rules.alpha_step * share.alpha_share,
        min_window_s=step.bake_seconds,
        min_requests=0 if route else step.min_requests,
        min_fail_events=rules.min_fail_events,
        min_fail_keys=rules.min_fail_keys,
    )


def latency_policy(context: Context, route: str) -> LatencyLivePolicy:
    """Return the numbers for slow requests."""
    rules, step = context.policy.regression, step_of(context)
    share = context.latch("latency_regression").alpha_share
    return LatencyLivePolicy(
        rho={rule.name: rule.rho for rule in rules.slow},
        alpha_pass=rules.alpha_pass * share,
        alpha_fail=rules.alpha_step * share,
        min_window_s=step.bake_seconds,
        min_requests=0 if route else step.min_requests,
        min_fail_events=rules.min_fail_events,
        min_fail_keys=rules.min_fail_keys,
    )
