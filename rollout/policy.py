"""A migration's limits as one value: presets to copy, checked field by field. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal, Self

from judge.discrepancy import DiscrepancyPolicy
from rollout.lifecycle import Phase, Place
from rollout.policy_parts import (
    DAY_S,
    ErrorsPolicy,
    GateRule,
    LatencyPolicy,
    MetricRule,
    PercentileRule,
    PolicyError,
    RegressionPolicy,
    SlowRule,
    Step,
    ThinRoutes,
    check_number,
    leaves,
)
from rollout.policy_reading import read
from traffic.load.plan import LoadRules

__all__ = [
    "CHECKLIST",
    "DEMO",
    "DEMO_GATES",
    "DEMO_LABEL",
    "GUIDE",
    "LIVE_GATES",
    "PRESETS",
    "STEP_GATES",
    "ErrorsPolicy",
    "GateRule",
    "LatencyPolicy",
    "MetricRule",
    "PercentileRule",
    "Policy",
    "PolicyError",
    "RegressionPolicy",
    "SlowRule",
    "Step",
]

DEMO_LABEL = "demo policy: independent requests assumed, not protected against bursts"

CHECKLIST = ("schema", "discrepancy", "latency", "error_codes", "health", "log_format", "load")
# What judges users' own requests; before the first step there are none on the candidate.
LIVE_GATES = ("errors", "latency_regression")
# What says that a step is real: without them nothing else means anything.
STEP_GATES = ("split", "proxies", "bake")
KNOWN_GATES = frozenset({*CHECKLIST, *LIVE_GATES, *STEP_GATES})
# 48 h / 6,160 clean blocks: with longer blocks the block test could never open.
BLOCK_TEST_MAX_SECONDS = 28
MAX_METRICS = 20


GUIDE_LOAD = LoadRules()
# On one machine, users and copies share the cores: what users feel there is no news.
DEMO_LOAD = LoadRules(
    baseline_s=10,
    stage_s=6,
    hold_s=40,
    settle_s=2,
    peak_window_s=10,
    delta=0.05,
    users_delta=0.02,
    users_p99_ratio=5.0,
    alpha=0.05,
)


@dataclass(frozen=True, slots=True)
class Policy:
    """All limits of one migration. Shares are ten-thousandths, weights percent, times seconds."""

    name: str
    label: str
    version: int
    steps: tuple[Step, ...]
    gates: tuple[GateRule, ...]
    discrepancy: DiscrepancyPolicy
    latency: LatencyPolicy
    errors: ErrorsPolicy
    regression: RegressionPolicy
    block_seconds: int
    shadow_tth: int
    noise_tth: int
    evidence_max_age_s: int
    warmup_s: int
    approvals_required: int
    approval_expiry_s: int
    override_max_s: int
    decommission_hold_s: int
    # What Banyan does by itself when a live gate FAILs, and how far back it goes.
    on_fail: Literal["hold", "roll_back"]
    on_fail_to: Literal["step_before", "zero"]
    # A live gate that cannot be judged for longer than this is treated as if it had failed.
    error_grace_s: int
    # Older than this, the newest evidence says nothing about now and no gate opens on it.
    stale_after_s: int = 60
    # Pairs that could not be compared prove nothing; more than this share keeps the gate closed.
    max_uncomparable: float = 0.01
    # The load test at twice production.
    load: LoadRules = GUIDE_LOAD
    # Routes too thin to be judged, in the checklist's gates and in those of a step.
    thin_routes: ThinRoutes = "block"
    thin_routes_live: ThinRoutes = "block"
    # Bad requests come in bursts: counts are divided by legacy's measured design effect, or this.
    min_design_effect: float = 1.0
    # Gates on what a team measures itself; needed like the others, from their weight on.
    metrics: tuple[MetricRule, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what could open a gate by accident."""
        for path, value in leaves(self):
            check_number(path, value)
        _check_steps(self.steps)
        _check_gates(self.gates)
        _check_metrics(self.metrics, self.evidence_max_age_s)
        _check_quantiles("latency.percentiles", [r.quantile for r in self.latency.percentiles])
        _check_quantiles("regression.slow", [r.quantile for r in self.regression.slow])
        if self.noise_tth > self.shadow_tth:
            raise PolicyError("noise_tth", "expected no more than shadow_tth")
        if self.discrepancy.use_blocks and self.block_seconds > BLOCK_TEST_MAX_SECONDS:
            raise PolicyError("block_seconds", "the block test needs blocks of at most 28 s")
        if not self.discrepancy.use_blocks and self.label != DEMO_LABEL:
            raise PolicyError("label", f"without the block test it is “{DEMO_LABEL}”")

    @property
    def weights(self) -> tuple[int, ...]:
        """The canary's weights in percent, rising."""
        return tuple(step.weight for step in self.steps)

    def required(self, to: Place) -> frozenset[str]:
        """Return the gates that must PASS for a move to `to`; none for the way to dual-run."""
        first = to.phase is Phase.CANARY and to.step == 0
        rules: tuple[GateRule | MetricRule, ...] = (*self.gates, *self.metrics)
        return frozenset(
            rule.gate
            for rule in rules
            if to.weight >= rule.from_weight and not (first and rule.gate in LIVE_GATES)
        )

    def percentiles(self, to: Place) -> tuple[float, ...]:
        """Return the quantiles that must be faster for a move to `to`, rising."""
        return tuple(r.quantile for r in self.latency.percentiles if to.weight >= r.from_weight)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` is its inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` wrote; PolicyError names the field that does not fit."""
        found: Self = read(cls, data)
        return found


def _check_steps(steps: tuple[Step, ...]) -> None:
    weights = [s.weight for s in steps]
    if not weights:
        raise PolicyError("steps", "a policy needs at least one step")
    if any(later <= earlier for earlier, later in pairwise(weights)):
        raise PolicyError("steps", "weights must rise from step to step")
    if weights[-1] != 100:  # noqa: PLR2004  # percent
        raise PolicyError("steps", "the last weight is 100")
    if any(later.rho_open > earlier.rho_open for earlier, later in pairwise(steps)):
        raise PolicyError("steps", "rho_open must not grow from step to step")


def _check_gates(gates: tuple[GateRule, ...]) -> None:
    if not gates:
        raise PolicyError("gates", "a policy needs at least one gate")
    for index, rule in enumerate(gates):
        if rule.gate not in KNOWN_GATES:
            raise PolicyError(f"gates.{index}.gate", f"there is no gate {rule.gate!r}")
    names = Counter(rule.gate for rule in gates)
    if twice := [name for name, count in names.items() if count > 1]:
        raise PolicyError("gates", f"{twice[0]} stands there twice")
    always = {rule.gate for rule in gates if rule.from_weight == 1}
    if lacking := [name for name in STEP_GATES if name not in always]:
        raise PolicyError("gates", f"{lacking[0]} is always needed, from weight 1")


def _check_metrics(metrics: tuple[MetricRule, ...], max_age_s: int) -> None:
    if len(metrics) > MAX_METRICS:
        raise PolicyError("metrics", f"expected at most {MAX_METRICS}")
    names = Counter(rule.name for rule in metrics)
    if twice := [name for name, count in names.items() if count > 1]:
        raise PolicyError("metrics", f"{twice[0]} stands there twice")
    for index, rule in enumerate(metrics):
        if rule.max_age_s > max_age_s:
            raise PolicyError(
                f"metrics.{index}.max_age_s", "expected no more than evidence_max_age_s"
            )


def _check_quantiles(field: str, quantiles: list[float]) -> None:
    if not quantiles:
        raise PolicyError(field, "expected at least one quantile")
    if any(later <= earlier for earlier, later in pairwise(quantiles)):
        raise PolicyError(field, "quantiles must rise")


def _steps(bake_seconds: int, min_requests: int) -> tuple[Step, ...]:
    rhos = ((5, 3.0), (25, 2.0), (50, 1.5), (100, 1.5))
    return tuple(Step(w, bake_seconds, min_requests, rho) for w, rho in rhos)


GUIDE = Policy(
    name="guide",
    label="guide policy",
    version=1,
    steps=_steps(bake_seconds=3600, min_requests=10_000),
    gates=(
        *(GateRule(key) for key in CHECKLIST if key != "load"),
        GateRule("load", from_weight=100),
        *(GateRule(key) for key in (*LIVE_GATES, *STEP_GATES)),
    ),
    discrepancy=DiscrepancyPolicy(
        limit=0.001,
        alpha_pass=0.01,
        alpha_fail=0.01,
        min_window_s=48 * 3600.0,
        min_blocks=17_280,
        use_blocks=True,
        min_fail_events=5,
    ),
    latency=LatencyPolicy(
        percentiles=(
            *(PercentileRule(q) for q in (0.5, 0.9, 0.95, 0.99)),
            # 4,603 requests per arm even if infinitely faster: shown before 25 %, not asked for.
            PercentileRule(0.999, from_weight=25),
        )
    ),
    errors=ErrorsPolicy(),
    regression=RegressionPolicy(
        slow=(SlowRule(0.5, 1.1), SlowRule(0.95, 1.25), SlowRule(0.99, 1.5))
    ),
    block_seconds=10,
    shadow_tth=1000,
    noise_tth=200,
    evidence_max_age_s=300,
    warmup_s=60,
    approvals_required=1,
    approval_expiry_s=1800,
    override_max_s=4 * 3600,
    decommission_hold_s=7 * DAY_S,
    on_fail="roll_back",
    on_fail_to="zero",
    error_grace_s=120,
)

# The gates that exist and that a demonstration feeds within minutes.
DEMO_GATES = tuple(GateRule(key) for key in ("discrepancy", "latency", *LIVE_GATES, *STEP_GATES))

DEMO = replace(
    GUIDE,
    name="demo",
    label=DEMO_LABEL,
    steps=_steps(bake_seconds=20, min_requests=200),
    gates=DEMO_GATES,
    discrepancy=replace(
        GUIDE.discrepancy,
        alpha_pass=0.05,
        alpha_fail=0.05,
        min_window_s=60.0,
        min_blocks=0,
        use_blocks=False,
    ),
    latency=LatencyPolicy(
        percentiles=tuple(PercentileRule(q) for q in (0.5, 0.9, 0.95)),
        alpha_pass=0.05,
        alpha_fail=0.05,
    ),
    errors=replace(GUIDE.errors, delta=0.05),
    # A hundredth of the requests is too few to say anything about within a minute.
    regression=RegressionPolicy(slow=(SlowRule(0.5, 1.1), SlowRule(0.95, 1.25)), alpha_pass=0.05),
    load=DEMO_LOAD,
    # In a step of seconds a route sees a handful of the candidate's users.
    thin_routes_live="waive",
    block_seconds=2,
    shadow_tth=10_000,
    noise_tth=1000,
    evidence_max_age_s=60,
    warmup_s=5,
    approvals_required=0,
    decommission_hold_s=20,
)

PRESETS = {preset.name: preset for preset in (GUIDE, DEMO)}
