"""The gate "split as asked": a broken split makes every other live gate meaningless.

It is never a verdict about the candidate: it knows PASS, INCONCLUSIVE and ERROR.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from judge import gate, words
from judge.counts import wrong_window
from judge.evidence import Evidence
from judge.rates import log_needed
from judge.split import ALPHA, MIN_KEYS, SplitCheck, split_check
from judge.verdict import Verdict

RULE = "split"
RULE_VERSION = "1"
VOLUME_SIGMAS = 5.0
MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class SplitPolicy:
    """The numbers of the gate; a wrong one raises ValueError.

    `alpha` is the chance of a false alarm per step. Keys seen on both sides, and more requests
    than `exposure_factor` times the weight plus `exposure_extra`, are borne for so many seconds.
    """

    alpha: float = ALPHA
    min_keys: int = MIN_KEYS
    flips_s: float = 30.0
    exposure_factor: float = 2.0
    exposure_extra: float = 0.05
    exposure_s: float = 300.0

    def __post_init__(self) -> None:
        log_needed(self.alpha)
        for name in ("min_keys", "exposure_factor"):
            if not 1 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 1: {getattr(self, name)!r}")
        for name in ("flips_s", "exposure_extra", "exposure_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0: {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitCounts:
    """What was seen of a split since its step began; shares are of one, times are seconds.

    `flips` keys were seen on both sides, for `flips_for_s` by now. `request_share` is the
    candidate's share of requests (None: none yet), above the bound of exposure for
    `exposed_for_s`; `effective_keys` is what `effective_keys()` gives (None: not counted).
    """

    candidate_keys: int
    legacy_keys: int
    weight: float
    flips: int = 0
    flips_for_s: float = 0.0
    request_share: float | None = None
    exposed_for_s: float = 0.0
    effective_keys: float | None = None

    def problem(self) -> str:
        """Return why they cannot be right, "" if they can."""
        if not 0 <= self.weight <= 1:  # NaN is neither
            return f"a weight of {self.weight}"
        if self.request_share is not None and not 0 <= self.request_share <= 1:
            return f"a share of {self.request_share} of the requests"
        if self.effective_keys is not None and not 0 < self.effective_keys < math.inf:
            return f"{self.effective_keys} effective keys"
        return (
            gate.wrong_number("candidate keys", self.candidate_keys, least=0)
            or gate.wrong_number("legacy keys", self.legacy_keys, least=0)
            or gate.wrong_number("keys on both sides", self.flips, least=0)
            or wrong_window(self.flips_for_s)
            or wrong_window(self.exposed_for_s)
        )


def judge_split(*, counts: SplitCounts, elapsed_s: float, policy: SplitPolicy) -> Evidence:
    """Judge whether users fall on both sides as asked; ERROR says that they do not.

    Counts that cannot be believed give ERROR and the reason, never an exception.
    """
    problem = wrong_window(elapsed_s) or counts.problem()
    if problem:
        return gate.error(
            problem,
            rule=RULE,
            version=RULE_VERSION,
            limit=counts.weight if math.isfinite(counts.weight) else 0.0,
            alpha=policy.alpha,
            window_s=0.0,
        )
    check = split_check(
        candidate_keys=counts.candidate_keys,
        legacy_keys=counts.legacy_keys,
        weight=counts.weight,
        alpha=policy.alpha,
        min_keys=policy.min_keys,
    )
    broken = _broken(counts, policy)
    verdict = Verdict.ERROR if broken else check.verdict
    missing = policy.min_keys - check.n
    lacks = (
        [gate.Lack("keys", missing, f"{words.count(missing)} more distinct keys")]
        if verdict is Verdict.INCONCLUSIVE and missing > 0
        else []
    )
    passed = verdict is Verdict.PASS
    waiting = missing * elapsed_s / check.n if lacks and check.n else None
    return Evidence(
        rule=RULE,
        rule_version=RULE_VERSION,
        verdict=verdict,
        value=check.share,
        lower=max(0.0, counts.weight - check.tolerance) if check.n else None,
        upper=min(1.0, counts.weight + check.tolerance) if check.n else None,
        limit=counts.weight,
        n=check.n,
        k=check.k,
        fail_log_e=check.log_e,
        fail_log_needed=check.log_needed,
        progress=1.0 if passed else min(check.n / policy.min_keys, 1.0),
        eta_s=0.0 if passed else waiting,
        eta_best_s=0.0 if passed else waiting,
        window_s=float(elapsed_s),
        **gate.lacking(lacks),
        assumption="independent",
        alpha=policy.alpha,
        sentence="; ".join([check.sentence, *broken]),
        reasons=(*broken, *_worth_saying(check, counts)),
    )


def exposed_for(
    minutes: Sequence[tuple[int, int]], *, weight: float, policy: SplitPolicy
) -> tuple[float, float]:
    """Return for how long (s) the candidate's share of requests has been above the bound, and it.

    `minutes` are requests of the candidate and of all, newest first; a minute without any ends it.
    """
    most = policy.exposure_factor * weight + policy.exposure_extra
    over = list(itertools.takewhile(lambda minute: minute[0] > most * minute[1], minutes))
    requests = sum(n for _, n in over)
    share = sum(k for k, _ in over) / requests if requests else 0.0
    return float(MINUTE_S * len(over)), share


def effective_keys(requests_per_key: Sequence[int]) -> float:
    """Return how many keys of equal volume spread the share of requests as much; 0 without any."""
    squares = sum(m * m for m in requests_per_key)
    return sum(requests_per_key) ** 2 / squares if squares else 0.0


def _broken(counts: SplitCounts, policy: SplitPolicy) -> list[str]:
    found = []
    if counts.flips and counts.flips_for_s > policy.flips_s:
        found.append(f"{words.count(counts.flips)} keys were seen on both sides")
    most = policy.exposure_factor * counts.weight + policy.exposure_extra
    share = counts.request_share
    if share is not None and share > most and counts.exposed_for_s > policy.exposure_s:
        found.append(
            f"{words.percent(share)} of the requests reach the candidate, "
            f"at most {words.percent(most)} may"
        )
    return found


def _worth_saying(check: SplitCheck, counts: SplitCounts) -> list[str]:
    """Return warnings: a heavy user may well explain them, so they are no verdict."""
    share, w, n_eff = counts.request_share, check.weight, counts.effective_keys
    if share is None or n_eff is None:
        return []
    if abs(share - w) <= VOLUME_SIGMAS * math.sqrt(w * (1 - w) / n_eff):
        return []
    return [f"{words.percent(share)} of the requests on the candidate is unusual for these keys"]
