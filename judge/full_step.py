"""The live gates at 100 %: errors, and latency above legacy's frozen thresholds."""

from collections.abc import Mapping

from judge import full, full_evidence, gate
from judge.counts import wrong_window
from judge.errors_live_facts import ErrorsLivePolicy
from judge.evidence import Evidence
from judge.full import FullCounts, FullRule
from judge.gate import Minimums
from judge.latency_live_facts import LatencyLivePolicy

ERRORS_RULE = "errors_full"
LATENCY_RULE = "latency_full"
RULE_VERSION = "1"
Policy = ErrorsLivePolicy | LatencyLivePolicy


def judge_errors_full(
    *,
    counts: FullCounts,
    error_keys: int | None,
    elapsed_s: float,
    policy: ErrorsLivePolicy,
    deff: float = 1.0,
    strata_count: int = 1,
) -> Evidence:
    """Judge the errors of the step at 100 %; `error_keys` as in `judge_errors_live`.

    Counts that cannot be believed give ERROR and the reason, never an exception.
    """
    problem = _wrong_common(elapsed_s, {"errors": error_keys}, {"errors": deff}) or counts.problem()
    if problem:
        return _error(problem, ERRORS_RULE, policy.delta, policy)
    rule = FullRule(
        name="errors",
        what="errors",
        rho=policy.rho_fail,
        delta=policy.delta,
        alpha_pass=policy.alpha_pass,
        alpha_fail=policy.alpha_fail / strata_count,
        events=policy.min_fail_events,
        keys=policy.min_fail_keys,
    )
    facts = full.gather(counts, rule, keys=error_keys, deff=float(deff))
    minimums = _minimums(facts.n, elapsed_s, policy)
    return full_evidence.evidence([facts], minimums, rule=ERRORS_RULE, version=RULE_VERSION)


def judge_latency_full(  # noqa: PLR0913 - what a live gate knows
    *,
    slow: Mapping[str, FullCounts],
    taus: Mapping[str, float],
    slow_keys: Mapping[str, int] | None,
    elapsed_s: float,
    policy: LatencyLivePolicy,
    deff: Mapping[str, float] | None = None,
    strata_count: int = 1,
) -> Evidence:
    """Judge the slow attempts of the step at 100 %, per threshold as in `judge_latency_live`.

    `taus` tells which share of legacy's attempts each threshold of the policy left below it
    ("p95": 0.95): the margin of the pairs is that as many more than legacy's are slow as the
    policy's ratio tolerates, (rho - 1) (1 - tau). Pairs may PASS, never FAIL: their legacy is idle.
    Counts that cannot be believed, or missing ones, give ERROR and the reason; ValueError for a
    threshold without its tau.
    """
    margins = {name: (rho - 1) * (1 - _tau(taus, name)) for name, rho in policy.rho.items()}
    deff, keys = deff or {}, slow_keys or {}
    problem = _wrong_common(elapsed_s, keys, deff) or next(
        filter(None, (_problem(slow, name) for name in policy.rho)), ""
    )
    if problem:
        return _error(problem, LATENCY_RULE, max(margins.values()), policy)
    found = [
        full.gather(
            slow[name],
            FullRule(
                name=name,
                what=f"attempts slower than {name}",
                rho=rho,
                delta=margins[name],
                alpha_pass=policy.alpha_pass,
                alpha_fail=policy.alpha_fail / len(policy.rho) / strata_count,
                events=policy.min_fail_events,
                keys=policy.min_fail_keys,
                pairs_fail=False,
            ),
            keys=None if slow_keys is None else keys.get(name, 0),
            deff=float(deff.get(name, 1.0)),
        )
        for name, rho in policy.rho.items()
    ]
    minimums = _minimums(min(facts.n for facts in found), elapsed_s, policy)
    return full_evidence.evidence(found, minimums, rule=LATENCY_RULE, version=RULE_VERSION)


def _tau(taus: Mapping[str, float], name: str) -> float:
    tau = taus.get(name)
    if tau is None or not 0 < tau < 1:
        raise ValueError(f"taus must tell the share below {name}: {tau!r}")
    return tau


def _problem(slow: Mapping[str, FullCounts], name: str) -> str:
    return slow[name].problem() if name in slow else f"nothing was counted above {name}"


def _wrong_common(
    elapsed_s: float, keys: Mapping[str, int | None], deffs: Mapping[str, float]
) -> str:
    return (
        wrong_window(elapsed_s)
        or next(filter(None, map(gate.wrong_deff, deffs.values())), "")
        or next(filter(None, map(gate.wrong_keys, keys.values())), "")
    )


def _minimums(n: int, elapsed_s: float, policy: Policy) -> Minimums:
    return Minimums(
        elapsed_s=float(elapsed_s),
        window_s=policy.min_window_s,
        n=n,
        least=policy.min_requests,
        unit="requests of the candidate",
    )


def _error(problem: str, rule: str, limit: float, policy: Policy) -> Evidence:
    return gate.error(
        problem,
        rule=rule,
        version=RULE_VERSION,
        limit=limit,
        alpha=policy.alpha_pass,
        window_s=policy.min_window_s,
    )
