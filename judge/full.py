"""The live gates at 100 %, where legacy serves nobody and cannot be compared with at the same time.

Two things take its place: legacy's rate of bad requests, frozen from the last step with traffic,
against which the candidate's blocks are tested; and pairs in the reverse direction, requests that
the candidate answered and legacy got as a copy. Only pairs can PASS. Both may FAIL for errors; for
latency the blocks alone, because a legacy that gets a few copies is idle and so quicker than ever.
"""

from dataclasses import dataclass

import numpy as np

from judge import gate
from judge.blocks import block_log_e_above
from judge.counts import CountsLike, series_problem
from judge.numerics import smallest_factor
from judge.paired import paired_log_e
from judge.pairs import PairCounts, PairTotals
from judge.rates import MAX_N, log_needed, rate_upper

# The frozen rate is an upper bound at this level; a rate of nothing is not to be tested against.
FROZEN_ALPHA = 0.01
LOWEST_RATE = 1e-6
FORECAST_STEPS = 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FullCounts:
    """What is known of one kind of bad request at 100 %.

    `n_b`, `k_b`: the candidate's requests and bad ones per block. `frozen_n`, `frozen_k`: legacy's
    in the last step with traffic. `pairs`: the reverse direction, `n_plus` bad on the candidate
    only.
    """

    n_b: CountsLike = ()
    k_b: CountsLike = ()
    frozen_n: int = 0
    frozen_k: int = 0
    pairs: PairCounts = PairCounts()  # noqa: RUF009 - frozen

    def problem(self) -> str:
        """Return why they cannot be right, "" if they can."""
        name, bad = "requests of the candidate", "bad requests of the candidate"
        return (
            gate.wrong_number("requests of legacy", self.frozen_n, least=0)
            or gate.wrong_number("bad requests of legacy", self.frozen_k, least=0)
            or ("more bad requests than requests" if self.frozen_k > self.frozen_n else "")
            or (f"{self.frozen_n} requests of legacy" if self.frozen_n > MAX_N else "")
            or series_problem({name: self.n_b, bad: self.k_b}, within=[(bad, name)])
            or self.pairs.problem()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FullRule:
    """How bad requests are judged at 100 %: `delta` above legacy's share, `rho` times its rate.

    `pairs_fail` lets pairs FAIL beside the blocks; the two then share the alpha of FAIL.
    """

    name: str
    what: str
    rho: float
    delta: float
    alpha_pass: float
    alpha_fail: float
    events: int
    keys: int
    pairs_fail: bool = True

    @property
    def alpha_detector(self) -> float:
        """The alpha of FAIL that each detector has."""
        return self.alpha_fail / (2 if self.pairs_fail else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FullFacts:
    """What the counts say; verdict, forecast and words follow from them alone."""

    rule: FullRule
    keys: int | None
    deff: float
    n: int
    k: int
    limit: float
    live_log_e: float
    pairs: PairTotals
    log_e: float
    pairs_fail_log_e: float

    @property
    def log_needed(self) -> float:
        return log_needed(self.rule.alpha_pass)

    @property
    def fail_needed(self) -> float:
        return log_needed(self.rule.alpha_detector)

    @property
    def live_failed(self) -> bool:
        """Whether the candidate's own blocks suffice for FAIL."""
        keys = self.rule.keys if self.keys is None else self.keys
        enough = self.k >= self.rule.events and keys >= self.rule.keys
        return enough and self.live_log_e >= self.fail_needed

    @property
    def pairs_failed(self) -> bool:
        """Whether the pairs suffice for FAIL."""
        enough = self.rule.pairs_fail and self.pairs.plus >= self.rule.events
        return enough and self.pairs_fail_log_e >= self.fail_needed

    @property
    def failed(self) -> bool:
        return self.live_failed or self.pairs_failed

    @property
    def fail_log_e(self) -> float:
        """The evidence of the detector that is closer to FAIL."""
        both = max(self.live_log_e, self.pairs_fail_log_e)
        return both if self.rule.pairs_fail else self.live_log_e

    def factor(self, *, best: bool) -> float | None:
        """Return how many times the present pairs PASS takes."""
        if self.pairs.n == 0:
            return None
        plus, zero, minus = (
            x / self.deff for x in (self.pairs.plus, self.pairs.zero, self.pairs.minus)
        )

        def enough(f: float) -> bool:
            more = plus if best or f == 1 else f * (plus + 0.5 / self.deff)
            return paired_log_e(more, f * zero, f * minus, self.rule.delta) >= self.log_needed

        return smallest_factor(enough, FORECAST_STEPS)


def gather(counts: FullCounts, rule: FullRule, *, keys: int | None, deff: float) -> FullFacts:
    """Return the facts of believable counts."""
    n_b = np.asarray(counts.n_b, dtype=np.int64)
    k_b = np.asarray(counts.k_b, dtype=np.int64)
    pairs = counts.pairs.totals()
    frozen = rate_upper(counts.frozen_n / deff, counts.frozen_k / deff, FROZEN_ALPHA)
    limit = min(max(rule.rho * frozen, LOWEST_RATE), 1.0)
    return FullFacts(
        rule=rule,
        keys=keys,
        deff=deff,
        n=int(n_b.sum()),
        k=int(k_b.sum()),
        limit=limit,
        live_log_e=block_log_e_above(n_b, k_b, limit),
        pairs=pairs,
        log_e=pairs.better_log_e(rule.delta, deff),
        pairs_fail_log_e=pairs.worse_log_e(rule.delta, deff),
    )
