"""The guide's table: what is measured on both sides, and how many times better one is. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

SIDES = ("legacy", "candidate")


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table: its name, the unit it is measured in, and which way is better."""

    key: str
    title: str
    unit: str
    better: Literal["lower", "higher"]


METRICS = (
    Metric("p99", "p99 of the small model", "ms", "lower"),
    Metric("memory", "Memory per instance", "MB", "lower"),
    Metric("rps", "Requests/s on one core", "1/s", "higher"),
    Metric("cold_start", "Cold start", "s", "lower"),
    Metric("size", "Binary or image size", "MB", "lower"),
)
BY_KEY = {metric.key: metric for metric in METRICS}


class Measured(Protocol):
    """What a stored measurement says."""

    side: str
    metric: str
    value: float
    how: str
    at: datetime
    build: str
    by: str


@dataclass(frozen=True, slots=True)
class Row:
    """One metric on both sides; a side that was not measured has none."""

    metric: Metric
    legacy: Measured | None
    candidate: Measured | None

    @property
    def factor(self) -> float | None:
        """How many times better the candidate is; below 1 it is worse.

        None unless both sides were measured, by the same method, and neither is 0.
        """
        if self.legacy is None or self.candidate is None or self.legacy.how != self.candidate.how:
            return None
        above, below = self.legacy.value, self.candidate.value
        if self.metric.better == "higher":
            above, below = below, above
        return above / below if below else None


def rows(newest_first: Iterable[Measured]) -> tuple[Row, ...]:
    """Return every row of the table, each side by its newest measurement."""
    found: dict[tuple[str, str], Measured] = {}
    for measured in newest_first:
        found.setdefault((measured.metric, measured.side), measured)
    return tuple(
        Row(metric, *(found.get((metric.key, side)) for side in SIDES)) for metric in METRICS
    )
