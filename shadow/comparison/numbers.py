"""The distance between two JSON numbers, and how much of it is allowed.

Float64, but integers beyond 2^53 as integers. Legacy, `a`, is the reference.
"""

import math
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Number = int | float
Floats = npt.NDArray[np.float64]
EXACT_BELOW = 2.0**53
# From here on a float may stand for an integer literal that did not fit into 64 bits.
WIDE_FROM = 2.0**63
SEED_ATOL = 1e-4


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two numbers may be.

    `seed_abs`, the default, is strict: |a - b| < atol, and NaN or infinity on either side equals
    nothing. `close` is |a - b| <= atol + rtol |a|; infinities of one sign are equal, and NaN equals
    NaN only when asked for.
    """

    atol: float = SEED_ATOL
    rtol: float = 0.0
    strict: bool = True
    nan_equal: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.atol < math.inf:
            raise ValueError(f"atol must be a finite number of at least 0: {self.atol!r}")
        if not 0 <= self.rtol < 1:
            raise ValueError(f"rtol must be at least 0 and below 1: {self.rtol!r}")

    def allows(self, gap: Number, a: Number) -> bool:
        """Whether numbers this far apart match."""
        if self.strict:
            return gap < self.atol or gap == 0
        return gap <= self.atol + self.rtol * as_float(abs(a))

    def allows_odd(self, a: Number, b: Number) -> bool:
        """Whether two numbers of which one is not finite match."""
        if self.strict:
            return False
        return a == b or (self.nan_equal and a != a and b != b)  # noqa: PLR0124  # NaN

    def allows_all(self, gaps: Floats, a: Floats) -> bool:
        """As `allows`, for arrays of one length of at least 1."""
        if self.strict:
            return self.outside(gaps, a).size == 0
        return bool((gaps <= self.atol + self.rtol * np.abs(a)).all())

    def outside(self, gaps: Floats, a: Floats) -> npt.NDArray[np.intp]:
        """Return the indexes of elements that do not match."""
        if self.strict:
            return np.flatnonzero(~((gaps < self.atol) | (gaps == 0)))
        return np.flatnonzero(~(gaps <= self.atol + self.rtol * np.abs(a)))


# What numbers of these formats can hold: a plain 1e-4 is less than their own grain at times.
PRESETS = {
    "fp32": Tolerance(atol=1e-5, rtol=1e-4, strict=False),
    "fp16": Tolerance(atol=1e-3, rtol=1e-3, strict=False),
    "bf16": Tolerance(atol=1e-3, rtol=1.6e-2, strict=False),
}


def distance(a: Number, b: Number) -> Number | None:
    """Return |a - b|, None when either is NaN or infinite."""
    if not (_finite(a) and _finite(b)):
        return None
    if isinstance(a, int) and isinstance(b, int):
        return abs(a - b)
    if abs(a) >= EXACT_BELOW or abs(b) >= EXACT_BELOW:
        # Floats of that size are whole numbers, so nothing is lost, and nothing overflows.
        return abs(int(a) - int(b))
    return abs(float(a) - float(b))


def _finite(x: Number) -> bool:
    return isinstance(x, int) or math.isfinite(x)


def as_float(x: Number) -> float:
    """Return a distance as a finite float, however large the integer."""
    return float(min(x, sys.float_info.max))


def gaps(a: Sequence[Any], b: Sequence[Any]) -> tuple[Floats, Floats] | None:
    """Return (|a - b|, a) of two lists of one length that hold only plain numbers.

    None for anything else: strings, booleans, numbers that float64 does not hold exactly (from
    2^53 on), NaN, infinity.
    """
    n = len(a)
    try:
        # Several times as fast as np.array(list), and one array costs less than two.
        packed = struct.pack(f"{2 * n}d", *a, *b)
    except (struct.error, OverflowError):
        return None
    both = np.frombuffer(packed, dtype=np.float64)
    if np.count_nonzero(np.abs(both) < EXACT_BELOW) != 2 * n:
        return None
    # A boolean packs as 0 or 1: only where these occur the types must be looked at.
    suspicious = np.count_nonzero(both == 0) or np.count_nonzero(both == 1)
    if suspicious and (bool in set(map(type, a)) or bool in set(map(type, b))):
        return None
    return np.abs(both[:n] - both[n:]), both[:n]
