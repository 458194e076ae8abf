"""What the generator counts, and the line it prints."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field

KEPT_EXAMPLES = 3


@dataclass(slots=True)
class Stats:
    """Totals since the start; times only since the last line."""

    sent: int = 0
    failed: int = 0
    dropped: int = 0
    non_200_valid: int = 0
    wrong_sent: int = 0
    wrong_unexpected: int = 0
    in_flight: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)

    def answered(self, *, status: int, expected: int, valid: bool, seconds: float) -> None:
        self.statuses[status] += 1
        self.latencies.append(seconds)
        self.wrong_sent += not valid
        if status != expected:
            self.non_200_valid += valid
            self.wrong_unexpected += not valid

    def refused(self, error: Exception, *, valid: bool) -> None:
        """Count a request that got no answer: a valid one is a user who noticed."""
        self.failed += 1
        self.non_200_valid += valid
        if len(self.examples) < KEPT_EXAMPLES:
            self.examples.append(f"{type(error).__name__}: {error}")

    def line(self) -> str:
        """Return one JSON object, and begin the times anew."""
        text = json.dumps(
            {
                "ts": round(time.time(), 3),
                "sent": self.sent,
                "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
                "non_200_valid": self.non_200_valid,
                "failed": self.failed,
                "wrong_sent": self.wrong_sent,
                "wrong_unexpected": self.wrong_unexpected,
                "dropped": self.dropped,
                "in_flight": self.in_flight,
                "p50_ms": _percentile_ms(self.latencies, 0.5),
                "p99_ms": _percentile_ms(self.latencies, 0.99),
                "late_p99_ms": _percentile_ms(self.lateness, 0.99),
                "errors": self.examples,
            }
        )
        self.latencies, self.lateness, self.examples = [], [], []
        return text


def _percentile_ms(seconds: list[float], share: float) -> float | None:
    if not seconds:
        return None
    return round(sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))] * 1000, 3)
