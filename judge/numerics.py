"""Logarithms of beta functions and tails that stay exact up to 10^12 observations.

Big log-gammas are never subtracted from one another: at n = 1e12 that would be wrong in the third
decimal. Everything is a natural logarithm.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import special

HALF_LN_2PI = 0.5 * math.log(2 * math.pi)
# Below this the incomplete beta function loses digits or underflows to zero.
TAIL_FLOOR = 1e-290
STIRLING_FROM = 16.0
BISECTION_STEPS = 60
MAX_DOUBLINGS = 20


def log_marg(a: float, b: float, p: float) -> float:
    """Return ln B(a, b) - a ln p - b ln(1 - p), for a, b > 0 and 0 < p < 1."""
    n = a + b
    return (
        _deviance(a, n * p)
        + _deviance(b, n * (1 - p))
        - 0.5 * math.log(a)
        - 0.5 * math.log(b / n)
        + HALF_LN_2PI
        + _stirling_error(a)
        + _stirling_error(b)
        - _stirling_error(n)
    )


def _deviance(x: float, mean: float) -> float:
    return x * math.log1p((x - mean) / mean) - (x - mean)


def _stirling_error(x: float) -> float:
    """Return what Stirling's formula lacks of ln Gamma(x)."""
    if x < STIRLING_FROM:
        return float(special.gammaln(x)) - ((x - 0.5) * math.log(x) - x + HALF_LN_2PI)
    y = 1 / (x * x)
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x


def log_lower_tail(a: float, b: float, p: float) -> float:
    """Return ln I_p(a, b), or something smaller where that cannot be computed."""
    tail = float(special.betainc(a, b, p))
    if tail > TAIL_FLOOR:
        return math.log(tail)
    # The first term of the series: too small, so evidence built on it stays valid.
    return a * math.log(p) + b * math.log1p(-p) - math.log(a) - float(special.betaln(a, b))


def log_upper_tail(a: float, b: float, p: float) -> float:
    """Return ln(1 - I_p(a, b)), or something smaller where that cannot be computed."""
    tail = float(special.betaincc(a, b, p))
    if tail > TAIL_FLOOR:
        return math.log(tail)
    return a * math.log(p) + b * math.log1p(-p) - math.log(b) - float(special.betaln(a, b))


def log_mean_exp(logs: npt.NDArray[np.float64]) -> float:
    """Return ln of the mean of exp(logs); the mixture of several bets."""
    highest = float(logs.max())
    return highest + math.log(float(np.exp(logs - highest).mean()))


def log_beta(a: float, b: float) -> float:
    """Return ln B(a, b), for a, b > 0."""
    p = a / (a + b)
    return log_marg(a, b, p) + a * math.log(p) + b * math.log1p(-p)


def bisect(
    holds: Callable[[float], bool], low: float, high: float, steps: int = BISECTION_STEPS
) -> tuple[float, float]:
    """Narrow (low, high), where `holds(high)` and not `holds(low)`, in so many halvings."""
    for _ in range(steps):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return low, high


def smallest_factor(holds: Callable[[float], bool], steps: int = BISECTION_STEPS) -> float | None:
    """Return the smallest f in [1, 2^20] for which `holds(f)`, None if there is none."""
    if holds(1.0):
        return 1.0
    for doubling in range(MAX_DOUBLINGS):
        if holds(2.0 ** (doubling + 1)):
            return bisect(holds, 2.0**doubling, 2.0 ** (doubling + 1), steps)[1]
    return None
