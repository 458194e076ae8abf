"""The gate on errors in shadow: the candidate fails at most a margin more often than legacy.

Both sides got the same requests, so each pair is one observation of the difference.
"""

from dataclasses import dataclass

from judge import gate, words
from judge.counts import wrong_window
from judge.evidence import Evidence
from judge.gate import Lack, Minimums
from judge.numerics import smallest_factor
from judge.paired import paired_log_e, paired_lower, paired_upper
from judge.pairs import PairCounts, PairTotals
from judge.rates import log_needed
from judge.verdict import Verdict

RULE = "errors_paired"
RULE_VERSION = "1"
FORECAST_STEPS = 24


@dataclass(frozen=True, slots=True)
class ErrorsPairedPolicy:
    """The numbers of the gate; `delta` is the margin as a share. A wrong one raises ValueError."""

    delta: float = 0.001
    alpha_pass: float = 0.01
    alpha_fail: float = 0.005
    min_window_s: float = 0.0
    min_pairs: int = 0
    min_fail_events: int = 5

    def __post_init__(self) -> None:
        gate.check_policy(self, at_least_one=("min_fail_events",))
        if not 0 <= self.delta < 1:
            raise ValueError(f"delta must be a share from 0 up to 1: {self.delta!r}")
        if self.min_pairs < 0:
            raise ValueError(f"min_pairs must be at least 0: {self.min_pairs!r}")


def judge_errors_paired(
    *,
    pairs: PairCounts,
    elapsed_s: float,
    policy: ErrorsPairedPolicy,
    deff: float = 1.0,
    strata_count: int = 1,
) -> Evidence:
    """Judge the errors of pairs over the whole window; any order and split of blocks is equal.

    `deff` is the design effect of legacy's errors; `strata_count` verdicts share alpha_fail. Counts
    that cannot be believed give ERROR and the reason, never an exception.
    """
    problem = wrong_window(elapsed_s) or gate.wrong_deff(deff) or pairs.problem()
    if problem:
        return gate.error(
            problem,
            rule=RULE,
            version=RULE_VERSION,
            limit=policy.delta,
            alpha=policy.alpha_pass,
            window_s=policy.min_window_s,
        )
    return _evidence(pairs.totals(), float(elapsed_s), policy, float(deff), strata_count)


def _evidence(
    totals: PairTotals, elapsed_s: float, policy: ErrorsPairedPolicy, deff: float, strata_count: int
) -> Evidence:
    log_e, needed = totals.better_log_e(policy.delta, deff), log_needed(policy.alpha_pass)
    fail_log_e = totals.worse_log_e(policy.delta, deff)
    fail_needed = log_needed(policy.alpha_fail / strata_count)
    failed = fail_log_e >= fail_needed and totals.plus >= policy.min_fail_events
    minimums = Minimums(
        elapsed_s=elapsed_s,
        window_s=policy.min_window_s,
        n=totals.n,
        least=policy.min_pairs,
        unit="pairs",
    )
    lacks = [] if failed else [*_clean_pairs(totals, policy.delta, needed, deff), *minimums.lacks()]
    verdict = gate.verdict_of(lacks, failed=failed)
    at_this_rate, at_best = _factors(totals, policy.delta, needed, deff)
    scaled = [count / deff for count in (totals.plus, totals.zero, totals.minus)]
    plus, zero, minus = scaled
    lower = paired_lower(plus, zero, minus, policy.alpha_fail / strata_count) if totals.n else None
    upper = paired_upper(plus, zero, minus, policy.alpha_pass) if totals.n else None
    return Evidence(
        rule=RULE,
        rule_version=RULE_VERSION,
        verdict=verdict,
        value=totals.difference,
        lower=lower,
        upper=upper,
        limit=policy.delta,
        n=totals.n,
        k=totals.plus,
        log_e=log_e,
        log_needed=needed,
        fail_log_e=fail_log_e,
        fail_log_needed=fail_needed,
        progress=gate.progress(log_e, needed),
        eta_s=None if failed else minimums.forecast(at_this_rate),
        eta_best_s=None if failed else minimums.forecast(at_best),
        window_s=elapsed_s,
        window_needed_s=policy.min_window_s,
        **gate.lacking(lacks),
        assumption="independent",
        alpha=policy.alpha_pass,
        sentence=_sentence(totals, minimums, policy, bounds=(lower, upper), failed=failed),
        reasons=_reasons(totals, policy, verdict, lacks),
    )


def _clean_pairs(totals: PairTotals, delta: float, needed: float, deff: float) -> list[Lack]:
    plus, zero, minus = (x / deff for x in (totals.plus, totals.zero, totals.minus))
    missing = gate.fewest(lambda m: paired_log_e(plus, zero + m / deff, minus, delta) >= needed)
    if missing is None:  # a margin of nothing: pairs without errors never show it
        return [Lack("evidence", needed, "evidence that legacy fails more often")]
    if missing == 0:
        return []
    return [
        Lack("pairs_without_error", missing, f"{words.count(missing)} more pairs without error")
    ]


def _factors(
    totals: PairTotals, delta: float, needed: float, deff: float
) -> tuple[float | None, float | None]:
    if totals.n == 0:
        return None, None
    plus, zero, minus = (x / deff for x in (totals.plus, totals.zero, totals.minus))

    def likewise(f: float) -> bool:
        return paired_log_e(f * (plus + 0.5 / deff), f * zero, f * minus, delta) >= needed

    def best(f: float) -> bool:
        return paired_log_e(plus, f * zero, f * minus, delta) >= needed

    if best(1.0):
        return 1.0, 1.0
    return smallest_factor(likewise, FORECAST_STEPS), smallest_factor(best, FORECAST_STEPS)


def _sentence(
    totals: PairTotals,
    minimums: Minimums,
    policy: ErrorsPairedPolicy,
    *,
    bounds: tuple[float | None, float | None],
    failed: bool,
) -> str:
    limit = f"limit {words.points(policy.delta)}"
    shares = [words.percent(share or 0) for share in (totals.candidate, totals.legacy)]
    lower, upper = bounds
    if lower is None or upper is None:
        parts = ["no pairs compared yet", limit]
    else:
        parts = [
            f"{shares[0]} errors, legacy {shares[1]}",
            f"difference at least {words.points(lower, 'down')} with "
            f"{words.confidence(policy.alpha_fail)}"
            if failed
            else f"difference at most {words.points(upper, 'up')} with "
            f"{words.confidence(policy.alpha_pass)}",
            limit,
            f"n = {words.count(totals.n)} pairs",
        ]
    return "; ".join([*parts, *minimums.window_text()])


def _reasons(
    totals: PairTotals, policy: ErrorsPairedPolicy, verdict: Verdict, lacks: list[Lack]
) -> tuple[str, ...]:
    limit = words.points(policy.delta).lstrip("+")
    why = {
        Verdict.FAIL: f"shown to fail more often than legacy by more than {limit}: "
        f"{words.count(totals.plus)} pairs in which only the candidate failed",
        Verdict.PASS: f"shown to fail at most {limit} more often than legacy",
    }
    first = [why[verdict]] if verdict in why else []
    return (*first, *(f"needs {lack.text}" for lack in lacks))
