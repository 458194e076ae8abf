"""The evidence of `judge/rates.py` for many counts at once.

The same formulas on float64 arrays of one shape (or numbers that broadcast to it).
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from judge.numerics import HALF_LN_2PI, STIRLING_FROM, TAIL_FLOOR, log_lower_tail, log_upper_tail
from judge.numerics import log_marg as log_marg_of_one

Floats = npt.NDArray[np.float64]


def log_e_below(n: float | Floats, k: Floats, p0: float) -> Floats:
    """Return the evidence that each rate is below p0, as `rates.log_e_below`."""
    a, b = 0.5 + k, 0.5 + n - k
    start = log_marg_of_one(0.5, 0.5, p0) + log_lower_tail(0.5, 0.5, p0)
    return _log_marg(a, b, p0) + _log_tail(special.betainc, a, b, p0) - start


def log_e_above(n: float | Floats, k: Floats, p0: float, b: float) -> Floats:
    """Return the evidence that each rate is above p0, as `rates.log_e_above`."""
    a_n, b_n = 0.5 + k, b + n - k
    start = log_marg_of_one(0.5, b, p0) + log_upper_tail(0.5, b, p0)
    return _log_marg(a_n, b_n, p0) + _log_tail(special.betaincc, a_n, b_n, p0) - start


def _log_marg(a: Floats, b: Floats, p: float) -> Floats:
    n = a + b
    found: Floats = (
        _deviance(a, n * p)
        + _deviance(b, n * (1 - p))
        - 0.5 * np.log(a)
        - 0.5 * np.log(b / n)
        + HALF_LN_2PI
        + _stirling_error(a)
        + _stirling_error(b)
        - _stirling_error(n)
    )
    return found


def _deviance(x: Floats, mean: Floats) -> Floats:
    apart = x - mean
    return np.asarray(x * np.log1p(apart / mean) - apart)


def _stirling_error(x: Floats) -> Floats:
    y = 1 / (x * x)
    found: Floats = (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x
    small = x < STIRLING_FROM
    if small.any():
        s = x[small]
        found[small] = special.gammaln(s) - ((s - 0.5) * np.log(s) - s + HALF_LN_2PI)
    return found


def _log_tail(tail: np.ufunc, a: Floats, b: Floats, p: float) -> Floats:
    found = np.asarray(tail(a, b, p), dtype=np.float64)
    lost = found <= TAIL_FLOOR
    found[lost] = 1.0
    logs: Floats = np.log(found)
    if lost.any():
        a, b = a[lost], b[lost]
        first = a if tail is special.betainc else b
        logs[lost] = a * math.log(p) + b * math.log1p(-p) - np.log(first) - special.betaln(a, b)
    return logs
