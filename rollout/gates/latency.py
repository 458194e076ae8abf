"""The checklist's latency gate: faster in all percentiles, on requests that both sides got."""

from collections.abc import Mapping

from judge.design_effect import UNKNOWN
from judge.evidence import Evidence
from judge.latency import RULE, RULE_VERSION, Latencies, LatencyPolicy, judge_latency
from judge.verdict import Verdict
from rollout.gates.base import Context, Judged, Routes, simple_evidence
from rollout.gates.discrepancy import fresh
from rollout.gates.routes import with_routes
from rollout.lifecycle import gated_place
from traffic.hours import LatencyPair, overall


def latency(context: Context) -> Judged:
    """Judge overall and per route, over the whole window of the present builds.

    Legacy's histogram takes sampled requests with even ids, the candidate's the copies with odd
    ones: the same traffic, and no request on both sides, so the two are independent.
    """
    found = context.latencies
    if not found:
        text = "No sampled request was reported yet."
        return simple_evidence("latency", Verdict.INCONCLUSIVE, text), ()
    strata = len(context.route_names) + 1
    sides = overall(found, "legacy"), overall(found, "candidate_shadow")
    whole = _judge(context, "", *sides, strata)
    routes: Routes = tuple(
        (name, _judge(context, name, *_sides(found, name), strata)) for name in context.route_names
    )
    judged = with_routes(context, whole, routes, thin=context.policy.thin_routes)
    return fresh(judged, context.evidence.last_end, context), routes


def _sides(
    found: Mapping[tuple[str, str], LatencyPair], route: str
) -> tuple[LatencyPair, LatencyPair]:
    none = LatencyPair()
    return found.get((route, "legacy"), none), found.get((route, "candidate_shadow"), none)


def _judge(
    context: Context, route: str, legacy: LatencyPair, candidate: LatencyPair, strata: int
) -> Evidence:
    rules, latch = context.policy.latency, context.latch("latency")
    to = gated_place(context.place, context.policy.weights)
    since = context.latencies_since
    # A policy without the block test assumes independent requests, and says so on every screen.
    unknown = UNKNOWN if context.policy.discrepancy.use_blocks else 1.0
    return context.recorder.judge(
        "latency",
        route,
        (RULE, RULE_VERSION, judge_latency),
        legacy=Latencies(even=legacy.even, odd=legacy.odd),
        candidate=Latencies(even=candidate.even, odd=candidate.odd, warming=candidate.warming),
        required=context.policy.percentiles(to) or tuple(r.quantile for r in rules.percentiles),
        elapsed_s=max(0.0, (context.now - since).total_seconds()) if since else 0.0,
        policy=LatencyPolicy(
            taus=tuple(rule.quantile for rule in rules.percentiles),
            margin=rules.margin_buckets,
            alpha_pass=rules.alpha_pass * latch.alpha_share,
            alpha_fail=rules.alpha_fail * latch.alpha_share,
        ),
        deff={
            r.quantile: context.deff(route, f"p{100 * r.quantile:g}", unknown=unknown)
            for r in rules.percentiles
        },
        strata_count=strata,
    )
