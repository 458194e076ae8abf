"""Evidence from short blocks of time: valid whatever the dependence inside a block.

Mismatches come in bursts, and a few lucky quiet minutes look like thousands of independent
successes. A block counts once, however many requests it holds. `n_b`, `k_b` are arrays of equal
length with the pairs and the mismatches of each block; empty blocks bet nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from judge.counts import Counts
from judge.numerics import log_mean_exp, smallest_factor

_BELOW_BETS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.999])
# One logarithm for so many blocks: their product lies between 1e-48 and 1e96, and a logarithm costs
# as much as many products. Nor does the cost depend on how many blocks have mismatches.
_GROUP = 16
_ABOVE_BETS = np.array([0.999 / 2**i for i in range(10)])


def block_log_e_below(n_b: Counts, k_b: Counts, p0: float) -> float:
    """Return the evidence that the rate is below p0; each clean block adds at most p0."""
    return log_mean_exp(_log_bets(n_b, k_b, p0, _BELOW_BETS, -1.0))


def block_log_e_above(n_b: Counts, k_b: Counts, p0: float) -> float:
    """Return the evidence that the rate is above p0."""
    return log_mean_exp(_log_bets(n_b, k_b, p0, _ABOVE_BETS / p0, 1.0))


def _log_bets(
    n_b: Counts, k_b: Counts, p0: float, bets: npt.NDArray[np.float64], sign: float
) -> npt.NDArray[np.float64]:
    """Return the log wealth of each bet: sum over blocks of ln(1 + bet * sign * (x - p0))."""
    some = n_b > 0
    # Padded with bets that change nothing, to make up whole groups.
    gains = np.zeros(-(-int(np.count_nonzero(some)) // _GROUP) * _GROUP)
    gains[: np.count_nonzero(some)] = sign * (k_b[some] / n_b[some] - p0)
    factors = np.multiply.outer(bets, gains)
    factors += 1
    products = factors.reshape(bets.size, _GROUP, gains.size // _GROUP).prod(axis=1)
    return np.asarray(np.log(products).sum(axis=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class BlockOutlook:
    """How many more blocks a PASS takes, as numbers of blocks; None is never at this rate."""

    at_this_rate: float | None
    without_mismatch: float


def outlook(n_b: Counts, k_b: Counts, p0: float, log_needed: float) -> BlockOutlook:
    """Forecast when `block_log_e_below` reaches `log_needed`; for the screen only."""
    logs = _log_bets(n_b, k_b, p0, _BELOW_BETS, -1.0)
    blocks = int(np.count_nonzero(n_b))
    factor = smallest_factor(lambda f: log_mean_exp(f * logs) >= log_needed) if blocks else None
    clean = np.log1p(_BELOW_BETS * p0)
    return BlockOutlook(
        at_this_rate=None if factor is None else blocks * (factor - 1),
        without_mismatch=_clean_blocks(logs, clean, log_needed),
    )


def _clean_blocks(
    logs: npt.NDArray[np.float64], clean: npt.NDArray[np.float64], log_needed: float
) -> float:
    low, high = -1.0, 0.0
    while log_mean_exp(logs + high * clean) < log_needed:
        low, high = high, 2 * high + 1
    while high - low > 1:
        middle = (low + high) // 2
        if log_mean_exp(logs + middle * clean) >= log_needed:
            high = middle
        else:
            low = middle
    return high
