"""The late-regression detector (e-SR): a candidate that turns bad after hours of health.

The ratio test must first undo the good hours. This one starts a new bet at every block and adds
them up, so only the latest blocks matter; its alarm rate is bounded over a planned time.
"""

import math
from dataclasses import dataclass

import numpy as np

from judge.ratio import Floats, Series, log_terms, segments


@dataclass(frozen=True, slots=True)
class LateRegression:
    """What the detector says after the last block.

    `log_e` is its level now, `peak` the highest so far, `alarm` the block (from 0) of the first
    alarm. `needed` is the level of an alarm; `alpha` bounds the chance of a false one in all the
    blocks so far: the one asked for within the planned time, more beyond it.
    """

    log_e: float
    peak: float
    needed: float
    alarm: int | None
    alpha: float


def e_sr(
    kc: Series,
    kb: Series,
    w: Series,
    rho: float,
    alpha: float,
    T: int,  # noqa: N803 - as published
) -> tuple[float, int | None]:
    """Return (level after the last block, index of the block of the first alarm or None).

    The level is a logarithm, `-inf` before the first block. Blocks in order of time, as segments
    of `ratio_log_e`, empty ones too; T is how many blocks are planned. Within T blocks an alarm is
    false with a chance of at most alpha, against: rate_c <= rho rate_b.
    """
    terms = log_terms(*segments(kc, kb, w), rho, better=False)
    found = late_regression(terms, alpha=alpha, planned_blocks=T)
    return found.log_e, found.alarm


def late_regression(terms: Floats, *, alpha: float, planned_blocks: int) -> LateRegression:
    """Return what `log_terms` of shape (blocks, bets) say, as `e_sr` and more.

    ValueError unless planned_blocks >= 1 > alpha > 0.
    """
    if not (planned_blocks >= 1 and 0 < alpha < 1):
        raise ValueError(f"alpha {alpha!r} over {planned_blocks!r} planned blocks")
    needed = math.log(planned_blocks / alpha)
    logs = levels(terms)
    over = np.flatnonzero(logs >= needed)
    return LateRegression(
        log_e=float(logs[-1]) if logs.size else -math.inf,
        peak=float(logs.max(initial=-math.inf)),
        needed=needed,
        alarm=int(over[0]) if over.size else None,
        alpha=alpha * max(1.0, logs.size / planned_blocks),
    )


def levels(terms: Floats) -> Floats:
    """Return the level after each block, from `log_terms` of shape (..., blocks, bets).

    S <- (S + 1) LR per bet unrolls to a sum over all starts, in logarithms throughout.
    """
    now = np.cumsum(terms, axis=-2)
    starts = np.logaddexp.accumulate(terms - now, axis=-2)
    logs = now + starts
    highest = logs.max(axis=-1, keepdims=True)
    mean = np.exp(logs - highest).mean(axis=-1)
    return np.asarray(highest[..., 0] + np.log(mean))
