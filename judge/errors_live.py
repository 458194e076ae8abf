"""The gate on errors of a live step: FAIL when the candidate errs more, PASS when shown not to.

An error is one at the attempt on that side, not at the user: falling back hides it from users.
"""

from judge import errors_live_facts as facts_of
from judge import gate, live
from judge.arms import ArmBlocks
from judge.counts import wrong_window
from judge.errors_live_facts import ErrorsLivePolicy, Facts, rho_open
from judge.evidence import Evidence
from judge.gate import Minimums
from judge.live import Harm

RULE = "errors_live"
RULE_VERSION = "1"

__all__ = ["RULE", "RULE_VERSION", "ErrorsLivePolicy", "judge_errors_live", "rho_open"]


def judge_errors_live(  # noqa: PLR0913 - what a live gate knows
    *,
    arms: ArmBlocks,
    error_keys: int | None,
    elapsed_s: float,
    planned_blocks: int,
    policy: ErrorsLivePolicy,
    deff: float = 1.0,
    strata_count: int = 1,
) -> Evidence:
    """Judge the errors of one step's blocks, in order of time, open one included.

    `error_keys` is how many distinct user keys met an error of the candidate (None: not counted,
    then only the number of errors is asked for). `planned_blocks` (at least 1) is the length of
    the step, `deff` the design effect of legacy's errors; `strata_count` verdicts share
    alpha_fail. Counts that cannot be believed give ERROR and the reason, never an exception.
    """
    problem = (
        wrong_window(elapsed_s)
        or gate.wrong_deff(deff)
        or gate.wrong_keys(error_keys)
        or gate.wrong_number("planned blocks", planned_blocks, least=1)
        or arms.problem()
    )
    if problem:
        return gate.error(
            problem,
            rule=RULE,
            version=RULE_VERSION,
            limit=policy.rho_open,
            alpha=policy.alpha_pass,
            window_s=policy.min_window_s,
        )
    read = arms.read()
    harm = Harm(
        rho=policy.rho_fail,
        alpha=policy.alpha_fail / strata_count,
        events=policy.min_fail_events,
        keys=policy.min_fail_keys,
    )
    facts = Facts(
        policy=policy,
        arms=read,
        totals=read.totals(),
        deff=float(deff),
        elapsed_s=float(elapsed_s),
        worse=live.worse(
            read, harm, keys=error_keys, planned_blocks=planned_blocks, deff=float(deff)
        ),
        not_worse=live.not_worse(read, policy.rho_open, deff=float(deff)),
    )
    return _evidence(facts)


def _evidence(facts: Facts) -> Evidence:
    policy, (n_c, k_c, n_l, _) = facts.policy, facts.totals
    log_e, needed, failed = facts.log_e(), facts.log_needed, facts.worse.failed
    minimums = Minimums(
        elapsed_s=facts.elapsed_s,
        window_s=policy.min_window_s,
        n=n_c,
        least=policy.min_requests,
        unit="requests of the candidate",
    )
    best = facts.factor(best=True)
    lacks = [] if failed else [*facts_of.unshown(log_e, needed, n_c, best), *minimums.lacks()]
    bounds = live.ratio_bounds(
        facts.arms,
        alpha_lower=facts.worse.harm.alpha / live.DETECTORS,
        alpha_upper=policy.alpha_pass,
        deff=facts.deff,
    )
    verdict = gate.verdict_of(lacks, failed=failed)
    return Evidence(
        rule=RULE,
        rule_version=RULE_VERSION,
        verdict=verdict,
        value=live.ratio(facts.arms),
        lower=bounds[0],
        upper=bounds[1],
        limit=policy.rho_open,
        n=n_c,
        k=k_c,
        log_e=log_e,
        log_needed=needed,
        fail_log_e=facts.worse.closest,
        fail_log_needed=facts.worse.log_needed,
        progress=gate.progress(log_e, needed),
        eta_s=None if failed else minimums.forecast(facts.factor(best=False)),
        eta_best_s=None if failed else minimums.forecast(best),
        window_s=facts.elapsed_s,
        window_needed_s=policy.min_window_s,
        **gate.lacking(lacks),
        assumption="independent",
        alpha=policy.alpha_pass,
        sentence=facts_of.sentence(facts, minimums, bounds, log_e),
        reasons=facts_of.reasons(facts, verdict, lacks),
        parts=(facts_of.ratio_part(facts, bounds), facts_of.difference_part(facts))
        if n_c and n_l
        else (),
    )
