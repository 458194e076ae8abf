"""User keys of one step: hashed, each told once, with the arm at first sight. Pure.

The split is tested on keys, not requests, so a key counts where the routing decision first put it,
whoever answered. A key seen on both arms within a step is a flip and must not happen.
"""

from dataclasses import dataclass, field
from hashlib import blake2b

KEY_BYTES = 8
MAX_KEYS = 200_000
SETTLE_US = 500_000
"""Envoy takes a snapshot within milliseconds; requests that began before are of the old step."""


def key_hash(key: str, salt: bytes) -> int:
    """Return a user key as 64 salted bits."""
    return int.from_bytes(blake2b(key.encode(), digest_size=KEY_BYTES, key=salt).digest(), "big")


def is_even(sample: str) -> bool:
    """Return which half of the latencies a mark belongs to, by a salt unrelated to any split."""
    return not blake2b(sample.encode(), digest_size=1, person=b"banyan-parity").digest()[0] & 1


@dataclass(frozen=True, slots=True)
class Sight:
    """What seeing a key meant: new to the step, or first seen on the other arm.

    `requests` is how many of the key's there were so far in the step, this one included.
    """

    key: int
    first_arm: str
    new: bool
    requests: int = 1


@dataclass(slots=True)
class KeySet:
    """The keys of one split in one step. `since_us` is when the step was configured here."""

    epoch: str
    since_us: int
    first: dict[int, str] = field(default_factory=dict)
    # Of keys seen more than once.
    requests: dict[int, int] = field(default_factory=dict)

    def see(self, key: int, arm: str, *, started_us: int) -> Sight | None:
        """Note a key; None when the request is of an older step or there is no room any more.

        Stopping on the count alone keeps the test of the split valid.
        """
        if started_us < self.since_us + SETTLE_US:
            return None
        first = self.first.get(key)
        if first is not None:
            requests = self.requests[key] = self.requests.get(key, 1) + 1
            return Sight(key, first, new=False, requests=requests)
        if len(self.first) >= MAX_KEYS:
            return None
        self.first[key] = arm
        return Sight(key, arm, new=True)
