"""How far a load test is, as plain values that a row keeps between two ticks. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from traffic.load.counts import Counts
from traffic.load.judging import Baseline
from traffic.load.plan import LoadPlan

BASELINE = -1
"""The stage before the first: nothing is copied, and what users get is noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """One stage that is over: what was asked of the candidate, what it got, how it answered."""

    factor: float
    copies_tth: int
    target_rps: float
    measured_rps: float
    requests: int
    errors: int
    shed: int
    p99_us: int | None
    legacy_p99_us: int | None
    users_p99_us: int | None
    users_errors: int
    began_at: float
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands; times in unix seconds.

    `asked_at` is when the stage was asked for, `began_at` from when on it is judged: None until
    every proxy copies. `stopping` names the rule that ended the copies; what was under way may
    still be answered until `stopping_until`.
    """

    stage: int = BASELINE
    asked_at: float = 0.0
    began_at: float | None = None
    adjusted_at: float = 0.0
    copies_tth: int = 0
    send_rps: float = 0.0
    generation: int = 0
    baseline: Baseline | None = None
    # With a generator: legacy over a longer time before the test.
    reference: Counts | None = None
    stages: tuple[StageResult, ...] = ()
    stopping: str = ""
    stopping_until: float = 0.0
    rules: tuple[Mapping[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        found = asdict(self)
        found["reference"] = self.reference.to_dict() if self.reference else None
        return found

    def words(self, plan: LoadPlan) -> str:
        """Say where the run stands."""
        if self.stopping:
            return "stopping, answers to the last copies are awaited"
        if self.stage == BASELINE:
            return "measuring what users get without it"
        return f"{plan.rules.factors[self.stage]:g} × the peak"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` wrote."""
        found = dict(data)
        if found.get("baseline"):
            found["baseline"] = Baseline(**found["baseline"])
        if found.get("reference"):
            found["reference"] = Counts.from_dict(found["reference"])
        found["stages"] = tuple(StageResult(**stage) for stage in found.get("stages", ()))
        found["rules"] = tuple(found.get("rules", ()))
        return cls(**found)


def remaining_s(plan: LoadPlan, progress: Progress, *, now: float) -> float:
    """Return how long the run still takes if nothing stops it."""
    if progress.stopping:
        return max(0.0, progress.stopping_until - now)
    rules, stage = plan.rules, progress.stage
    later = sum(rules.settle_s + plan.seconds(n) for n in range(stage + 1, plan.last + 1))
    if stage == BASELINE:
        return later + max(0.0, progress.asked_at + rules.baseline_s - now)
    began = progress.asked_at + rules.settle_s if progress.began_at is None else progress.began_at
    return later + max(0.0, began + plan.seconds(stage) - now)
