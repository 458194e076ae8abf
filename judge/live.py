"""What a live step says about one kind of bad request: errors, or those slower than a threshold.

Two detectors look for a candidate that is worse: the ratio test over the whole step, and the
late-regression detector. They share the alpha. "Not worse" needs evidence of its own.
"""

from dataclasses import dataclass

import numpy as np

from judge import words
from judge.arms import Arms
from judge.late import LateRegression, late_regression
from judge.numerics import log_mean_exp
from judge.rates import log_needed
from judge.ratio import Floats, log_terms, ratio_lower, ratio_upper, segments

DETECTORS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """How bad requests may become before a step FAILs, and what that takes.

    `rho` times legacy's rate is tolerated. `alpha` is what both detectors share; `events` bad
    requests of at least `keys` distinct user keys are the least that may FAIL, so that one broken
    client cannot.
    """

    rho: float
    alpha: float
    events: int
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worse:
    """The evidence that the candidate is worse, and whether it suffices.

    `keys` is how many distinct user keys had bad answers; None where nobody counted.
    """

    harm: Harm
    events: int
    keys: int | None
    log_e: float
    log_needed: float
    late: LateRegression

    @property
    def evident(self) -> bool:
        """Whether either detector is sure; an alarm in an earlier block stays one."""
        return self.log_e >= self.log_needed or self.late.alarm is not None

    @property
    def failed(self) -> bool:
        """Whether it suffices for FAIL."""
        keys = self.harm.keys if self.keys is None else self.keys
        return self.evident and self.events >= self.harm.events and keys >= self.harm.keys

    @property
    def closest(self) -> float:
        """The evidence of the detector that is closer to an alarm, on the ratio test's scale.

        The late one pays for its many starts with the logarithm of the planned blocks.
        """
        return max(self.log_e, self.late.peak - (self.late.needed - self.log_needed))

    def reasons(self, what: str) -> list[str]:
        """Return what there is to say, most important first; `what` names the bad requests."""
        found = []
        tolerated = f"{words.times(self.harm.rho)} legacy's rate of {what}"
        if self.log_e >= self.log_needed:
            found.append(f"shown to have more than {tolerated}")
        if self.late.alarm is not None:
            at = words.count(self.late.alarm + 1)
            found.append(f"turned worse: more than {tolerated} as of block {at}")
        if self.evident and not self.failed:
            found.append(
                f"no FAIL before {self.harm.events} {what} from {self.harm.keys} distinct keys"
            )
        if self.late.alpha > self.harm.alpha / DETECTORS:
            found.append(
                "longer than planned: a false alarm about a late change now has a chance of up to "
                f"{words.percent(self.late.alpha, 'up')}"
            )
        return found


def worse(arms: Arms, harm: Harm, *, keys: int | None, planned_blocks: int, deff: float) -> Worse:
    """Return the evidence that the candidate has more than rho times legacy's bad requests."""
    scaled = arms.k_c / deff, arms.k_l / deff, arms.shares()
    terms = log_terms(*segments(*scaled), harm.rho, better=False)
    return Worse(
        harm=harm,
        events=int(arms.k_c.sum()),
        keys=keys,
        log_e=log_mean_exp(terms.sum(axis=0)),
        log_needed=log_needed(harm.alpha / DETECTORS),
        late=late_regression(terms, alpha=harm.alpha / DETECTORS, planned_blocks=planned_blocks),
    )


@dataclass(frozen=True, slots=True)
class NotWorse:
    """What each of 14 bets on "below rho times legacy's rate" holds, by where it comes from.

    `candidate` is what the candidate's bad requests took from them, `legacy` what legacy's added,
    `half` what half a bad request of the candidate would take.
    """

    candidate: Floats
    legacy: Floats
    half: Floats

    def log_e(self, f: float = 1.0) -> float:
        """Return the evidence; with f, if f times as much had happened alike."""
        logs = f * (self.candidate + self.legacy)
        return log_mean_exp(logs + f * self.half if f > 1 else logs)

    def log_e_at_best(self, f: float) -> float:
        """Return the evidence if f times as much had happened, without another bad answer."""
        return log_mean_exp(self.candidate + f * self.legacy)


def not_worse(arms: Arms, rho: float, *, deff: float) -> NotWorse:
    """Return the bets that the candidate has fewer than rho times legacy's bad requests."""
    k_c, k_l, w = segments(arms.k_c / deff, arms.k_l / deff, arms.shares())
    used = (k_c + k_l) > 0
    k_c, k_l, w = k_c[used], k_l[used], w[used]
    n_c, _, n_l, _ = arms.totals()
    overall = np.array(n_c / max(n_c + n_l, 1))
    return NotWorse(
        candidate=log_terms(k_c, 0 * k_l, w, rho, better=True).sum(axis=0),
        legacy=log_terms(0 * k_c, k_l, w, rho, better=True).sum(axis=0),
        half=log_terms(np.array(0.5 / deff), np.array(0.0), overall, rho, better=True),
    )


def ratio_bounds(
    arms: Arms, *, alpha_lower: float, alpha_upper: float, deff: float
) -> tuple[float | None, float | None]:
    """Return between which ratios of bad requests the true one lies; None where unbounded."""
    scaled = arms.k_c / deff, arms.k_l / deff, arms.shares()
    return ratio_lower(*scaled, alpha_lower) or None, ratio_upper(*scaled, alpha_upper)


def ratio(arms: Arms) -> float | None:
    """Return how many times legacy's rate the candidate's is; None while legacy's is 0."""
    n_c, k_c, n_l, k_l = arms.totals()
    return (k_c / n_c) / (k_l / n_l) if n_c and k_l else None
