"""Counts per block of both sides of a live step: what the live gates are given."""

from dataclasses import dataclass

import numpy as np

from judge.counts import Counts, CountsLike, series_problem
from judge.ratio import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmBlocks:
    """Per block in order of time: requests and bad ones of the candidate (`c`) and legacy (`l`).

    All proxies and workers are merged before, so that the share of each block is the observed one.
    Bad is what the gate asks about: an error at the attempt, or slower than a threshold.
    """

    n_c: CountsLike = ()
    k_c: CountsLike = ()
    n_l: CountsLike = ()
    k_l: CountsLike = ()

    def problem(self) -> str:
        """Return why they cannot be right, "" if they can."""
        return series_problem(
            {
                "requests of the candidate": self.n_c,
                "bad requests of the candidate": self.k_c,
                "requests of legacy": self.n_l,
                "bad requests of legacy": self.k_l,
            },
            within=[
                ("bad requests of the candidate", "requests of the candidate"),
                ("bad requests of legacy", "requests of legacy"),
            ],
        )

    def read(self) -> "Arms":
        """Return believable counts as arrays."""
        return Arms(
            *(np.asarray(x, dtype=np.int64) for x in (self.n_c, self.k_c, self.n_l, self.k_l))
        )


@dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """Believable counts per block and their sums."""

    n_c: Counts
    k_c: Counts
    n_l: Counts
    k_l: Counts

    def shares(self) -> Floats:
        """Return the candidate's observed share of each block's requests; 0 in an empty block."""
        return np.asarray(self.n_c / np.maximum(self.n_c + self.n_l, 1), dtype=np.float64)

    def totals(self) -> tuple[int, int, int, int]:
        """Return the sums of (n_c, k_c, n_l, k_l)."""
        return int(self.n_c.sum()), int(self.k_c.sum()), int(self.n_l.sum()), int(self.k_l.sum())
