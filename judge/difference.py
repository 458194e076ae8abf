"""Evidence that the candidate's rate is not more than a margin above legacy's, two groups."""

import math

from judge.numerics import bisect, log_beta, log_marg
from judge.rates import log_needed

_LN_PI = math.log(math.pi)
_BOUND_STEPS = 40


def diff_log_e(nc: float, kc: float, nb: float, kb: float, delta: float) -> float:
    """Return the evidence that rate_c - rate_b < delta (against: at least delta).

    kc of nc requests of the candidate and kb of nb of legacy were bad; delta in (-1, 1). Assumes
    rates that are steady. No requests on one side are no evidence.
    """
    if nc <= 0 or nb <= 0:
        return 0.0
    p_c, p_b = kc / nc, kb / nb
    if p_c - p_b < delta:
        p_b = _closest(nc, kc, nb, kb, delta)
        p_c = min(p_b + delta, 1.0)
    return _against(nc, kc, p_c) + _against(nb, kb, p_b) - 2 * _LN_PI


def diff_upper(nc: float, kc: float, nb: float, kb: float, alpha: float) -> float:
    """Return the difference that the true one stays below with confidence 1 - alpha."""
    needed = log_needed(alpha)

    def enough(delta: float) -> bool:
        return diff_log_e(nc, kc, nb, kb, delta) >= needed

    highest = 1 - 1e-9
    if not enough(highest):
        return 1.0
    return bisect(enough, -highest, highest, _BOUND_STEPS)[1]


def diff_lower(nc: float, kc: float, nb: float, kb: float, alpha: float) -> float:
    """Return the difference that the true one stays above with confidence 1 - alpha."""
    return -diff_upper(nb, kb, nc, kc, alpha)


def _against(n: float, k: float, p: float) -> float:
    """Return ln B(k + 1/2, n - k + 1/2) less the log likelihood of rate p."""
    a, b = 0.5 + k, 0.5 + n - k
    if not 0 < p < 1:  # then every request, or none, is bad: the likelihood is one
        return log_beta(a, b)
    return log_marg(a, b, p) + 0.5 * math.log(p) + 0.5 * math.log1p(-p)


def _closest(nc: float, kc: float, nb: float, kb: float, delta: float) -> float:
    """Return legacy's most likely rate when the candidate's is exactly delta higher."""
    low = max(0.0, -delta, kc / nc - delta)
    high = max(low, min(1.0, 1 - delta, kb / nb))
    # Float64 has no more numbers between two neighbours after about sixty halvings.
    while low < (p := 0.5 * (low + high)) < high:
        slope = (
            _per(kc, p + delta) - _per(nc - kc, 1 - p - delta) + _per(kb, p) - _per(nb - kb, 1 - p)
        )
        low, high = (p, high) if slope > 0 else (low, p)
    return p


def _per(count: float, share: float) -> float:
    """Return count / share; a count of nothing weighs nothing, also at the edge."""
    if count <= 0:
        return 0.0
    return count / share if share > 0 else math.inf
