"""Evidence from pairs: the same request to both sides, and whether each side's answer was bad.

`n_plus` pairs are bad on the candidate only, `n_minus` on legacy only, `n_zero` on both or none.
The difference of the rates is their mean; what both share cancels, so pairs need fewer requests
than two separate groups. Counts may be real numbers.
"""

import numpy as np

from judge.numerics import bisect, log_mean_exp
from judge.rates import log_needed

_BETS = 0.999 * 0.5 ** np.arange(13)
_WIDEST = 1 - 1e-9


def paired_log_e(n_plus: float, n_zero: float, n_minus: float, delta: float) -> float:
    """Return the evidence that the rates differ by less than delta (against: by delta or more).

    delta, in (-1, 1), is the candidate's rate less legacy's.
    """
    bets = _BETS / (1 - delta)
    return log_mean_exp(
        n_plus * np.log1p(bets * (delta - 1))
        + n_zero * np.log1p(bets * delta)
        + n_minus * np.log1p(bets * (delta + 1))
    )


def paired_upper(n_plus: float, n_zero: float, n_minus: float, alpha: float) -> float:
    """Return the difference that the true one stays below with confidence 1 - alpha.

    `paired_log_e(..., delta) >= ln(1/alpha)` exactly when this bound is at most delta.
    """
    needed = log_needed(alpha)

    def enough(delta: float) -> bool:
        return paired_log_e(n_plus, n_zero, n_minus, delta) >= needed

    return bisect(enough, -_WIDEST, _WIDEST)[1] if enough(_WIDEST) else 1.0


def paired_lower(n_plus: float, n_zero: float, n_minus: float, alpha: float) -> float:
    """Return the difference that the true one stays above with confidence 1 - alpha."""
    return -paired_upper(n_minus, n_zero, n_plus, alpha)
