"""The gate on latency in shadow: the candidate is faster in all percentiles, not on average."""

from collections.abc import Mapping, Sequence

from judge import gate, histogram
from judge import latency_facts as facts_of
from judge.counts import wrong_window
from judge.evidence import Evidence
from judge.gate import Minimums
from judge.latencies import Latencies, quantile_interval
from judge.latency_facts import LatencyPolicy, Percentile
from judge.rates import log_needed

RULE = "latency"
RULE_VERSION = "1"

__all__ = [
    "RULE",
    "RULE_VERSION",
    "Latencies",
    "LatencyPolicy",
    "judge_latency",
    "quantile_interval",
]


def judge_latency(  # noqa: PLR0913 - what the gate knows
    *,
    legacy: Latencies,
    candidate: Latencies,
    required: Sequence[float],
    elapsed_s: float,
    policy: LatencyPolicy,
    deff: Mapping[float, float] | None = None,
    strata_count: int = 1,
) -> Evidence:
    """Judge the latencies of the same requests on both sides over the whole window.

    PASS asks for evidence at each percentile in `required`; the policy's others are shown and may
    FAIL. `deff` holds the design effect per percentile (1 where none is given); `strata_count`
    verdicts share alpha_fail. ValueError for a required percentile that the policy does not have,
    or none at all; counts that cannot be believed give ERROR and the reason, never an exception.
    """
    if not required or not set(required) <= set(policy.taus):
        raise ValueError(f"required must be some of {policy.taus!r}: {required!r}")
    deff = deff or {}
    problem = (
        wrong_window(elapsed_s)
        or next(filter(None, map(gate.wrong_deff, deff.values())), "")
        or legacy.problem(policy.max_rejected)
        or candidate.problem(policy.max_rejected)
    )
    if problem:
        return gate.error(
            problem,
            rule=RULE,
            version=RULE_VERSION,
            limit=facts_of.limit(policy.margin),
            alpha=policy.alpha_pass,
            window_s=policy.min_window_s,
        )
    n_l, n_c = histogram.total(legacy.even), histogram.total(candidate.odd)
    minimums = Minimums(
        elapsed_s=float(elapsed_s),
        window_s=policy.min_window_s,
        n=min(n_l, n_c),
        least=policy.min_samples,
        unit="requests on each side",
    )
    both = facts_of.sides(legacy, candidate)
    found = [
        facts_of.percentile(
            tau,
            both,
            policy=policy,
            required=tau in required,
            deff=float(deff.get(tau, 1.0)),
            log_needed=log_needed(policy.alpha_pass),
            fail_needed=log_needed(policy.alpha_fail / len(policy.taus) / strata_count),
        )
        for tau in (policy.taus if minimums.n else ())
    ]
    return _evidence(found, minimums, policy, n=(n_c, n_l), warming=candidate.warming)


def _evidence(
    found: Sequence[Percentile],
    minimums: Minimums,
    policy: LatencyPolicy,
    *,
    n: tuple[int, int],
    warming: int,
) -> Evidence:
    needed = log_needed(policy.alpha_pass)
    asked = [p for p in found if p.required]
    failing = [p for p in found if p.failed]
    weakest = min(asked, key=lambda p: p.log_e, default=None)
    shown = max(failing, key=lambda p: p.fail_log_e, default=weakest)
    log_e = weakest.log_e if weakest else 0.0
    lacks = [] if failing else [*facts_of.unshown(found, minimums.n), *minimums.lacks()]
    verdict = gate.verdict_of(lacks, failed=bool(failing))
    eta_s = None if failing else minimums.forecast(*(p.factor for p in asked))
    parts = tuple(facts_of.part(p, policy.margin) for p in found)
    return Evidence(
        rule=RULE,
        rule_version=RULE_VERSION,
        verdict=verdict,
        value=shown.ratio if shown else None,
        lower=shown.bounds[0] if shown else None,
        upper=shown.bounds[1] if shown else None,
        limit=facts_of.limit(policy.margin),
        n=sum(n),
        log_e=log_e,
        log_needed=needed,
        fail_log_e=max((p.fail_log_e for p in found), default=0.0),
        fail_log_needed=max((p.fail_needed for p in found), default=None),
        progress=gate.progress(log_e, needed),
        eta_s=eta_s,
        eta_best_s=eta_s,
        window_s=minimums.elapsed_s,
        window_needed_s=policy.min_window_s,
        **gate.lacking(lacks),
        assumption="independent",
        alpha=policy.alpha_pass,
        sentence="; ".join([*facts_of.sentence(found, n), *minimums.window_text()]),
        reasons=facts_of.reasons(found, verdict, lacks, warming),
        parts=parts,
    )
