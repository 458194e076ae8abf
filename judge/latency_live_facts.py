"""What the counts above each threshold of the live latency gate say, in numbers and in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from judge import gate, live, words
from judge.arms import Arms
from judge.evidence import Part
from judge.gate import Lack
from judge.live import Harm, NotWorse, Worse
from judge.numerics import smallest_factor
from judge.rates import log_needed
from judge.verdict import Verdict

FORECAST_STEPS = 24
DEFAULT_RHO = {"p50": 1.1, "p95": 1.25, "p99": 1.5}


@dataclass(frozen=True, slots=True)
class LatencyLivePolicy:
    """The numbers of the gate; a wrong one raises ValueError.

    `rho` tells per threshold how many times as often as legacy the candidate may be slower.
    """

    rho: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_RHO))
    alpha_pass: float = 0.01
    alpha_fail: float = 0.005
    min_window_s: float = 3600.0
    min_requests: int = 10_000
    min_fail_events: int = 5
    min_fail_keys: int = 3

    def __post_init__(self) -> None:
        gate.check_policy(self, at_least_one=("min_fail_events",))
        if not self.rho or not all(1 <= rho < math.inf for rho in self.rho.values()):
            raise ValueError(f"rho must be at least 1 for one threshold or more: {self.rho!r}")
        if self.min_requests < 0 or self.min_fail_keys < 0:
            raise ValueError("min_requests and min_fail_keys must be at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What the counts above one threshold say."""

    name: str
    rho: float
    arms: Arms
    totals: tuple[int, int, int, int]
    deff: float
    worse: Worse
    not_worse: NotWorse
    log_e: float
    log_needed: float

    def factor(self, *, best: bool) -> float | None:
        """Return how many times the present data its evidence takes."""
        if self.totals[0] == 0 or self.totals[2] == 0:
            return None
        log_e = self.not_worse.log_e_at_best if best else self.not_worse.log_e
        return smallest_factor(lambda f: log_e(f) >= self.log_needed, FORECAST_STEPS)

    @property
    def verdict(self) -> Verdict:
        if self.worse.failed:
            return Verdict.FAIL
        return Verdict.PASS if self.log_e >= self.log_needed else Verdict.INCONCLUSIVE


def gather(  # noqa: PLR0913 - one threshold's share of the gate's input
    name: str,
    arms: Arms,
    *,
    policy: LatencyLivePolicy,
    keys: int | None,
    planned_blocks: int,
    deff: float,
    alpha: float,
) -> Threshold:
    rho = policy.rho[name]
    harm = Harm(rho=rho, alpha=alpha, events=policy.min_fail_events, keys=policy.min_fail_keys)
    not_worse = live.not_worse(arms, rho, deff=deff)
    return Threshold(
        name=name,
        rho=rho,
        arms=arms,
        totals=arms.totals(),
        deff=deff,
        worse=live.worse(arms, harm, keys=keys, planned_blocks=planned_blocks, deff=deff),
        not_worse=not_worse,
        log_e=not_worse.log_e(),
        log_needed=log_needed(policy.alpha_pass),
    )


def unshown(thresholds: Sequence[Threshold], factors: Sequence[float | None]) -> list[Lack]:
    """Return the requests, none of them slow, that the evidence of the weakest threshold takes."""
    behind = [
        (threshold, factor)
        for threshold, factor in zip(thresholds, factors, strict=True)
        if threshold.log_e < threshold.log_needed
    ]
    if not behind:
        return []
    known = [threshold.totals[0] * (factor - 1) for threshold, factor in behind if factor]
    names = ", ".join(threshold.name for threshold, _ in behind)
    if len(known) < len(behind):
        missing = max(threshold.log_needed - threshold.log_e for threshold, _ in behind)
        return [Lack("evidence", missing, f"evidence that {names} is no worse than legacy")]
    requests = math.ceil(max(known))
    text = f"{words.count(requests)} more requests of the candidate, none slower than {names}"
    return [Lack("requests_not_slow", requests, text)]


def part(threshold: Threshold, policy: LatencyLivePolicy) -> Part:
    """Return the part of the evidence about one threshold."""
    n_c, k_c, n_l, k_l = threshold.totals
    alpha_fail = threshold.worse.harm.alpha / live.DETECTORS
    lower, upper = live.ratio_bounds(
        threshold.arms,
        alpha_lower=alpha_fail,
        alpha_upper=policy.alpha_pass,
        deff=threshold.deff,
    )
    shares = (k_c / n_c if n_c else None), (k_l / n_l if n_l else None)
    return Part(
        name=threshold.name,
        verdict=threshold.verdict,
        sentence=_sentence(threshold, shares, _bound(threshold, lower, upper, alpha_fail, policy)),
        value_legacy=shares[1],
        value_candidate=shares[0],
        lower=lower,
        upper=upper,
        limit=threshold.rho,
        log_e=threshold.log_e,
        log_needed=threshold.log_needed,
        fail_log_e=threshold.worse.closest,
        fail_log_needed=threshold.worse.log_needed,
    )


def _bound(
    threshold: Threshold,
    lower: float | None,
    upper: float | None,
    alpha_fail: float,
    policy: LatencyLivePolicy,
) -> list[str]:
    if threshold.worse.failed and lower is not None:
        return [f"at least {words.times(lower, 'down')} with {words.confidence(alpha_fail)}"]
    if threshold.worse.failed or upper is None:
        return []
    return [f"at most {words.times(upper, 'up')} with {words.confidence(policy.alpha_pass)}"]


def _sentence(
    threshold: Threshold, shares: tuple[float | None, float | None], bound: list[str]
) -> str:
    candidate, legacy = shares
    if candidate is None or legacy is None:
        return f"{threshold.name}: no requests of both sides yet"
    seen = (
        f"{threshold.name}: {words.percent(candidate)} slower than it, "
        f"legacy {words.percent(legacy)}"
    )
    progress = gate.evidence_text(threshold.log_e, threshold.log_needed)
    return ", ".join([seen, *bound, f"limit {words.times(threshold.rho)}", progress])


def sentence(thresholds: Sequence[Threshold]) -> list[str]:
    """Return how the thresholds compare, in short."""
    if not all(threshold.totals[0] and threshold.totals[2] for threshold in thresholds):
        return ["no requests of both sides yet"]
    weakest = min(thresholds, key=lambda threshold: threshold.log_e)
    seen = (_times_of(threshold) for threshold in thresholds)
    n_c, _, n_l, _ = weakest.totals
    return [
        f"slow attempts, legacy's are 1: {', '.join(seen)}",
        f"n = {words.count(n_c)} and {words.count(n_l)} of legacy",
        f"{gate.evidence_text(weakest.log_e, weakest.log_needed)} ({weakest.name})",
    ]


def _times_of(threshold: Threshold) -> str:
    ratio = live.ratio(threshold.arms)
    seen = "no ratio yet" if ratio is None else words.times(ratio)
    return f"{threshold.name} {seen} (limit {threshold.rho:g})"


def reasons(
    thresholds: Sequence[Threshold], verdict: Verdict, lacks: Sequence[Lack]
) -> tuple[str, ...]:
    """Return why the verdict is what it is, most important first."""
    why = [
        text
        for threshold in thresholds
        for text in threshold.worse.reasons(f"attempts slower than {threshold.name}")
    ]
    if verdict is Verdict.PASS:
        why.append("shown to be slow no more often than legacy, within the limits")
    # What holds for several thresholds alike is said once.
    return (*dict.fromkeys(why), *(f"needs {lack.text}" for lack in lacks))
