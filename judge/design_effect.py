"""How much bursts inflate the spread of counts: what divides them before a test.

A number of events that comes in bursts of mean m varies 2m - 1 times as much as one of single
events. Divided by that, tests for independent events stay honest, if the number is right: it is
taken from legacy's history, never from the young window that is being judged.
"""

import numpy as np

from judge.counts import Counts, CountsLike

MIN_EVENTS = 50
# A choice for histories that are too thin to tell.
UNKNOWN = 2.0


def deff(n_b: CountsLike, k_b: CountsLike) -> float:
    """Return the design effect of blocks (requests, events), at least 1; 1 if it cannot be told."""
    n, k = _nonempty(np.asarray(n_b), np.asarray(k_b))
    if n.size < 2 or not 0 < k.sum() < n.sum():  # noqa: PLR2004 - a spread needs two
        return 1.0
    p = k.sum() / n.sum()
    squares = (k - n * p) ** 2 / (n * p * (1 - p))
    return max(1.0, float(squares.sum()) / (n.size - 1))


def deff_of_history(n_b: CountsLike, k_b: CountsLike) -> float:
    """Return the design effect to use: 2 while legacy's history holds under 50 events."""
    return deff(n_b, k_b) if int(np.sum(k_b)) >= MIN_EVENTS else UNKNOWN


def _nonempty(n_b: Counts, k_b: Counts) -> tuple[Counts, Counts]:
    return n_b[n_b > 0], k_b[n_b > 0]
