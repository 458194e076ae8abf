"""Evidence and bounds for a rate of independent events: n observed, k of them bad.

An e-value starts at 1 and, while its hypothesis is true, ever reaches 1/alpha with a chance of at
most alpha, however often somebody looks. Here they are natural logarithms. Counts may be real
numbers. `judge/discrepancy.py` makes verdicts of them.
"""

import math
from typing import Literal

from judge.numerics import (
    bisect,
    log_lower_tail,
    log_marg,
    log_upper_tail,
    smallest_factor,
)
from judge.verdict import Verdict

MAX_N = 10**12
MIN_FAIL_EVENTS = 5
_LOWEST_RATE = 1e-15
_HIGHEST_ALPHA = 0.5
Prior = Literal["gate", "jeffreys"]


def log_e_below(n: float, k: float, p0: float) -> float:
    """Return the evidence that the rate is below p0 (against: rate >= p0)."""
    a, b = 0.5 + k, 0.5 + n - k
    return (
        log_marg(a, b, p0)
        - log_marg(0.5, 0.5, p0)
        + log_lower_tail(a, b, p0)
        - log_lower_tail(0.5, 0.5, p0)
    )


def log_e_above(n: float, k: float, p0: float, b: float | None = None) -> float:
    """Return the evidence that the rate is above p0 (against: rate <= p0).

    The prior over rates is Beta(1/2, b), b = 1/(2 p0) unless given: most of it near p0.
    """
    prior_b = 1 / (2 * p0) if b is None else b
    a_n, b_n = 0.5 + k, prior_b + n - k
    return (
        log_marg(a_n, b_n, p0)
        - log_marg(0.5, prior_b, p0)
        + log_upper_tail(a_n, b_n, p0)
        - log_upper_tail(0.5, prior_b, p0)
    )


def rate_upper(n: float, k: float, alpha: float) -> float:
    """Return the rate that the true one stays below with confidence 1 - alpha, at any moment.

    `log_e_below(n, k, p0) >= ln(1/alpha)` exactly when `rate_upper(n, k, alpha) <= p0`, so the
    bound on the screen and the decision cannot contradict each other.
    """
    needed = log_needed(alpha)
    if n == 0 or k >= n:
        return 1.0
    low = math.log(max(k / n, _LOWEST_RATE))
    _, high = bisect(lambda x: log_e_below(n, k, math.exp(x)) >= needed, low, 0.0)
    return math.exp(high)


def rate_lower(n: float, k: float, alpha: float, prior: Prior, p0: float) -> float:
    """Return the rate that the true one stays above with confidence 1 - alpha, at any moment.

    The prior is fixed: "gate" is the one of the gate with limit p0, "jeffreys" is for charts
    without a limit.
    """
    needed = log_needed(alpha)
    if k == 0:
        return 0.0
    b = 1 / (2 * p0) if prior == "gate" else 0.5
    low, _ = bisect(
        lambda x: log_e_above(n, k, math.exp(x), b) < needed,
        math.log(_LOWEST_RATE),
        math.log(k / n),
    )
    return math.exp(low)


def rate_cs(n: float, k: float, alpha: float) -> tuple[float, float]:
    """Return an interval that holds the true rate at every moment with confidence 1 - alpha."""
    needed = log_needed(alpha)
    if n == 0:
        return 0.0, 1.0

    def outside(x: float) -> bool:
        p = math.exp(x)
        a, b = 0.5 + k, 0.5 + n - k
        scale = 0.5 * math.log(p) + 0.5 * math.log1p(-p) - math.log(math.pi)
        return log_marg(a, b, p) + scale >= needed

    observed = math.log(min(max(k / n, _LOWEST_RATE), 1.0))
    lower = upper = math.exp(observed)
    if k == 0:
        lower = 0.0
    else:
        lower = math.exp(bisect(lambda x: not outside(x), math.log(_LOWEST_RATE), observed)[0])
    upper = 1.0 if k >= n else math.exp(bisect(outside, observed, 0.0)[1])
    return lower, upper


def rate_gate(
    n: float, k: float, p0: float, alpha_pass: float, alpha_fail: float, deff: float = 1.0
) -> Verdict:
    """Judge a rate by the independent test alone, on counts divided by the design effect."""
    if not (0 <= k <= n <= MAX_N and 1 <= deff < math.inf):  # also false for NaN
        return Verdict.ERROR
    n_eff, k_eff = n / deff, k / deff
    if k >= MIN_FAIL_EVENTS and log_e_above(n_eff, k_eff, p0) >= log_needed(alpha_fail):
        return Verdict.FAIL
    if log_e_below(n_eff, k_eff, p0) >= log_needed(alpha_pass):
        return Verdict.PASS
    return Verdict.INCONCLUSIVE


def min_samples(k: float, p0: float, alpha: float) -> int:
    """Return the smallest n that passes with k bad ones in it."""
    needed = log_needed(alpha)
    low, high = math.ceil(k) - 1, max(1, math.ceil(k))
    while log_e_below(high, k, p0) < needed:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if log_e_below(middle, k, p0) >= needed:
            high = middle
        else:
            low = middle
    return high


def eta_samples(n: float, k: float, p0: float, alpha: float) -> float | None:
    """Return how many further samples a PASS takes at the present rate, None if it never will.

    A forecast for the screen, never part of a verdict; 0 when the evidence is there.
    """
    needed = log_needed(alpha)
    if log_e_below(n, k, p0) >= needed:
        return 0.0
    rate = (k + 0.5) / (n + 1)
    if rate >= p0 or n == 0:
        return None
    factor = smallest_factor(lambda f: log_e_below(n * f, n * f * rate, p0) >= needed)
    return None if factor is None else n * (factor - 1)


def log_needed(alpha: float) -> float:
    """Return ln(1/alpha), the evidence that level alpha asks for; ValueError outside (0, 1/2]."""
    if not 0 < alpha <= _HIGHEST_ALPHA:
        raise ValueError(f"alpha must be above 0 and at most {_HIGHEST_ALPHA}: {alpha!r}")
    return -math.log(alpha)
