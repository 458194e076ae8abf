"""Latency histograms over the fixed edge table `us-1pct-v1`: integers in, merged by addition.

Bucket 0 holds x <= 1 us, bucket i holds (edge[i-1], edge[i]], the last bucket holds everything
above ten minutes and every attempt that never answered. A histogram is a sparse mapping
bucket -> count, so merging histograms of any worker in any order gives the same numbers.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, MutableMapping

import numpy as np
import numpy.typing as npt

TABLE = "us-1pct-v1"
LIMIT_US = 600_000_000


def _build_edges() -> tuple[int, ...]:
    edges = [1]
    while edges[-1] < LIMIT_US:
        edge = edges[-1]
        # Integers only: a logarithm would put a value into different buckets on different machines.
        edges.append(max(edge + 1, (101 * edge + 99) // 100))
    return tuple(edges)


_EDGES = _build_edges()
_EDGE_ARRAY = np.array(_EDGES, dtype=np.int64)
_EDGE_ARRAY.setflags(write=False)
BUCKETS = len(_EDGES) + 1
OVERFLOW = len(_EDGES)
MAX_DIGITS = 4

Histogram = dict[int, int]


def edges() -> npt.NDArray[np.int64]:
    """Return the 1,627 upper edges in microseconds, ascending and read-only."""
    return _EDGE_ARRAY


# The name under which the test vectors know the table.
hist_edges = edges


def hist_bucket(us: float) -> int:
    """Return the bucket of a duration in microseconds (rounded down); no answer is `math.inf`.

    Raises ValueError for a negative duration or NaN: the caller counts it as rejected.
    """
    if not us >= 0:  # also true for NaN
        raise ValueError(f"not a duration in microseconds: {us!r}")
    return OVERFLOW if us == math.inf else bisect_left(_EDGES, int(us))


def add(histogram: MutableMapping[int, int], us: float, count: int = 1) -> None:
    """Count a duration in microseconds into the histogram in place."""
    bucket = hist_bucket(us)
    histogram[bucket] = histogram.get(bucket, 0) + count


def add_many(histogram: MutableMapping[int, int], durations_us: Iterable[int]) -> int:
    """Count whole-microsecond durations in place; return how many negative ones were rejected."""
    values = np.fromiter(durations_us, dtype=np.int64)
    good = values[values >= 0]
    buckets, counts = np.unique(np.searchsorted(_EDGE_ARRAY, good, side="left"), return_counts=True)
    for bucket, count in zip(buckets.tolist(), counts.tolist(), strict=True):
        histogram[bucket] = histogram.get(bucket, 0) + count
    return int(values.size - good.size)


def merge(histograms: Iterable[Mapping[int, int]]) -> Histogram:
    """Return the sum of sparse histograms."""
    total: Histogram = {}
    for histogram in histograms:
        for bucket, count in histogram.items():
            total[bucket] = total.get(bucket, 0) + count
    return total


def to_wire(histogram: Mapping[int, int]) -> dict[str, int]:
    """Return `{"bucket": count}` in bucket order, without empty buckets (JSON has no int keys)."""
    return {str(bucket): count for bucket, count in sorted(histogram.items()) if count}


def from_wire(counts: Mapping[str, int], *, table: str = TABLE) -> Histogram:
    """Return the histogram of `{"bucket": count}`.

    Raises ValueError for another edge table, a bucket outside it, or a count that is no
    non-negative integer.
    """
    if table != TABLE:
        raise ValueError(f"histogram of edge table {table!r}, expected {TABLE!r}")
    histogram: Histogram = {}
    for key, count in counts.items():
        # Only the canonical spelling: int() would let "+1", " 1" and "1_0" in as aliases.
        bucket = int(key) if key.isascii() and key.isdigit() and len(key) <= MAX_DIGITS else -1
        if not 0 <= bucket < BUCKETS or str(bucket) != key:
            raise ValueError(f"no such bucket: {key!r}")
        if type(count) is not int or count < 0:
            raise ValueError(f"not a count: {count!r}")
        histogram[bucket] = count
    return histogram


def dense(histogram: Mapping[int, int]) -> npt.NDArray[np.int64]:
    """Return the 1,628 counts as an array: underflow first, overflow last."""
    counts = np.zeros(BUCKETS, dtype=np.int64)
    for bucket, count in histogram.items():
        counts[bucket] = count
    return counts


def pack(histogram: Mapping[int, int]) -> bytes:
    """Return the histogram as int64 pairs of bucket and count; `unpack` is its inverse."""
    return np.array(sorted(histogram.items()), dtype=np.int64).tobytes()


def unpack(packed: Iterable[bytes]) -> Histogram:
    """Return the sum of packed histograms; costs next to nothing per histogram."""
    pairs = np.frombuffer(b"".join(packed), dtype=np.int64).reshape(-1, 2)
    counts = np.zeros(BUCKETS, dtype=np.int64)
    np.add.at(counts, pairs[:, 0], pairs[:, 1])
    used = np.flatnonzero(counts)
    return dict(zip(used.tolist(), counts[used].tolist(), strict=True))


def total(histogram: Mapping[int, int]) -> int:
    """Return how many durations were counted."""
    return sum(histogram.values())


def quantile(histogram: Mapping[int, int], q: float, *, max_us: int | None = None) -> int | None:
    """Return the upper edge (us) of the bucket that holds quantile q, right within one bucket.

    For display, never for a gate. In the overflow bucket the answer is `max_us` (the largest
    duration seen), or the last edge when that is unknown. None when nothing was counted.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"not a quantile: {q!r}")
    n = total(histogram)
    rank = max(1, math.ceil(q * n))
    for bucket in sorted(histogram):
        rank -= histogram[bucket]
        if rank <= 0:
            return _EDGES[bucket] if bucket < OVERFLOW else (max_us or _EDGES[-1])
    return None
