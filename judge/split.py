"""Whether the distinct user keys fall on both sides as asked (sample ratio mismatch).

Keys are counted, not requests: the key is what was randomised, and one heavy user drags thousands
of requests to one side of a split that is perfectly right.
"""

import math
from dataclasses import dataclass

from judge import words
from judge.numerics import log_marg
from judge.rates import log_needed
from judge.verdict import Verdict

ALPHA = 0.001
MIN_KEYS = 50
TOLERANCE_SIGMAS = 4.0
# Weight of the prior around the asked share, in keys.
_CONCENTRATION = 100.0


def srm_log_e(n: float, k: float, w: float) -> float:
    """Return the evidence that k of n distinct keys did not fall on the candidate with chance w.

    Two-sided, for 0 < w < 1; valid at any moment.
    """
    a, b = _CONCENTRATION * w, _CONCENTRATION * (1 - w)
    return log_marg(a + k, b + n - k, w) - log_marg(a, b, w)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitCheck:
    """How a split looks from its keys: PASS agrees, INCONCLUSIVE not yet, ERROR is broken.

    `share` (None without keys), `weight` and `tolerance` are shares of one; `n` distinct keys were
    seen, `k` of them on the candidate. `log_e` is None where one key decides (weight 0 or 1).
    """

    verdict: Verdict
    n: int
    k: int
    weight: float
    share: float | None
    tolerance: float
    log_e: float | None
    log_needed: float
    sentence: str

    @property
    def agrees(self) -> bool:
        """True once the keys say that the split is in effect as asked."""
        return self.verdict is Verdict.PASS


def split_check(
    *,
    candidate_keys: int,
    legacy_keys: int,
    weight: float,
    alpha: float = ALPHA,
    min_keys: int = MIN_KEYS,
) -> SplitCheck:
    """Compare the distinct keys seen since a step began with the weight asked (share of one).

    It agrees when at least `min_keys` were seen, on every side that has weight, the share is
    within 4 standard errors of the weight and the evidence against the split is below ln(1/alpha).
    ValueError for a weight outside [0, 1].
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"a weight is a share of one: {weight!r}")
    n, k = candidate_keys + legacy_keys, candidate_keys
    believable = candidate_keys >= 0 and legacy_keys >= 0
    tolerance = TOLERANCE_SIGMAS * math.sqrt(weight * (1 - weight) / n) if n > 0 else 0.0
    log_e = srm_log_e(n, k, weight) if believable and 0 < weight < 1 else None
    needed = log_needed(alpha)
    if not believable:
        verdict, conclusion = Verdict.ERROR, "the counts cannot be believed"
    elif (weight == 0 and candidate_keys) or (weight == 1 and legacy_keys):
        verdict, conclusion = Verdict.ERROR, "keys on a side that has no weight"
    elif log_e is not None and log_e >= needed:
        verdict, conclusion = Verdict.ERROR, "the split is not the one that was asked for"
    else:
        verdict, conclusion = _agreement(n, k, weight, tolerance, min_keys)
    return SplitCheck(
        verdict=verdict,
        n=n,
        k=k,
        weight=weight,
        share=k / n if n > 0 else None,
        tolerance=tolerance,
        log_e=log_e,
        log_needed=needed,
        sentence=_sentence(n, k, weight, conclusion),
    )


def _agreement(
    n: int, k: int, weight: float, tolerance: float, min_keys: int
) -> tuple[Verdict, str]:
    if n < min_keys:
        return Verdict.INCONCLUSIVE, f"at least {words.count(min_keys)} keys are needed"
    if (k == 0 and weight > 0) or (k == n and weight < 1):
        return Verdict.INCONCLUSIVE, "a side that has weight has no keys yet"
    if abs(k / n - weight) > tolerance:
        return Verdict.INCONCLUSIVE, "outside the tolerance"
    return Verdict.PASS, "as asked"


def _sentence(n: int, k: int, weight: float, conclusion: str) -> str:
    share = f"{words.percent(k / n)} of {words.count(n)} keys" if n > 0 else "no keys yet"
    return f"{share} on the candidate; asked {words.percent(weight)}; {conclusion}"
