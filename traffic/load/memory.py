"""Whether the candidate's memory grew under the load and did not come to rest. Pure.

A service may take what it needs when the load begins; one that goes on taking has a leak, and twice
production is where that shows within minutes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

MIN_SAMPLES = 6
# Growth that an allocator's arenas and warm caches explain.
TOLERATED_BYTES = 32 * 1024 * 1024
TOLERATED_SHARE = 0.5
# Of the growth that is left, this much must have come in the later half: it has not come to rest.
STILL_GROWING_SHARE = 0.25
MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MemorySample:
    """Resident memory of the candidate in bytes at a moment in unix seconds."""

    at: float
    resident: int

    @classmethod
    def from_dict(cls, data: Mapping[str, float]) -> Self:
        """Read back a stored sample."""
        return cls(at=float(data["at"]), resident=int(data["resident"]))


def growth(samples: Sequence[MemorySample]) -> str:
    """Say how the memory grew when that is more than tolerated and still going on; else empty.

    Too few samples say nothing.
    """
    if len(samples) < MIN_SAMPLES:
        return ""
    first, last = samples[0].resident, samples[-1].resident
    grown = last - first
    later = last - samples[len(samples) // 2].resident
    tolerated = max(TOLERATED_BYTES, TOLERATED_SHARE * first)
    if grown <= tolerated or later < STILL_GROWING_SHARE * grown:
        return ""
    seconds = samples[-1].at - samples[0].at
    return (
        f"memory grew from {first / MB:.0f} to {last / MB:.0f} MB within {seconds:.0f} s of load "
        "and did not come to rest"
    )
