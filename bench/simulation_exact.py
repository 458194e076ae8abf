"""Table 8.1: the independent test on independent requests, computed exactly.

The number of mismatches is a Markov chain from one look to the next, so the chance of opening, and
when, follows from its distribution: no random numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from bench.simulation_cells import Cell, number
from judge.rates import log_e_above, log_e_below, log_needed

LIMIT = 0.001
EVERY = 100
HORIZON = 200_000
MIN_FAIL_EVENTS = 5
LOOKS = np.arange(EVERY, HORIZON + 1, EVERY)
# No run that is still going holds more mismatches than this, but for less than 1e-12 of them.
MOST = 1200
RATES = (0.0, 0.0002, 0.0005, 0.0009, 0.001, 0.0012, 0.002)
Bounds = npt.NDArray[np.int64]

# (chance, mean n when opened) per true rate; None where the table says nothing.
PUBLISHED: dict[str, tuple[tuple[float, float | None], ...]] = {
    "point estimate, n >= 1000": (
        (1, 1000), (1, 1046), (1, 1292), (0.998, None), (0.976, None), (0.841, None), (0.420, None),
    ),
    "Clopper-Pearson 99 %, peeked": (
        (1, 4700), (1, 7340), (1, 18454), (0.375, None), (0.092, None), (0.011, None),
        (0.0001, None),
    ),
    "alpha .05": (
        (1, 3800), (1, 7086), (0.9996, 23687), (0.145, 62285), (0.044, None), (0.014, None),
        (0.0005, None),
    ),
    "alpha .01": (
        (1, 5600), (1, 10700), (1, 35693), (0.047, 80379), (0.0086, None), (0.0016, None),
        (0, None),
    ),
}  # fmt: skip
PUBLISHED_BEST = {0.0: 4700.0, 0.0002: 9687.0, 0.0005: 30143.0}
PUBLISHED_FAIL = {0.001: (0.006, None), 0.0012: (0.3, None), 0.002: (1, 14499), 0.01: (1, 603)}
PUBLISHED_FAIL_BEST = {0.002: 11906.0, 0.01: 327.0}


@dataclass(frozen=True, slots=True)
class Stopped:
    """The chance of ever stopping within the horizon, and the mean n of those that do."""

    chance: float
    mean_n: float


@dataclass(frozen=True, slots=True)
class Exact:
    """The whole table: passes by (rule, rate), the best possible by rate, fails by rate."""

    passes: dict[tuple[str, float], Stopped]
    best: dict[float, Stopped]
    fails: dict[float, Stopped]
    fails_best: dict[float, float]

    def against_best(self, rate: float) -> float:
        """Return our samples to open at alpha .01 as a multiple of the best possible ones."""
        return self.passes["alpha .01", rate].mean_n / self.best[rate].mean_n


def compute() -> Exact:
    """Compute the table."""
    rules = {
        "point estimate, n >= 1000": np.where(
            LOOKS >= 1000, np.ceil(LOOKS * LIMIT - 1e-9).astype(int) - 1, -1
        ),
        "Clopper-Pearson 99 %, peeked": at_most(
            lambda n, k: bool(special.bdtr(k, n, LIMIT) <= 0.01)
        ),
        "alpha .05": passing(0.05),
        "alpha .01": passing(0.01),
    }
    failing = at_most(lambda n, k: log_e_above(n, k, LIMIT) < log_needed(0.01)) + 1
    return Exact(
        passes={
            (name, rate): stopped(rate, below=bounds)
            for name, bounds in rules.items()
            for rate in RATES
        },
        best={rate: stopped(rate, below=told_below(rate)) for rate in PUBLISHED_BEST},
        fails={
            rate: stopped(rate, above=np.maximum(failing, MIN_FAIL_EVENTS))
            for rate in PUBLISHED_FAIL
        },
        fails_best={rate: fewest_to_fail(rate) for rate in PUBLISHED_FAIL_BEST},
    )


def at_most(holds: Callable[[int, int], bool]) -> Bounds:
    """Return per look the largest k that still holds, -1 if none; it never falls from n to n."""
    k, found = -1, []
    for n in LOOKS.tolist():
        while k < n and holds(n, k + 1):
            k += 1
        found.append(k)
    return np.array(found)


def passing(alpha: float, looks: Bounds = LOOKS) -> Bounds:
    """Return per look the most mismatches with which the test opens, -1 if it cannot."""
    needed, k, found = log_needed(alpha), -1, []
    for n in looks.tolist():
        while log_e_below(n, k + 1, LIMIT) >= needed:
            k += 1
        found.append(k)
    return np.array(found)


def told_below(rate: float) -> Bounds:
    """Return per look the most mismatches of a likelihood ratio test that is told the rate."""
    clean = math.log1p(-rate) - math.log1p(-LIMIT)
    if rate == 0:
        return np.where(LOOKS * clean >= log_needed(0.01), 0, -1)
    dirty = math.log(rate / LIMIT) - clean
    most = np.floor((log_needed(0.01) - LOOKS * clean) / dirty)
    return np.asarray(np.maximum(most, -1), dtype=np.int64)


def fewest_to_fail(rate: float) -> float:
    """Return the mean n below which no test can FAIL a rate at alpha .01 (Wald)."""
    gain = rate * math.log(rate / LIMIT)
    gain += (1 - rate) * (math.log1p(-rate) - math.log1p(-LIMIT))
    return log_needed(0.01) / gain


def stopped(rate: float, *, below: Bounds | None = None, above: Bounds | None = None) -> Stopped:
    """Return when runs of a true rate stop: at k <= below, or at k >= above."""
    steps = np.arange(EVERY + 1)
    added = np.exp(
        special.gammaln(EVERY + 1)
        - special.gammaln(steps + 1)
        - special.gammaln(EVERY - steps + 1)
        + special.xlogy(steps, rate)
        + special.xlog1py(EVERY - steps, -rate)
    )
    added = added[: int(np.flatnonzero(added > 1e-18)[-1]) + 1]
    going, chance, total = np.ones(1), 0.0, 0.0
    for look, n in enumerate(LOOKS.tolist()):
        going = np.convolve(going, added)[:MOST]
        ends = slice(0, int(below[look]) + 1) if below is not None else None
        if above is not None:
            ends = slice(int(above[look]), None)
        mass = float(going[ends].sum())
        going[ends] = 0.0
        chance, total = chance + mass, total + mass * n
        if going.sum() < 1e-12:
            break
    return Stopped(chance, total / chance if chance > 0 else math.nan)


def cells(found: Exact) -> list[Cell]:
    """Return the published cells beside those found; exact ones agree to what is printed."""
    result = []
    for rule, row in PUBLISHED.items():
        for rate, (chance, mean_n) in zip(RATES, row, strict=True):
            seen = found.passes[rule, rate]
            result.append(_cell(rule, f"opens at {rate:g}", chance, seen.chance))
            if mean_n is not None:
                result.append(_cell(rule, f"mean n at {rate:g}", mean_n, seen.mean_n))
    for rate, mean_n in PUBLISHED_BEST.items():
        seen = found.best[rate]
        result.append(_cell("told the true rate", f"n at {rate:g}", mean_n, seen.mean_n))
    for rate, (chance, mean_n) in PUBLISHED_FAIL.items():
        result.append(_cell("FAIL .01", f"fails at {rate:g}", chance, found.fails[rate].chance))
        if mean_n is not None:
            row_name = f"mean n at {rate:g}"
            result.append(_cell("FAIL .01", row_name, mean_n, found.fails[rate].mean_n))
    for rate, mean_n in PUBLISHED_FAIL_BEST.items():
        least = found.fails_best[rate]
        result.append(_cell("FAIL, told the true rate", f"n at {rate:g}", mean_n, least))
    return result


def _cell(row: str, column: str, published: float, found: float) -> Cell:
    grain = 0.0006 if published <= 1 else 1.0
    return number(("8.1", row, column), published=published, found=found, share=0.01, grain=grain)
