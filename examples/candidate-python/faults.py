"""Deliberate defects, for Banyan to find: those of candidate-axum, under the same names."""

import time
from collections.abc import Mapping
from itertools import count
from typing import Any

from admin import Switch

FAULTS = (
    "drift",
    "f32",
    "errors",
    "slow",
    "schema",
    "default_changed",
    "unknown_field_accepted",
    "wrong_status",
    "wrong_message",
    "readyz_draining",
    "log_field_missing",
    "log_level_renamed",
    "collapses",
    "leaks",
)
DRIFT_SHARE, ERROR_SHARE, SLOW_SHARE = 0.02, 0.05, 0.02
LEAK_BYTES = 16 * 1024
LEAKS_AT_MOST = 512 * 1024 * 1024 // LEAK_BYTES
BURST_SECONDS = LONGEST_WAIT_SECONDS = 1.0
_MASK = (1 << 64) - 1


class Faults:
    """The switch, shared by every request."""

    def __init__(self, fault: str | None, *, slow_ms: int, collapse_rps: int) -> None:
        self.slow_ms, self.collapse_rps = slow_ms, collapse_rps
        self.silent = False
        self.current: str | None = None
        self._turns = count(1)
        self._busy_until = 0.0
        self._leaked: list[bytes] = []
        self.set(fault)

    def set(self, fault: str | None, *, silent: bool = False) -> None:
        """Switch; raises ValueError for a name that is not known."""
        if fault is not None and fault not in FAULTS:
            raise ValueError(f"unknown fault {fault!r}; known are {', '.join(FAULTS)}")
        self.current, self.silent = fault, silent
        self._busy_until = 0.0
        self._leaked.clear()

    @property
    def documented(self) -> str | None:
        """The fault that the OpenAPI document admits."""
        return None if self.silent else self.current

    def drifts(self) -> bool:
        return self.current == "drift" and self._draw(DRIFT_SHARE)

    def refuses(self) -> bool:
        return self.current == "errors" and self._draw(ERROR_SHARE)

    def delay_seconds(self) -> float:
        slow = self.current == "slow" and self._draw(SLOW_SHARE)
        return self.slow_ms / 1000 if slow else 0.0

    def wait_seconds(self) -> float | None:
        """How long this request waits for its turn; None when it is refused."""
        if self.current != "collapses":
            return 0.0
        now = time.monotonic()
        free = max(now, self._busy_until) + 1 / self.collapse_rps
        wait = max(0.0, free - now - BURST_SECONDS)
        if wait > LONGEST_WAIT_SECONDS:
            return None
        self._busy_until = free
        return wait

    def leak(self) -> None:
        """Keep memory that nobody will ask for again."""
        if self.current == "leaks" and len(self._leaked) < LEAKS_AT_MOST:
            self._leaked.append(b"\x01" * LEAK_BYTES)

    def _draw(self, share: float) -> bool:
        """Return True for `share` of the calls: scattered, yet the same each run (SplitMix64)."""
        z = next(self._turns) * 0x9E3779B97F4A7C15 & _MASK
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
        return (z ^ (z >> 31)) >> 32 < share * 0xFFFFFFFF


def fault_switch(faults: Faults) -> Switch:
    """`PUT /fault`: `fault`, and beside it `silent`, `slow_ms` and `collapse_rps`."""

    def switch(body: Mapping[str, Any]) -> None:
        for name in ("slow_ms", "collapse_rps"):
            value = body.get(name, 1)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} must be a positive whole number")
        faults.set(body["fault"], silent=body.get("silent") is True)
        faults.slow_ms = body.get("slow_ms", faults.slow_ms)
        faults.collapse_rps = body.get("collapse_rps", faults.collapse_rps)

    return Switch("fault", switch, lambda: faults.current)
