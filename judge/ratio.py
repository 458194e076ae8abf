"""Evidence about the ratio of two rates: how many times as often the candidate's requests are bad.

Given that a bad request happened, it is the candidate's with a chance that depends only on that
ratio and on the candidate's share of requests. The height of the rates, their daily cycle and
incidents that hit both sides cancel. A segment is a short time with one share, here a block:
`kc`, `kb` bad requests of the candidate and of legacy, `w` the candidate's share as observed.
Counts may be real numbers.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from judge.numerics import bisect, log_mean_exp
from judge.rates import log_needed

Floats = npt.NDArray[np.float64]
Series = Sequence[float] | npt.NDArray[np.number]
_STEPS = np.arange(1, 15) / 2
_WORSE = 2.0**_STEPS
_BETTER = 2.0**-_STEPS
# A bound is looked for between these; wider apart it says nothing.
_WIDEST = 1e6
_BOUND_STEPS = 40
# More segments than this are pooled for bounds: what that changes is far below what is shown.
_POOLS = 512


def ratio_log_e(kc: Series, kb: Series, w: Series, rho: float, better: bool) -> float:  # noqa: FBT001 - the published signature
    """Return the evidence that rate_c > rho rate_b (against: at most); `better` turns both round.

    One entry per segment, valid whatever the rates do from one to the next. ValueError when bad
    requests stand on a side without requests, or for a share outside [0, 1].
    """
    return log_mean_exp(log_terms(*segments(kc, kb, w), rho, better=better).sum(axis=0))


def ratio_upper(kc: Series, kb: Series, w: Series, alpha: float) -> float | None:
    """Return the ratio that the true one stays below with confidence 1 - alpha, None if any."""
    return _bound(kc, kb, w, alpha, better=True)


def ratio_lower(kc: Series, kb: Series, w: Series, alpha: float) -> float:
    """Return the ratio that the true one stays above with confidence 1 - alpha."""
    return _bound(kc, kb, w, alpha, better=False) or 0.0


def segments(kc: Series, kb: Series, w: Series) -> tuple[Floats, Floats, Floats]:
    """Return the segments as arrays; ValueError for what cannot be."""
    c, b, share = (np.asarray(x, dtype=np.float64) for x in (kc, kb, w))
    if not ((share >= 0) & (share <= 1)).all():  # NaN is neither
        raise ValueError("a share of requests lies between 0 and 1")
    if not ((c >= 0) & (b >= 0)).all():
        raise ValueError("a negative number of bad requests")
    if c[share == 0].any() or b[share == 1].any():
        raise ValueError("bad requests on a side without requests")
    return c, b, share


def log_terms(kc: Floats, kb: Floats, w: Floats, rho: float, *, better: bool) -> Floats:
    """Return what each segment adds to the log of each of 14 bets: shape (*segments, 14)."""
    bets = _BETTER if better else _WORSE
    odds = rho * w / (1 - w + rho * w)
    by_bet = np.log1p(np.multiply.outer(odds, bets - 1))
    return np.multiply.outer(kc, np.log(bets)) - (kc + kb)[..., np.newaxis] * by_bet


def _bound(kc: Series, kb: Series, w: Series, alpha: float, *, better: bool) -> float | None:
    needed = log_needed(alpha)
    pooled = _pooled(*segments(kc, kb, w))

    def enough(x: float) -> bool:
        terms = log_terms(*pooled, math.exp(x), better=better)
        return log_mean_exp(terms.sum(axis=0)) >= needed

    widest = math.log(_WIDEST)
    if better:
        return _end(enough, -widest, widest)
    mirrored = _end(lambda x: enough(-x), -widest, widest)
    return None if mirrored is None else 1 / mirrored


def _end(enough: Callable[[float], bool], low: float, high: float) -> float | None:
    if not enough(high):
        return None
    return math.exp(bisect(enough, low, high, _BOUND_STEPS)[1])


def _pooled(kc: Floats, kb: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the segments with bad requests, those of nearly one share as one."""
    events = kc + kb
    kc, kb, w, events = (x[events > 0] for x in (kc, kb, w, events))
    if w.size <= _POOLS:
        return kc, kb, w
    low, high = w.min(), w.max()
    pool = np.minimum(((w - low) / (high - low or 1.0) * _POOLS).astype(np.int64), _POOLS - 1)
    sums = np.array([np.bincount(pool, x) for x in (kc, kb, w * events, events)], dtype=np.float64)
    kc, kb, shares, events = sums[:, sums[3] > 0]
    return kc, kb, shares / events
