"""What the histograms of both sides say about each percentile, in numbers and in words."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from judge import gate, histogram, words
from judge.arrays import Floats
from judge.evidence import Part
from judge.gate import Lack
from judge.histogram import BUCKETS, Histogram
from judge.latencies import Latencies, ratio_bounds
from judge.quantiles import forecast_factor, quantile_better_log_e
from judge.verdict import Verdict

TAUS = (0.5, 0.9, 0.95, 0.99, 0.999)
# As close to 1 as the numbers of the tests go.
_HIGHEST_TAU = 0.99999


@dataclass(frozen=True, slots=True)
class LatencyPolicy:
    """The numbers of the gate; a wrong one raises ValueError.

    `margin` is how many buckets (about per cent) faster the candidate must be; a negative one
    tolerates. `max_rejected` is the share of latencies that were no durations.
    """

    taus: Sequence[float] = TAUS
    margin: int = 0
    alpha_pass: float = 0.01
    alpha_fail: float = 0.01
    min_window_s: float = 0.0
    min_samples: int = 1000
    max_rejected: float = 0.001

    def __post_init__(self) -> None:
        gate.check_policy(self, at_least_one=("min_samples",))
        if not self.taus or not all(0 < tau <= _HIGHEST_TAU for tau in self.taus):
            raise ValueError(f"taus must be shares up to {_HIGHEST_TAU}: {self.taus!r}")
        if not abs(self.margin) < BUCKETS:
            raise ValueError(f"margin must be a number of buckets: {self.margin!r}")
        if not 0 <= self.max_rejected < 1:
            raise ValueError(f"max_rejected must be a share below 1: {self.max_rejected!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile:
    """What both sides say about one percentile; the quantiles are upper edges in microseconds.

    `bounds` enclose the ratio of the true quantiles, candidate to legacy.
    """

    tau: float
    required: bool
    legacy_us: int
    candidate_us: int
    bounds: tuple[float | None, float | None]
    log_e: float
    log_needed: float
    fail_log_e: float
    fail_needed: float
    factor: float | None

    @property
    def name(self) -> str:
        """As people say it: p50, p99.9."""
        return f"p{100 * self.tau:.6g}"

    @property
    def ratio(self) -> float:
        """The candidate's quantile as a multiple of legacy's."""
        return self.candidate_us / self.legacy_us

    @property
    def failed(self) -> bool:
        return self.fail_log_e >= self.fail_needed

    @property
    def verdict(self) -> Verdict:
        if self.failed:
            return Verdict.FAIL
        return Verdict.PASS if self.log_e >= self.log_needed else Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Sides:
    """The histograms that are compared, as arrays of all buckets, and those that are shown."""

    legacy: Floats
    candidate: Floats
    shown_legacy: Histogram
    shown_candidate: Histogram


def sides(legacy: Latencies, candidate: Latencies) -> Sides:
    """Return legacy's even requests and the candidate's odd ones, to be compared.

    Both got the same requests, and one that is slow is slow on both: no request may count on both.
    """
    return Sides(
        legacy=histogram.dense(legacy.even).astype(np.float64),
        candidate=histogram.dense(candidate.odd).astype(np.float64),
        shown_legacy=legacy.both(),
        shown_candidate=candidate.both(),
    )


def percentile(  # noqa: PLR0913 - one percentile's share of the gate's input
    tau: float,
    both: Sides,
    *,
    policy: LatencyPolicy,
    required: bool,
    deff: float,
    log_needed: float,
    fail_needed: float,
) -> Percentile:
    """Compare one percentile of both sides."""
    leg, cand = both.legacy / deff, both.candidate / deff
    log_e = quantile_better_log_e(cand, leg, tau, policy.margin)
    return Percentile(
        tau=tau,
        required=required,
        legacy_us=histogram.quantile(both.shown_legacy, tau) or 0,
        candidate_us=histogram.quantile(both.shown_candidate, tau) or 0,
        bounds=ratio_bounds(both.shown_legacy, both.shown_candidate, tau, policy.alpha_pass),
        log_e=log_e,
        log_needed=log_needed,
        # Slower by more than what is tolerated; being asked to be faster is no reason to FAIL.
        fail_log_e=quantile_better_log_e(leg, cand, tau, max(0, -policy.margin)),
        fail_needed=fail_needed,
        factor=1.0
        if log_e >= log_needed
        else forecast_factor(cand, leg, tau, policy.margin, log_needed),
    )


def part(found: Percentile, margin: int) -> Part:
    """Return the part of the evidence about one percentile."""
    lower, upper = found.bounds
    between = (
        f", between {words.times(lower, 'down')} and {words.times(upper, 'up')}"
        if lower is not None and upper is not None
        else ""
    )
    asked = "" if found.required else ", not required yet"
    return Part(
        name=found.name,
        verdict=found.verdict,
        sentence=f"{found.name} {words.microseconds(found.legacy_us)} -> "
        f"{words.microseconds(found.candidate_us)} ({words.times(found.ratio)}{between}), "
        f"{gate.evidence_text(found.log_e, found.log_needed)}{asked}",
        value_legacy=float(found.legacy_us),
        value_candidate=float(found.candidate_us),
        lower=lower,
        upper=upper,
        limit=limit(margin),
        log_e=found.log_e,
        log_needed=found.log_needed,
        fail_log_e=found.fail_log_e,
        fail_log_needed=found.fail_needed,
        required=found.required,
    )


def sentence(found: Sequence[Percentile], n: tuple[int, int]) -> list[str]:
    """Return what the percentiles show, in short."""
    asked = [p for p in found if p.required]
    if not asked:
        return ["no latencies of both sides yet"]
    weakest = min(asked, key=lambda p: p.log_e)
    seen = (
        f"{p.name} {words.percent(p.ratio)}{'' if p.required else ' (not required yet)'}"
        for p in found
    )
    return [
        f"latency, legacy's is 100 %: {', '.join(seen)}",
        f"n = {words.count(n[0])} and {words.count(n[1])} of legacy",
        f"{gate.evidence_text(weakest.log_e, weakest.log_needed)} ({weakest.name})",
    ]


def limit(margin: int) -> float:
    """Return what the ratio of the quantiles must stay below, about: buckets are one per cent."""
    return float(1.01**-margin)


def unshown(found: Sequence[Percentile], n: int) -> list[Lack]:
    """Return the requests that the required percentiles still take at this rate."""
    behind = [p for p in found if p.required and p.log_e < p.log_needed]
    if not behind:
        return []
    names = ", ".join(p.name for p in behind)
    factors = [p.factor for p in behind if p.factor is not None]
    if len(factors) < len(behind):
        missing = max(p.log_needed - p.log_e for p in behind)
        return [Lack("evidence", missing, f"evidence that {names} is faster than legacy's")]
    requests = math.ceil(n * (max(factors) - 1))
    text = f"about {words.count(requests)} more requests to show that {names} is faster"
    return [Lack("requests", requests, text)]


def reasons(
    found: Sequence[Percentile], verdict: Verdict, lacks: Iterable[Lack], warming: int
) -> tuple[str, ...]:
    """Return why the verdict is what it is, most important first."""
    slower = [p.name for p in found if p.failed]
    why = [f"shown to be slower than legacy at {', '.join(slower)}"] if slower else []
    if verdict is Verdict.PASS:
        why.append(f"shown to be faster at {', '.join(p.name for p in found if p.required)}")
    why += [f"needs {lack.text}" for lack in lacks]
    if warming:
        why.append(f"{words.count(warming)} latencies of instances that had just started left out")
    return tuple(why)
