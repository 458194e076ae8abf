"""What the counts of the live error gate say, what they lack, and both in words."""

import math
from dataclasses import dataclass

import numpy as np

from judge import gate, live, words
from judge.arms import Arms
from judge.difference import diff_log_e, diff_lower, diff_upper
from judge.evidence import Part
from judge.gate import Lack, Minimums
from judge.live import NotWorse, Worse
from judge.numerics import smallest_factor
from judge.rates import log_needed
from judge.verdict import Verdict

FORECAST_STEPS = 24
_LN_2 = math.log(2)
Bounds = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class ErrorsLivePolicy:
    """The numbers of the gate; the defaults are the guide's at 5 %. A wrong one raises ValueError.

    FAIL tolerates `rho_fail` times legacy's rate. PASS asks for less than `rho_open` times it, or
    less than `delta` (a share) above it.
    """

    rho_fail: float = 1.5
    rho_open: float = 3.0
    delta: float = 0.001
    alpha_pass: float = 0.01
    alpha_fail: float = 0.005
    min_window_s: float = 3600.0
    min_requests: int = 10_000
    min_fail_events: int = 5
    min_fail_keys: int = 3

    def __post_init__(self) -> None:
        gate.check_policy(
            self, positive=("rho_fail", "rho_open"), at_least_one=("min_fail_events",)
        )
        if not 0 <= self.delta < 1:
            raise ValueError(f"delta must be a share from 0 up to 1: {self.delta!r}")
        if self.min_requests < 0 or self.min_fail_keys < 0:
            raise ValueError("min_requests and min_fail_keys must be at least 0")


def rho_open(weight: float) -> float:
    """Return how many times legacy's errors the guide lets pass at a weight in percent."""
    if weight < 25:  # noqa: PLR2004 - the guide's steps
        return 3.0
    return 2.0 if weight < 50 else 1.5  # noqa: PLR2004 - the guide's steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The counts under a policy; verdict, forecast and words follow from them alone."""

    policy: ErrorsLivePolicy
    arms: Arms
    totals: tuple[int, int, int, int]
    deff: float
    elapsed_s: float
    worse: Worse
    not_worse: NotWorse

    @property
    def log_needed(self) -> float:
        return log_needed(self.policy.alpha_pass)

    def log_e(self, f: float = 1.0, *, best: bool = False) -> float:
        """Return the evidence for PASS, if f times as much had happened: alike, or at best."""
        ratio = self.not_worse.log_e_at_best(f) if best else self.not_worse.log_e(f)
        return float(np.logaddexp(ratio, self.difference_log_e(f, best=best))) - _LN_2

    def difference_log_e(self, f: float = 1.0, *, best: bool = False) -> float:
        n_c, k_c, n_l, k_l = (x / self.deff for x in self.totals)
        if f > 1:
            k_c = k_c if best else f * n_c * (k_c + 0.5) / (n_c + 1)
            n_c, n_l, k_l = f * n_c, f * n_l, f * k_l
        return diff_log_e(n_c, k_c, n_l, k_l, self.policy.delta)

    def factor(self, *, best: bool) -> float | None:
        """Return how many times the present data PASS takes."""
        if self.totals[0] == 0 or self.totals[2] == 0:
            return None
        return smallest_factor(
            lambda f: self.log_e(f, best=best) >= self.log_needed, FORECAST_STEPS
        )


def unshown(log_e: float, needed: float, n_c: int, factor: float | None) -> list[Lack]:
    """Return the requests without another error that the evidence still takes."""
    if log_e >= needed:
        return []
    if factor is None:
        return [Lack("evidence", needed - log_e, "evidence that it errs no more than legacy")]
    missing = math.ceil(n_c * (factor - 1))
    text = f"{words.count(missing)} more requests of the candidate without error"
    return [Lack("requests_without_error", missing, text)]


def _shares(facts: Facts) -> Bounds:
    n_c, k_c, n_l, k_l = facts.totals
    return (k_c / n_c if n_c else None), (k_l / n_l if n_l else None)


def ratio_part(facts: Facts, bounds: Bounds) -> Part:
    policy, candidate, legacy = facts.policy, *_shares(facts)
    at_most = (
        "no bound of the ratio yet"
        if bounds[1] is None
        else f"at most {words.times(bounds[1], 'up')} legacy's errors with "
        f"{words.confidence(policy.alpha_pass)}"
    )
    return Part(
        name="ratio",
        verdict=_part_verdict(facts, facts.not_worse.log_e(), failed=facts.worse.failed),
        sentence=f"{at_most}; limit {words.times(policy.rho_open)}; "
        f"over {words.times(policy.rho_fail)} fails",
        value_legacy=legacy,
        value_candidate=candidate,
        lower=bounds[0],
        upper=bounds[1],
        limit=policy.rho_open,
        log_e=facts.not_worse.log_e(),
        log_needed=facts.log_needed,
        fail_log_e=facts.worse.closest,
        fail_log_needed=facts.worse.log_needed,
        required=False,
    )


def difference_part(facts: Facts) -> Part:
    policy, candidate, legacy = facts.policy, *_shares(facts)
    n_c, k_c, n_l, k_l = (x / facts.deff for x in facts.totals)
    upper = diff_upper(n_c, k_c, n_l, k_l, policy.alpha_pass)
    log_e = facts.difference_log_e()
    return Part(
        name="difference",
        verdict=_part_verdict(facts, log_e, failed=False),
        sentence=f"at most {words.points(upper, 'up')} more errors than legacy with "
        f"{words.confidence(policy.alpha_pass)}; limit {words.points(policy.delta)}",
        value_legacy=legacy,
        value_candidate=candidate,
        lower=diff_lower(n_c, k_c, n_l, k_l, policy.alpha_fail),
        upper=upper,
        limit=policy.delta,
        log_e=log_e,
        log_needed=facts.log_needed,
        required=False,
    )


def _part_verdict(facts: Facts, log_e: float, *, failed: bool) -> Verdict:
    if failed:
        return Verdict.FAIL
    return Verdict.PASS if log_e >= facts.log_needed else Verdict.INCONCLUSIVE


def sentence(facts: Facts, minimums: Minimums, bounds: Bounds, log_e: float) -> str:
    policy, (n_c, _, n_l, _) = facts.policy, facts.totals
    candidate, legacy = _shares(facts)
    limit = (
        f"tolerated {words.times(policy.rho_fail)}"
        if facts.worse.failed
        else f"limit {words.times(policy.rho_open)} or {words.points(policy.delta)}"
    )
    if candidate is None or legacy is None:
        side = "the candidate" if candidate is None else "legacy"
        parts = [f"no requests of {side} yet", limit]
    else:
        parts = [
            f"{words.percent(candidate)} errors, legacy {words.percent(legacy)}",
            *_bound_text(facts, bounds),
            limit,
            f"n = {words.count(n_c)} and {words.count(n_l)} of legacy",
            gate.evidence_text(log_e, facts.log_needed),
        ]
    return "; ".join([*parts, *minimums.window_text()])


def _bound_text(facts: Facts, bounds: Bounds) -> list[str]:
    policy = facts.policy
    if facts.worse.failed:
        alpha = facts.worse.harm.alpha / live.DETECTORS
        at_least = bounds[0]
        return (
            []
            if at_least is None
            else [f"at least {words.times(at_least, 'down')} with {words.confidence(alpha)}"]
        )
    if bounds[1] is None:
        return []
    return [f"at most {words.times(bounds[1], 'up')} with {words.confidence(policy.alpha_pass)}"]


def reasons(facts: Facts, verdict: Verdict, lacks: list[Lack]) -> tuple[str, ...]:
    why = facts.worse.reasons("errors")
    if verdict is Verdict.PASS:
        policy = facts.policy
        why.append(
            f"shown to stay below {words.times(policy.rho_open)} legacy's errors, or "
            f"{words.points(policy.delta)}"
        )
    return (*why, *(f"needs {lack.text}" for lack in lacks))
