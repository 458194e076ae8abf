"""Whether counts per block can be believed: the first question of every gate."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from judge import words
from judge.rates import MAX_N

Counts = npt.NDArray[np.int64]
CountsLike = Sequence[int] | Counts


def differences(readings: Sequence[int]) -> Counts:
    """Return what a running counter added from each reading to the next.

    A counter that fell gives a negative count there, which every gate answers with ERROR.
    """
    counter = np.asarray(readings, dtype=np.int64)
    return counter[1:] - counter[:-1]


def wrong_window(elapsed_s: float) -> str:
    """Return why a window cannot be one, "" if it can."""
    return "" if 0 <= elapsed_s < math.inf else f"a window of {elapsed_s} s"  # NaN is neither


def series_problem(
    series: Mapping[str, CountsLike], *, within: Sequence[tuple[str, str]] = ()
) -> str:
    """Return why counts per block cannot be right, "" if they can.

    All series must be whole numbers of at least 0, one per block; `within` names pairs of which
    the first may never be above the second.
    """
    for name, counts in series.items():
        problem = _one_array(name, counts)
        if problem:
            return problem
    arrays = {name: np.asarray(counts) for name, counts in series.items()}
    if len({array.size for array in arrays.values()}) > 1:
        sizes = ", ".join(f"{array.size} of {name}" for name, array in arrays.items())
        return f"blocks that do not fit together: {sizes}"
    for part, whole in within:
        if (arrays[part] > arrays[whole]).any():
            return f"more {part} than {whole} in a block"
    total = sum(int(array.sum()) for array in arrays.values())
    return f"more than {words.count(MAX_N)} in all" if total > MAX_N else ""


def unbelievable(n_b: CountsLike, k_b: CountsLike, elapsed_s: float) -> str:
    """Return why the blocks (pairs, mismatches) or their window cannot be right, "" if they can.

    After "" both convert to int64 arrays of equal length whose sums fit.
    """
    return (
        wrong_window(elapsed_s)
        or _one_array("pairs", n_b)
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
