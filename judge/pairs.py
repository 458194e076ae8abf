"""Counts of pairs per block, checked and summed: what the paired gates are given."""

from dataclasses import dataclass

import numpy as np

from judge.counts import CountsLike, series_problem
from judge.paired import paired_log_e


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairCounts:
    """Per block, the pairs that are bad on the candidate only, on neither or both, on legacy only.

    Bad is what the gate asks about: an error, or slower than a threshold. `n_both` tells how many
    of `n_zero` are bad on both sides; without it (None) both rates are shown too low.
    """

    n_plus: CountsLike = ()
    n_zero: CountsLike = ()
    n_minus: CountsLike = ()
    n_both: CountsLike | None = None

    def problem(self) -> str:
        """Return why they cannot be right, "" if they can."""
        series = {
            "pairs bad on the candidate only": self.n_plus,
            "pairs that agree": self.n_zero,
            "pairs bad on legacy only": self.n_minus,
        }
        if self.n_both is None:
            return series_problem(series)
        within = [("pairs bad on both sides", "pairs that agree")]
        return series_problem({**series, "pairs bad on both sides": self.n_both}, within=within)

    def totals(self) -> "PairTotals":
        """Return the sums of believable counts."""
        plus, zero, minus, both = (
            int(np.sum(x, dtype=np.int64))
            for x in (
                self.n_plus,
                self.n_zero,
                self.n_minus,
                () if self.n_both is None else self.n_both,
            )
        )
        return PairTotals(plus, zero, minus, both)


@dataclass(frozen=True, slots=True)
class PairTotals:
    """Sums of pairs."""

    plus: int
    zero: int
    minus: int
    both: int

    @property
    def n(self) -> int:
        """All pairs."""
        return self.plus + self.zero + self.minus

    @property
    def legacy(self) -> float | None:
        """Legacy's share of bad answers."""
        return (self.minus + self.both) / self.n if self.n else None

    @property
    def candidate(self) -> float | None:
        """The candidate's share of bad answers."""
        return (self.plus + self.both) / self.n if self.n else None

    @property
    def difference(self) -> float | None:
        """The candidate's share less legacy's."""
        return (self.plus - self.minus) / self.n if self.n else None

    def better_log_e(self, delta: float, deff: float) -> float:
        """Return the evidence that the difference is below delta."""
        return paired_log_e(self.plus / deff, self.zero / deff, self.minus / deff, delta)

    def worse_log_e(self, delta: float, deff: float) -> float:
        """Return the evidence that the difference is above delta."""
        return paired_log_e(self.minus / deff, self.zero / deff, self.plus / deff, -delta)
