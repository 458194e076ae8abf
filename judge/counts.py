"""Whether counts per block can be believed: the first question of every gate."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from judge import words
from judge.rates import MAX_N

Counts = npt.NDArray[np.int64]
CountsLike = Sequence[int] | Counts


def unbelievable(n_b: CountsLike, k_b: CountsLike, elapsed_s: float) -> str:
    """Return why the blocks (pairs, mismatches) or their window cannot be right, "" if they can.

    After "" both convert to int64 arrays of equal length whose sums fit.
    """
    if not 0 <= elapsed_s < math.inf:  # also true for NaN
        return f"a window of {elapsed_s} s"
    return (
        _one_array("pairs", n_b)
        or _one_array("mismatches", k_b)
        or _together(np.asarray(n_b), np.asarray(k_b))
    )


def _one_array(name: str, counts: CountsLike) -> str:
    try:
        array = np.asarray(counts)
    except ValueError:  # rows of different lengths
        return f"the {name} are not one number per block"
    if array.ndim != 1:
        return f"the {name} are not one number per block"
    if array.size == 0:
        return ""
    if array.dtype.kind not in "iu":
        return f"the {name} are not whole numbers"
    if array.min() < 0:
        return f"a negative number of {name}"
    # Each one is bounded first, so that their sum fits into 64 bits.
    return f"more than {words.count(MAX_N)} {name} in a block" if array.max() > MAX_N else ""


def _together(n_b: npt.NDArray[np.integer], k_b: npt.NDArray[np.integer]) -> str:
    if n_b.size != k_b.size:
        return f"{n_b.size} blocks of pairs but {k_b.size} of mismatches"
    if (k_b > n_b).any():
        return "more mismatches than pairs in a block"
    return f"more than {words.count(MAX_N)} pairs" if n_b.sum() > MAX_N else ""
