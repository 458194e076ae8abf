"""Evidence that a quantile is lower on one side than on the other, from fixed-edge histograms.

Histograms are arrays of bucket counts of one edge table, the underflow first and the overflow
last; counts may be real numbers. Counts at edges are exact, so nothing but the width of a bucket
(one per cent) is lost, and it is lost to the candidate.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from judge import arrays, rates
from judge.arrays import Floats
from judge.numerics import smallest_factor

CountsOf = Sequence[float] | npt.NDArray[np.number]
_JEFFREYS = 0.5
_STRIDE = 16
# The forecast follows the places that hold the evidence back now, or will in the long run.
_NOW, _LATER = 12, 12
_FORECAST_STEPS = 14
_FURTHEST = 2.0**20
# Ranks so many standard deviations from the middle, and a few more, hold for any usual alpha.
_FAR, _FEW = 6.0, 20


def quantile_better_log_e(cand: CountsOf, leg: CountsOf, tau: float, margin: int = 0) -> float:
    """Return the evidence that the candidate's tau-quantile is lower than legacy's.

    With a margin it must be lower by so many buckets; a negative one tolerates. If it is not lower
    there is a duration, in some bucket, that at most tau of the candidate's and at least tau of
    legacy's requests stay within: every bucket must speak against it.
    """
    within = _cumulated(cand, leg, margin)
    return _lowest(within, float(np.sum(cand)), float(np.sum(leg)), tau)


def quantile_ranks(n: int, tau: float, alpha: float) -> tuple[int, int]:
    """Return (k_lo, k_hi): order statistics k_lo + 1 and k_hi enclose the true tau-quantile.

    With confidence 1 - alpha at every moment; -1 and n + 1 where there is no bound yet.
    """
    needed = rates.log_needed(alpha / 2)
    middle = n * tau
    near = math.ceil(_FAR * math.sqrt(middle * (1 - tau))) + _FEW
    low = _last(
        -1,
        math.floor(middle),
        lambda k: rates.log_e_below(n, k, tau) >= needed,
        guess=math.floor(middle) - near,
    )
    high = _last(
        -n - 1,
        -math.ceil(middle),
        lambda k: rates.log_e_above(n, -k, tau, _JEFFREYS) >= needed,
        guess=-math.ceil(middle) - near,
    )
    return low, -high


def _last(below: int, top: int, holds: Callable[[int], bool], *, guess: int) -> int:
    """Return the largest k in (below, top] that holds, `below` if none; what holds comes first.

    The guess, if it holds, spares looking further down.
    """
    low, high = guess if guess > below and holds(guess) else below, top + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def forecast_factor(
    cand: CountsOf, leg: CountsOf, tau: float, margin: int, log_needed: float
) -> float | None:
    """Return how many times the present data reach `log_needed` if they go on alike, else None."""
    n_c, n_l = float(np.sum(cand)), float(np.sum(leg))
    if n_c == 0 or n_l == 0:
        return None
    c, u = _cumulated(cand, leg, margin)
    rate_c, rate_l = (c + 0.5) / (n_c + 1), (u + 0.5) / (n_l + 1)

    def evidence(f: float, at: npt.NDArray[np.intp]) -> Floats:
        above = arrays.log_e_above(f * n_c, f * n_c * rate_c[at], tau, _JEFFREYS)
        return above + arrays.log_e_below(f * n_l, f * n_l * rate_l[at], tau)

    gain_c = np.where(rate_c > tau, _gain(rate_c, tau), 0.0)
    gain_l = np.where(rate_l < tau, _gain(rate_l, tau), 0.0)
    later = np.argsort(n_c * gain_c + n_l * gain_l)[:_LATER]
    some = np.arange(0, c.size, _STRIDE // 2)
    now = some[np.argsort(evidence(1.0, some))[:_NOW]]
    at = np.union1d(now, later)

    def enough(f: float) -> bool:
        return bool(evidence(f, at).min() >= log_needed)

    return smallest_factor(enough, _FORECAST_STEPS) if enough(_FURTHEST) else None


def _gain(rate: Floats, tau: float) -> Floats:
    """Return what one request adds to the evidence in the long run."""
    found: Floats = rate * np.log(rate / tau) + (1 - rate) * np.log((1 - rate) / (1 - tau))
    return found


def _cumulated(cand: CountsOf, leg: CountsOf, margin: int) -> tuple[Floats, Floats]:
    """Return per bucket (candidate's at its lower edge, legacy's at its upper), distinct only.

    The same edge for both would find two identical arms different.
    """
    c = np.concatenate([[0.0], np.cumsum(cand, dtype=np.float64)])
    u = np.cumsum(leg, dtype=np.float64)
    c = c[np.clip(np.arange(u.size) - margin, 0, u.size - 1)]
    fresh = np.ones(u.size, dtype=bool)
    fresh[1:] = (np.diff(c) != 0) | (np.diff(u) != 0)
    return c[fresh], u[fresh]


def _lowest(within: tuple[Floats, Floats], n_c: float, n_l: float, tau: float) -> float:
    """Return the least evidence of all buckets.

    Along the buckets the candidate's evidence rises and legacy's falls. So between two places it is
    at least the first one's plus the second one's, and most stretches need no closer look.
    """
    c, u = within
    at = np.unique(np.append(np.arange(0, c.size, _STRIDE), c.size - 1))
    above = arrays.log_e_above(n_c, c[at], tau, _JEFFREYS)
    below = arrays.log_e_below(n_l, u[at], tau)
    lowest = float((above + below).min())
    stretches = np.flatnonzero(above[:-1] + below[1:] < lowest)
    inside = [np.arange(at[i] + 1, at[i + 1]) for i in stretches]
    rest = np.concatenate(inside) if inside else at[:0]
    if rest.size:
        closer = arrays.log_e_above(n_c, c[rest], tau, _JEFFREYS)
        lowest = min(lowest, float((closer + arrays.log_e_below(n_l, u[rest], tau)).min()))
    return lowest
