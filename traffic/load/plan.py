"""What a load test asks for: its limits (a policy's part) and one run's numbers. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, Self

from traffic.envoy.plan import FULL_TTH, MAX_AMPLIFY_TTH

TARGET = 2.0
"""The guide: the candidate bears twice the peak of production."""


@dataclass(frozen=True, slots=True)
class LoadRules:
    """Limits of a load test; times in seconds. A team's policy holds them.

    `factors` times the peak are asked for one after the other, the last one for `hold_s`. The first
    `settle_s` of each stage are left out of what is judged. `max_copies` bounds what one request of
    a quiet production may become. `tolerance` is how far the rate may be from what was asked.

    Stop rules. Users: their errors shown to be `users_delta` (a share) above those before the test,
    or their p99 shown to be `users_p99_ratio` times as long. Copies: more than `rho` times legacy's
    errors, or more than `rho` times as often slower than legacy's p99 before the test. `delta` is
    what PASS tolerates of errors where legacy has none.
    """

    factors: tuple[float, ...] = (1.0, 1.25, 1.5, 1.75, 2.0)
    baseline_s: int = 120
    stage_s: int = 60
    hold_s: int = 900
    settle_s: int = 10
    peak_window_s: int = 60
    max_copies: float = 20.0
    tolerance: float = 0.03
    delta: float = 0.001
    rho: float = 1.5
    users_delta: float = 0.005
    users_p99_ratio: float = 1.5
    alpha: float = 0.01
    late_budget_ms: int = 20
    lifetime_s: int = 7 * 86_400

    def __post_init__(self) -> None:
        """Refuse a test that could not show what it is for."""
        if not self.factors or self.factors[-1] != TARGET:
            raise ValueError(f"factors: the last one is {TARGET:g}")
        if self.factors[0] <= 0 or any(b <= a for a, b in pairwise(self.factors)):
            raise ValueError("factors: expected positive numbers that rise")
        if not 0 < self.max_copies <= MAX_AMPLIFY_TTH / FULL_TTH:
            raise ValueError(f"max_copies: expected at most {MAX_AMPLIFY_TTH // FULL_TTH}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """One run: the peak of production it doubles, in requests per second, and the limits."""

    peak_rps: float
    declared: bool = False
    rules: LoadRules = LoadRules()

    def __post_init__(self) -> None:
        """A peak of nothing proves nothing."""
        if not self.peak_rps > 0:
            raise ValueError("peak_rps: expected a positive number")

    def target_rps(self, stage: int) -> float:
        """Return what the candidate should get in a stage, all its requests counted."""
        return self.rules.factors[stage] * self.peak_rps

    def seconds(self, stage: int) -> int:
        """Return how long a stage is measured."""
        return self.rules.hold_s if stage == self.last else self.rules.stage_s

    @property
    def last(self) -> int:
        """The stage that is held."""
        return len(self.rules.factors) - 1

    @property
    def expected_s(self) -> float:
        """How long a run takes when nobody has to be waited for."""
        rules = self.rules
        settling = len(rules.factors) * rules.settle_s
        return rules.baseline_s + rules.stage_s * self.last + rules.hold_s + settling

    @property
    def longest_s(self) -> float:
        """How long a run may take, waiting included; afterwards it is given up."""
        return self.expected_s + (len(self.rules.factors) + 1) * PATIENCE_S

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` wrote."""
        given = data["rules"]
        known = {field.name for field in fields(LoadRules)}
        values = {name: value for name, value in given.items() if name in known}
        rules = LoadRules(**{**values, "factors": tuple(given["factors"])})
        return cls(peak_rps=data["peak_rps"], declared=data["declared"], rules=rules)


PATIENCE_S = 45
"""How long a stage waits for every proxy, for late reports, and for copies still under way."""
