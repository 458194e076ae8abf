"""The parts of a policy, the bounds of each number, and the error that names a field. Pure."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Literal

from judge.metric import LARGEST, Compare
from rollout.promql import PromQLError, check_query, has_route


class PolicyError(ValueError):
    """A policy that cannot be used; `field` names what to change."""

    def __init__(self, field_name: str, problem: str) -> None:
        """Keep the field's name apart from the sentence."""
        super().__init__(f"{field_name}: {problem}")
        self.field = field_name
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Step:
    """One canary step: weight in percent, bake time in seconds, least requests of the candidate.

    `rho_open`: to leave the step, the candidate's error rate is shown to be below this multiple of
    legacy's (or no more than the margin above it).
    """

    weight: int
    bake_seconds: int
    min_requests: int
    rho_open: float = 1.5


@dataclass(frozen=True, slots=True)
class GateRule:
    """A gate, and the candidate's weight in percent from which on a move needs it."""

    gate: str
    from_weight: int = 1


@dataclass(frozen=True, slots=True)
class PercentileRule:
    """A quantile that must be faster, and the weight in percent from which on it must."""

    quantile: float
    from_weight: int = 1


@dataclass(frozen=True, slots=True)
class LatencyPolicy:
    """Faster in all percentiles; `margin_buckets` asks for that many per cent more, or fewer."""

    percentiles: tuple[PercentileRule, ...]
    alpha_pass: float = 0.01
    alpha_fail: float = 0.01
    margin_buckets: int = 0


@dataclass(frozen=True, slots=True)
class ErrorsPolicy:
    """Live errors. PASS: ratio below the step's `rho_open`, or at most `delta` above legacy.

    FAIL: above `rho_fail` times legacy's rate, at `alpha_step` per step, and enough events from
    enough users, so that one broken client moves nothing.
    """

    delta: float = 0.001
    rho_fail: float = 1.5
    alpha_pass: float = 0.01
    alpha_step: float = 0.005
    min_fail_events: int = 5
    min_fail_keys: int = 3


@dataclass(frozen=True, slots=True)
class SlowRule:
    """How much more often the candidate may exceed legacy's quantile of the step before."""

    quantile: float
    rho: float

    @property
    def name(self) -> str:
        """The threshold's name in traffic blocks: p50, p95, p99."""
        return f"p{100 * self.quantile:g}"


@dataclass(frozen=True, slots=True)
class RegressionPolicy:
    """Live latency: the ratio of slow requests at legacy's frozen quantiles."""

    slow: tuple[SlowRule, ...]
    alpha_pass: float = 0.01
    alpha_step: float = 0.005
    min_fail_events: int = 5
    min_fail_keys: int = 3


METRIC_PREFIX = "metric-"


@dataclass(frozen=True, slots=True)
class MetricRule:
    """A gate on a PromQL query of the candidate, absolute or against legacy's at the same time.

    `provider` is a name of BANYAN_METRIC_PROVIDERS. With `{{route}}` in the query each route that
    is safe to duplicate is measured. `expect` is `label=value` that the series must carry; `count`
    asks for the number of observations, of which there must be `min_count`. PASS and FAIL take the
    last `readings`, none older than `max_age_s`.
    """

    name: str
    provider: str
    query: str
    compare: Compare
    threshold: float
    legacy: str = ""
    count: str = ""
    expect: str = ""
    min_count: int = 0
    may_be_negative: bool = False
    from_weight: int = 1
    interval_s: int = 10
    readings: int = 3
    max_age_s: int = 60

    def __post_init__(self) -> None:
        """Refuse what could open the gate by accident, or could never open it."""
        for field_name, problem in _metric_problems(self):
            raise PolicyError(field_name, problem)

    @property
    def gate(self) -> str:
        """The gate's name among all gates."""
        return f"{METRIC_PREFIX}{self.name}"

    @property
    def queries(self) -> Mapping[str, str]:
        """The queries that are asked, by what they measure."""
        given = {"candidate": self.query, "legacy": self.legacy, "count": self.count}
        return {name: query for name, query in given.items() if query}

    @property
    def per_route(self) -> bool:
        """Whether each route is measured by itself."""
        return any(has_route(query) for query in self.queries.values())


_METRIC_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
_EXPECT = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*=[ -~]{1,120}")


def _metric_problems(rule: MetricRule) -> Iterator[tuple[str, str]]:
    for field_name in ("name", "provider"):
        if not _METRIC_NAME.fullmatch(getattr(rule, field_name)):
            yield field_name, "expected 1 to 30 of a-z, 0-9 and -, beginning with a letter"
    yield from _query_problems(rule)
    relative = rule.compare in ("max_ratio", "max_difference")
    if relative != bool(rule.legacy):
        yield "legacy", "max_ratio and max_difference need legacy's query, the others take none"
    if bool(rule.count) != (rule.min_count > 0):
        yield "min_count", "count and min_count stand together"
    if rule.expect and not _EXPECT.fullmatch(rule.expect):
        yield "expect", "expected label=value"
    if rule.threshold < 0 and (relative or not rule.may_be_negative):
        yield "threshold", "expected 0 or more"
    if rule.max_age_s < (rule.readings + 1) * rule.interval_s:
        yield "max_age_s", "expected at least (readings + 1) x interval_s"


def _query_problems(rule: MetricRule) -> Iterator[tuple[str, str]]:
    for name, query in (("query", rule.query), ("legacy", rule.legacy), ("count", rule.count)):
        try:
            if query or name == "query":
                check_query(query)
        except PromQLError as exc:
            yield name, str(exc)


# What becomes of a route with too little traffic to be judged by itself: it keeps the gate closed,
# does unless replay has shown it, or is named and left.
ThinRoutes = Literal["block", "replay", "waive"]

DAY_S = 86_400
YEAR_S = 366 * DAY_S

# Lowest and highest value of a number, by the last part of its name; both ends are allowed.
TINY = 1e-12
ALPHA = (TINY, 0.5)
RATE = (TINY, 1 - TINY)
SECONDS = (0, YEAR_S)
COUNT = (0, 10**12)
TTH = (0, 10_000)
BOUNDS: Mapping[str, tuple[float, float]] = {
    "limit": RATE,
    "delta": RATE,
    "quantile": RATE,
    "max_uncomparable": (0.0, 1 - TINY),
    # Beyond one half a bound of a rate is no longer unique.
    "alpha_pass": ALPHA,
    "alpha_fail": ALPHA,
    "alpha_step": ALPHA,
    "alpha": ALPHA,
    "min_design_effect": (1.0, 1000.0),
    "rho": (1.0, 1000.0),
    "rho_open": (1.0, 1000.0),
    "rho_fail": (1.0, 1000.0),
    "margin_buckets": (-100, 100),
    "weight": (1, 100),
    "from_weight": (1, 100),
    "min_window_s": SECONDS,
    "bake_seconds": SECONDS,
    "warmup_s": SECONDS,
    "decommission_hold_s": SECONDS,
    "error_grace_s": (10, DAY_S),
    "block_seconds": (1, 3600),
    "stale_after_s": (1, DAY_S),
    "evidence_max_age_s": (1, DAY_S),
    "approval_expiry_s": (1, 7 * DAY_S),
    "override_max_s": (1, 7 * DAY_S),
    "approvals_required": (0, 1),
    "baseline_s": (1, DAY_S),
    "stage_s": (1, DAY_S),
    "hold_s": (1, DAY_S),
    "settle_s": (0, 3600),
    "peak_window_s": (1, 3600),
    "lifetime_s": (60, YEAR_S),
    "late_budget_ms": (1, 1000),
    "tolerance": (0.001, 0.5),
    "users_delta": RATE,
    "users_p99_ratio": (1.0, 1000.0),
    "min_blocks": COUNT,
    "min_requests": COUNT,
    "min_fail_events": (1, 10**9),
    "min_fail_keys": (1, 10**9),
    "shadow_tth": TTH,
    "noise_tth": TTH,
    "threshold": (-LARGEST, LARGEST),
    "min_count": COUNT,
    "interval_s": (5, 3600),
    "readings": (1, 10),
    "max_age_s": (10, DAY_S),
    "version": (1, 2**31 - 1),
}


def check_number(path: str, value: object) -> None:
    """Refuse a number outside its bounds, NaN among them; other values pass."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if not math.isfinite(value):
        raise PolicyError(path, "expected a finite number")
    low, high = BOUNDS.get(path.rpartition(".")[2], (-math.inf, math.inf))
    if not low <= value <= high:
        raise PolicyError(path, f"expected {low:g} to {high:g}, not {value:g}")


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Walk a policy's plain values with their names, such as `steps.0.weight`."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}")
    else:
        yield path, value
