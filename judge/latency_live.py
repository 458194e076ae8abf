"""The gate on latency of a live step: how often each side is slower than legacy used to be.

The thresholds are legacy's percentiles of the previous step, frozen when this step began. Comparing
how often both sides exceed them at the same time lets incidents that slow both cancel.
"""

from collections.abc import Mapping

from judge import gate, live
from judge import latency_live_facts as facts_of
from judge.arms import ArmBlocks
from judge.counts import wrong_window
from judge.evidence import Evidence
from judge.gate import Minimums
from judge.latency_live_facts import LatencyLivePolicy, Threshold

RULE = "latency_live"
RULE_VERSION = "1"

__all__ = ["RULE", "RULE_VERSION", "LatencyLivePolicy", "judge_latency_live"]


def judge_latency_live(  # noqa: PLR0913 - what a live gate knows
    *,
    slow: Mapping[str, ArmBlocks],
    slow_keys: Mapping[str, int] | None,
    elapsed_s: float,
    planned_blocks: int,
    policy: LatencyLivePolicy,
    deff: Mapping[str, float] | None = None,
    strata_count: int = 1,
) -> Evidence:
    """Judge the slow attempts of one step's blocks, in order of time, open one included.

    `slow` holds per threshold of the policy the attempts and those above it, warm-up left out;
    `slow_keys` how many distinct user keys met a slow candidate (None: not counted, then only the
    number of slow attempts is asked for); `deff` the design effects (1 where none is given). The
    thresholds, and `strata_count` verdicts, share alpha_fail. What is missing or cannot be
    believed gives ERROR and the reason, never an exception.
    """
    deff = deff or {}
    keys = slow_keys or {}
    problem = (
        wrong_window(elapsed_s)
        or gate.wrong_number("planned blocks", planned_blocks, least=1)
        or next(filter(None, map(gate.wrong_deff, deff.values())), "")
        or next(filter(None, map(gate.wrong_keys, keys.values())), "")
        or next(filter(None, (_problem(slow, name) for name in policy.rho)), "")
    )
    if problem:
        return gate.error(
            problem,
            rule=RULE,
            version=RULE_VERSION,
            limit=max(policy.rho.values()),
            alpha=policy.alpha_pass,
            window_s=policy.min_window_s,
        )
    thresholds = [
        facts_of.gather(
            name,
            slow[name].read(),
            policy=policy,
            keys=None if slow_keys is None else keys.get(name, 0),
            planned_blocks=planned_blocks,
            deff=float(deff.get(name, 1.0)),
            alpha=policy.alpha_fail / len(policy.rho) / strata_count,
        )
        for name in policy.rho
    ]
    return _evidence(thresholds, float(elapsed_s), policy)


def _problem(slow: Mapping[str, ArmBlocks], name: str) -> str:
    return slow[name].problem() if name in slow else f"nothing was counted above {name}"


def _evidence(thresholds: list[Threshold], elapsed_s: float, policy: LatencyLivePolicy) -> Evidence:
    weakest = min(thresholds, key=lambda threshold: threshold.log_e)
    nearest = max(thresholds, key=lambda threshold: threshold.worse.closest)
    failing = [threshold for threshold in thresholds if threshold.worse.failed]
    failed = bool(failing)
    shown = max(failing, key=lambda threshold: threshold.worse.closest, default=weakest)
    n = min(threshold.totals[0] for threshold in thresholds)
    minimums = Minimums(
        elapsed_s=elapsed_s,
        window_s=policy.min_window_s,
        n=n,
        least=policy.min_requests,
        unit="requests of the candidate",
    )
    best = [threshold.factor(best=True) for threshold in thresholds]
    lacks = [] if failed else [*facts_of.unshown(thresholds, best), *minimums.lacks()]
    verdict = gate.verdict_of(lacks, failed=failed)
    parts = tuple(facts_of.part(threshold, policy) for threshold in thresholds)
    bounds = next(part for part in parts if part.name == shown.name)
    return Evidence(
        rule=RULE,
        rule_version=RULE_VERSION,
        verdict=verdict,
        value=live.ratio(shown.arms),
        lower=bounds.lower,
        upper=bounds.upper,
        limit=shown.rho,
        n=n,
        k=shown.totals[1],
        log_e=weakest.log_e,
        log_needed=weakest.log_needed,
        fail_log_e=nearest.worse.closest,
        fail_log_needed=nearest.worse.log_needed,
        progress=gate.progress(weakest.log_e, weakest.log_needed),
        eta_s=None
        if failed
        else minimums.forecast(*(threshold.factor(best=False) for threshold in thresholds)),
        eta_best_s=None if failed else minimums.forecast(*best),
        window_s=elapsed_s,
        window_needed_s=policy.min_window_s,
        **gate.lacking(lacks),
        assumption="independent",
        alpha=policy.alpha_pass,
        sentence="; ".join([*facts_of.sentence(thresholds), *minimums.window_text()]),
        reasons=facts_of.reasons(thresholds, verdict, lacks),
        parts=parts,
    )
