"""The shadow discrepancy gate: overall and each route, on fresh evidence that covers enough."""

import dataclasses

import numpy as np

from judge.discrepancy import RULE, RULE_VERSION, judge_discrepancy
from judge.evidence import Evidence
from judge.verdict import Verdict
from rollout.gates.base import Context, Judged, changed, is_old
from rollout.gates.routes import with_routes
from shadow.queries import PairEvidence

JUDGED = (RULE, RULE_VERSION, judge_discrepancy)


def discrepancy(context: Context) -> Judged:
    """Judge the overall rate and each route; the worst of them is the gate's verdict."""
    latch = context.latch("discrepancy")
    rules = context.policy.discrepancy
    policy = dataclasses.replace(
        rules,
        alpha_pass=rules.alpha_pass * latch.alpha_share,
        alpha_fail=rules.alpha_fail * latch.alpha_share,
    )
    found = context.evidence
    since = found.since
    elapsed = (context.now - since).total_seconds() if since else 0.0
    strata = len(context.route_names) + 1
    judge = context.recorder.judge
    overall = judge(
        "discrepancy",
        "",
        JUDGED,
        n_b=found.overall.compared,
        k_b=found.overall.mismatched,
        elapsed_s=elapsed,
        policy=policy,
        strata_count=strata,
    )
    routes = []
    for name in context.route_names:
        series = found.routes.get(name)
        empty = np.zeros(0, dtype=np.int64)
        routes.append(
            (
                name,
                judge(
                    "discrepancy",
                    name,
                    JUDGED,
                    n_b=series.compared if series else empty,
                    k_b=series.mismatched if series else empty,
                    elapsed_s=elapsed,
                    policy=policy,
                    strata_count=strata,
                    stratum=True,
                ),
            )
        )
    judged = with_routes(context, overall, tuple(routes), thin=context.policy.thin_routes)
    grows = fresh(judged, found.last_end, context)
    return _covered(grows, found, context.policy.max_uncomparable), tuple(routes)


def fresh(evidence: Evidence, last_end: int | None, context: Context) -> Evidence:
    """Let evidence that stopped growing open nothing: it says nothing about now."""
    if evidence.verdict is not Verdict.PASS:
        return evidence
    if not is_old(last_end, context):
        return evidence
    text = f"No pair was compared for {context.policy.stale_after_s} s. {evidence.sentence}"
    return changed(
        evidence, verdict=Verdict.INCONCLUSIVE, sentence=text, eta_s=None, reasons=("stale",)
    )


def _covered(evidence: Evidence, found: PairEvidence, limit: float) -> Evidence:
    """Let too many uncomparable pairs open nothing: they might all have differed."""
    if evidence.verdict is not Verdict.PASS:
        return evidence
    lost = sum(found.uncomparable.values())
    share = lost / (lost + evidence.n) if lost else 0.0
    if share <= limit:
        return evidence
    causes = ", ".join(f"{cause} {count}" for cause, count in found.uncomparable.items())
    text = f"{share:.1%} of the pairs could not be compared ({causes}), at most {limit:.1%} may be."
    return changed(
        evidence,
        verdict=Verdict.INCONCLUSIVE,
        sentence=f"{text} {evidence.sentence}",
        eta_s=None,
        reasons=("uncomparable",),
    )
