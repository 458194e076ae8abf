"""The shadow discrepancy gate: fewer than a limit of the answers differ, shown before users see it.

Evidence must say *enough requests* (the independent test) and *enough time* (the block test, which
bursts cannot fool). A policy without blocks is for demonstrations and says so in every verdict.
"""

from dataclasses import replace

import numpy as np

from judge import discrepancy_facts as facts_of
from judge.blocks import block_log_e_above, block_log_e_below
from judge.counts import CountsLike, unbelievable
from judge.discrepancy_facts import INDEPENDENT_NOTE, DiscrepancyPolicy, Facts
from judge.evidence import Evidence
from judge.rates import (
    eta_samples,
    log_e_above,
    log_e_below,
    log_needed,
    min_samples,
    rate_cs,
    rate_gate,
    rate_lower,
    rate_upper,
)
from judge.verdict import Verdict

RULE = "discrepancy"
RULE_VERSION = "1"

__all__ = [
    "INDEPENDENT_NOTE",
    "RULE",
    "RULE_VERSION",
    "DiscrepancyPolicy",
    "block_log_e_above",
    "block_log_e_below",
    "eta_samples",
    "judge_discrepancy",
    "log_e_above",
    "log_e_below",
    "min_samples",
    "rate_cs",
    "rate_gate",
    "rate_lower",
    "rate_upper",
]


def judge_discrepancy(
    *,
    n_b: CountsLike,
    k_b: CountsLike,
    elapsed_s: float,
    policy: DiscrepancyPolicy,
    strata_count: int = 1,
    stratum: bool = False,
) -> Evidence:
    """Judge pairs (`n_b`) and mismatches (`k_b`) per closed block over the whole window.

    `strata_count` (at least 1) is how many such verdicts are made together, each route and the
    overall one: any of them may FAIL, so they share alpha_fail. A `stratum` (one route) needs the
    independent test only; window and blocks are asked of the overall verdict, which must PASS at
    the same moment. Counts that cannot be believed give ERROR and the reason, never an exception.
    """
    problem = unbelievable(n_b, k_b, elapsed_s)
    if problem:
        return _error(problem, policy)
    facts = facts_of.gather(
        np.asarray(n_b, dtype=np.int64),
        np.asarray(k_b, dtype=np.int64),
        elapsed_s=float(elapsed_s),
        policy=replace(policy, min_window_s=0.0, min_blocks=0) if stratum else policy,
        strata_count=strata_count,
        block_test=policy.use_blocks and not stratum,
    )
    return _evidence(facts)


def _evidence(facts: Facts) -> Evidence:
    policy, n, k = facts.policy, facts.n, facts.k
    lower = rate_lower(n, k, policy.alpha_fail, "gate", policy.limit) if n else None
    upper = rate_upper(n, k, policy.alpha_pass) if n else None
    lacks = facts_of.lacks(facts)
    eta_s, eta_best_s = facts_of.forecast(facts)
    return Evidence(
        rule=RULE,
        rule_version=RULE_VERSION,
        verdict=facts_of.verdict(facts),
        value=k / n if n else None,
        lower=lower,
        upper=upper,
        limit=policy.limit,
        n=n,
        k=k,
        log_e=facts.log_e,
        log_needed=facts.pass_needed,
        fail_log_e=facts.fail_log_e,
        fail_log_needed=facts.fail_needed,
        progress=facts.progress,
        eta_s=eta_s,
        eta_best_s=eta_best_s,
        window_s=facts.elapsed_s,
        window_needed_s=policy.min_window_s,
        needed=tuple(sorted((lack.what, lack.amount) for lack in lacks)),
        needed_text="; ".join(lack.text for lack in lacks),
        assumption=policy.assumption,
        alpha=policy.alpha_pass,
        sentence=facts_of.sentence(facts, lower=lower, upper=upper),
        reasons=facts_of.reasons(facts),
    )


def _error(problem: str, policy: DiscrepancyPolicy) -> Evidence:
    return Evidence(
        rule=RULE,
        rule_version=RULE_VERSION,
        verdict=Verdict.ERROR,
        limit=policy.limit,
        log_needed=log_needed(policy.alpha_pass),
        window_needed_s=policy.min_window_s,
        assumption=policy.assumption,
        alpha=policy.alpha_pass,
        sentence=f"the counts cannot be believed: {problem}",
        reasons=(problem,),
    )
