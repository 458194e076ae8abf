"""The latencies of one side, and between which durations a quantile of them lies."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from judge import histogram, words
from judge.histogram import BUCKETS, OVERFLOW, TABLE, Histogram
from judge.quantiles import quantile_ranks
from judge.rates import MAX_N


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """The latencies of one side, by the parity of a hash of the request's id.

    Sparse histograms, bucket -> count. `rejected` were negative or no number; `warming` were left
    out because the instance had just started.
    """

    even: Mapping[int, int] = field(default_factory=dict)
    odd: Mapping[int, int] = field(default_factory=dict)
    rejected: int = 0
    warming: int = 0
    table: str = TABLE

    def problem(self, max_rejected: float) -> str:
        """Return why they cannot be right, "" if they can."""
        if self.table != TABLE:
            return f"a histogram of edge table {self.table!r}, not {TABLE!r}"
        counts = [*self.even.values(), *self.odd.values(), self.rejected, self.warming]
        if any(type(count) is not int or count < 0 for count in counts):
            return "a count of latencies that is none"
        if any(type(b) is not int or not 0 <= b < BUCKETS for b in (*self.even, *self.odd)):
            return "latencies in a bucket that does not exist"
        n = sum(counts)
        if n > MAX_N:
            return f"more than {words.count(MAX_N)} latencies"
        if self.rejected > max_rejected * n:
            return f"{words.count(self.rejected)} of {words.count(n)} latencies are no durations"
        return ""

    def both(self) -> Histogram:
        """Return all latencies, for display."""
        return histogram.merge([self.even, self.odd])


def quantile_interval(
    counts: Mapping[int, int], tau: float, alpha: float
) -> tuple[int | None, int | None]:
    """Return microseconds that enclose the true tau-quantile with confidence 1 - alpha.

    At every moment; None where a side is not bounded yet, or lies in the overflow.
    """
    n = histogram.total(counts)
    if n == 0:
        return None, None
    low, high = quantile_ranks(n, tau, alpha)
    edges = histogram.edges()
    lower = upper = None
    if low >= 0:
        bucket = _bucket_of(counts, low + 1)
        lower = int(edges[bucket - 1]) if bucket else 0
    if high <= n:
        bucket = _bucket_of(counts, high)
        upper = int(edges[bucket]) if bucket < OVERFLOW else None
    return lower, upper


def _bucket_of(counts: Mapping[int, int], rank: int) -> int:
    """Return the bucket of the rank-th smallest, from 1."""
    buckets = sorted(counts)
    reached = np.cumsum([counts[bucket] for bucket in buckets])
    return buckets[int(np.searchsorted(reached, rank))]


def ratio_bounds(
    legacy: Mapping[int, int], candidate: Mapping[int, int], tau: float, alpha: float
) -> tuple[float | None, float | None]:
    """Return what encloses the ratio of the true quantiles, candidate to legacy; for display."""
    leg_low, leg_high = quantile_interval(legacy, tau, alpha / 2)
    cand_low, cand_high = quantile_interval(candidate, tau, alpha / 2)
    return (
        None if cand_low is None or not leg_high else cand_low / leg_high,
        None if cand_high is None or not leg_low else cand_high / leg_low,
    )
