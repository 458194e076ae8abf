"""Whether users feel a load test, and whether the copies do worse than legacy. Pure.

"No worse than legacy under its own load" is judged as in a live step: legacy serves production
beside the copies, so that incidents which slow both sides cancel. Slow is what exceeds legacy's p99
of before the test, when nothing was copied. Should the test itself slow legacy, nothing passes by
it: then the users' rule ends the test.
"""

from dataclasses import dataclass

from judge.difference import diff_lower
from judge.errors_live import ErrorsLivePolicy, judge_errors_live
from judge.evidence import Evidence
from judge.latency_live import LatencyLivePolicy, judge_latency_live
from judge.rates import log_e_above, log_needed
from judge.verdict import Verdict, worst
from traffic.load.counts import Counts, Window
from traffic.load.plan import LoadRules

P99_SHARE = 0.01
# Fewer users' requests than this say too little about a 99th percentile.
MIN_USERS = 200


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was before the test: users and legacy, when nothing was copied."""

    users: int
    user_errors: int
    users_p99_us: int
    legacy_p99_us: int

    @classmethod
    def of(cls, users: Counts, legacy: Counts) -> "Baseline | None":
        """Freeze it; None when too little was seen."""
        users_p99, legacy_p99 = users.p99_us(), legacy.p99_us()
        if users.timed < MIN_USERS or legacy.timed < MIN_USERS:
            return None
        if users_p99 is None or legacy_p99 is None:
            return None
        return cls(users.requests, users.errors, users_p99, legacy_p99)


@dataclass(frozen=True, slots=True)
class Judged:
    """The copies against legacy in one stage."""

    errors: Evidence
    latency: Evidence

    @property
    def verdict(self) -> Verdict:
        """The worse of both."""
        return worst([self.errors.verdict, self.latency.verdict])

    @property
    def failing(self) -> Evidence | None:
        """The one that FAILs, if one does."""
        found = (self.errors, self.latency)
        return next((e for e in found if e.verdict is Verdict.FAIL), None)


def judge_copies(
    window: Window,
    baseline: Baseline,
    rules: LoadRules,
    *,
    planned_s: int,
    reference: Counts | None,
) -> Judged:
    """Judge one stage against legacy's own requests meanwhile, or against a given reference."""
    elapsed, stages = float(window.seconds), len(rules.factors)
    blocks = window.blocks
    planned = 1 if reference or not blocks else max(1, planned_s // blocks[0].seconds)
    slow = window.arms(lambda c: c.slower(baseline.legacy_p99_us), against=reference, timed=True)
    errors = judge_errors_live(
        arms=window.arms(lambda c: c.errors, against=reference, timed=False),
        error_keys=None,
        elapsed_s=elapsed,
        planned_blocks=planned,
        strata_count=stages,
        policy=ErrorsLivePolicy(
            rho_fail=rules.rho,
            rho_open=rules.rho,
            delta=rules.delta,
            alpha_pass=rules.alpha,
            alpha_fail=rules.alpha,
            min_window_s=0.0,
            min_requests=0,
        ),
    )
    latency = judge_latency_live(
        slow={"p99": slow},
        slow_keys=None,
        elapsed_s=elapsed,
        planned_blocks=planned,
        strata_count=stages,
        policy=LatencyLivePolicy(
            rho={"p99": rules.rho},
            alpha_pass=rules.alpha,
            alpha_fail=rules.alpha,
            min_window_s=0.0,
            min_requests=0,
        ),
    )
    return Judged(errors, latency)


@dataclass(frozen=True, slots=True)
class RuleState:
    """One stop rule now: how near it is, as a share of what would stop the test."""

    rule: str
    value: float | None
    limit: float
    unit: str
    hit: bool

    def to_dict(self) -> dict[str, str | float | bool | None]:
        """Return plain JSON values."""
        return {
            "rule": self.rule,
            "value": self.value,
            "limit": self.limit,
            "unit": self.unit,
            "hit": self.hit,
        }


def user_rules(users: Counts, baseline: Baseline, rules: LoadRules) -> tuple[RuleState, RuleState]:
    """Return the two rules that protect users: errors and p99, against before the test."""
    before = baseline.user_errors / baseline.users
    rate = users.errors / users.requests if users.requests else None
    more = users.requests > 0 and (
        diff_lower(users.requests, users.errors, baseline.users, baseline.user_errors, rules.alpha)
        > rules.users_delta
    )
    limit_us = rules.users_p99_ratio * baseline.users_p99_us
    slow = users.slower(limit_us)
    slower = users.timed > 0 and (
        log_e_above(users.timed, slow, P99_SHARE) >= log_needed(rules.alpha)
    )
    return (
        RuleState("users_errors", rate, before + rules.users_delta, "share", more),
        RuleState("users_p99", _float(users.p99_us()), limit_us, "µs", slower),
    )


def copy_rules(
    load: Counts, legacy: Counts, judged: Judged, baseline: Baseline, rules: LoadRules
) -> tuple[RuleState, RuleState, RuleState]:
    """Return the rules about the copies: errors, p99 and saturation."""
    rate = load.errors / load.requests if load.requests else None
    normal = legacy.errors / legacy.requests if legacy.requests else 0.0
    return (
        RuleState(
            "copies_errors",
            rate,
            max(rules.rho * normal, rules.delta),
            "share",
            judged.errors.verdict is Verdict.FAIL,
        ),
        RuleState(
            "copies_p99",
            _float(load.p99_us()),
            float(baseline.legacy_p99_us),
            "µs",
            judged.latency.verdict is Verdict.FAIL,
        ),
        RuleState("saturation", float(load.shed), 0.0, "copies", load.shed > 0),
    )


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)
