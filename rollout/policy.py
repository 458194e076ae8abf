"""A migration's limits as one value: presets to copy, checked field by field. Pure."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Self

from judge.discrepancy import DiscrepancyPolicy

DEMO_LABEL = "demo policy: independent requests assumed, not protected against bursts"

# Beyond one half, a bound of the rate is no longer unique.
HALF = 0.5
FULL_TTH = 10_000

CHECKLIST = ("schema", "discrepancy", "latency", "error_codes", "health", "log_format", "load")


class PolicyError(ValueError):
    """A policy that cannot be used; `field` names what to change."""

    def __init__(self, field_name: str, problem: str) -> None:
        """Keep the field's name apart from the sentence."""
        super().__init__(f"{field_name}: {problem}")
        self.field = field_name


@dataclass(frozen=True, slots=True)
class Step:
    """One canary step: weight in percent, bake time in seconds, least requests of the candidate."""

    weight: int
    bake_seconds: int
    min_requests: int


@dataclass(frozen=True, slots=True)
class Policy:
    """All limits of one migration. Shares are ten-thousandths, times are seconds."""

    name: str
    label: str
    version: int
    steps: tuple[Step, ...]
    gates: tuple[str, ...]
    discrepancy: DiscrepancyPolicy
    block_seconds: int
    shadow_tth: int
    noise_tth: int
    evidence_max_age_s: int
    warmup_s: int
    # Older than this, the newest evidence says nothing about now and no gate opens on it.
    stale_after_s: int = 60
    # Pairs that could not be compared prove nothing; more than this share keeps the gate closed.
    max_uncomparable: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what could open a gate by accident."""
        _check_steps(self.steps)
        if not self.gates:
            raise PolicyError("gates", "a policy needs at least one gate")
        limit = self.discrepancy.limit
        if not (math.isfinite(limit) and 0 < limit < 1):
            raise PolicyError("discrepancy.limit", "expected a rate between 0 and 1")
        for name in ("alpha_pass", "alpha_fail"):
            alpha = getattr(self.discrepancy, name)
            if not (math.isfinite(alpha) and 0 < alpha <= HALF):
                raise PolicyError(f"discrepancy.{name}", "expected more than 0 and at most 0.5")
        if not 0 <= self.noise_tth <= self.shadow_tth <= FULL_TTH:
            raise PolicyError("noise_tth", "expected 0 ≤ noise ≤ shadow ≤ 10000 ten-thousandths")
        if self.discrepancy.use_blocks and self.block_seconds > 28:  # noqa: PLR2004  # see below
            # 48 h / 6,160 clean blocks: with longer ones the block test could never open.
            raise PolicyError("block_seconds", "the block test needs blocks of at most 28 s")

    @property
    def weights(self) -> tuple[int, ...]:
        """The canary's weights in percent, rising."""
        return tuple(step.weight for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` is its inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` wrote."""
        values = dict(data)
        values["steps"] = tuple(Step(**s) for s in values["steps"])
        values["gates"] = tuple(values["gates"])
        values["discrepancy"] = DiscrepancyPolicy(**values["discrepancy"])
        return cls(**values)


def _check_steps(steps: tuple[Step, ...]) -> None:
    weights = [s.weight for s in steps]
    if not weights:
        raise PolicyError("steps", "a policy needs at least one step")
    if any(later <= earlier for earlier, later in pairwise(weights)):
        raise PolicyError("steps", "weights must rise from step to step")
    if weights[0] < 1 or weights[-1] != 100:  # noqa: PLR2004  # percent
        raise PolicyError("steps", "the first weight is at least 1 and the last is 100")


STEP_GATES = ("split", "proxies", "bake")

GUIDE = Policy(
    name="guide",
    label="guide policy",
    version=1,
    steps=tuple(Step(w, bake_seconds=3600, min_requests=10_000) for w in (5, 25, 50, 100)),
    gates=(*CHECKLIST, "errors", "latency_regression", *STEP_GATES),
    discrepancy=DiscrepancyPolicy(
        limit=0.001,
        alpha_pass=0.01,
        alpha_fail=0.01,
        min_window_s=48 * 3600,
        min_blocks=17_280,
        use_blocks=True,
        min_fail_events=5,
    ),
    block_seconds=10,
    shadow_tth=1000,
    noise_tth=200,
    evidence_max_age_s=300,
    warmup_s=60,
)

DEMO = replace(
    GUIDE,
    name="demo",
    label=DEMO_LABEL,
    steps=tuple(Step(w, bake_seconds=20, min_requests=200) for w in (5, 25, 50, 100)),
    gates=("discrepancy", *STEP_GATES),
    discrepancy=replace(
        GUIDE.discrepancy,
        alpha_pass=0.05,
        alpha_fail=0.05,
        min_window_s=60,
        min_blocks=0,
        use_blocks=False,
    ),
    block_seconds=2,
    shadow_tth=10_000,
    noise_tth=1000,
    evidence_max_age_s=60,
    warmup_s=5,
)

PRESETS = {preset.name: preset for preset in (GUIDE, DEMO)}
