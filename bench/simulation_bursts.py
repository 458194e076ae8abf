"""Table 8.2: mismatches that come in bursts, over 48 hours of 10-second blocks of 20 pairs.

Bursts begin independently of one another and have geometric sizes; a block holds at most its 20
pairs, so long bursts lower the rate a little.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.simulation_cells import Cell, chance, number
from bench.simulation_exact import passing
from judge.arrays import log_e_below
from judge.blocks import _ABOVE_BETS, _BELOW_BETS
from judge.rates import log_e_above, log_needed

SEED = 82
LIMIT = 0.001
PAIRS = 20
BLOCKS = 17_280
# Five minutes: how often somebody looks.
EVERY = 30
LOOKS = np.arange(EVERY, BLOCKS + 1, EVERY) * PAIRS
PASS_RUNS, FAIL_RUNS = 400, 200
MIN_FAIL_EVENTS = 5
NEEDED = log_needed(0.01)
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """A true rate and a mean burst, and what the table says: chances, then a median n."""

    rate: float
    burst: float
    passes: dict[str, tuple[float, float]]
    fails: dict[str, tuple[float, float | None]]

    @property
    def name(self) -> str:
        """As the table calls it."""
        return f"rate {self.rate:g}, bursts of {self.burst:g}"


IND, LIVE, BLOCK = "independent", "D estimated live", "blocks"
CASES = (
    Case(
        0.001,
        1,
        {IND: (0.0025, 0), LIVE: (0.0025, 0), BLOCK: (0, 0)},
        {IND: (0.005, None), BLOCK: (0, None)},
    ),
    Case(
        0.001,
        3,
        {IND: (0.43, 0.05), LIVE: (0.23, 0), BLOCK: (0, 0)},
        {IND: (0.36, None), BLOCK: (0.015, None)},
    ),
    Case(
        0.001,
        8,
        {IND: (0.78, 0.23), LIVE: (0.51, 0.0025), BLOCK: (0.0025, 0)},
        {IND: (0.51, None), BLOCK: (0, None)},
    ),
    Case(0.0003, 1, {IND: (1, 1), LIVE: (1, 1), BLOCK: (1, 1)}, {}),
    Case(0.0003, 3, {IND: (1, 1), LIVE: (1, 1), BLOCK: (1, 0.995)}, {}),
    Case(0.002, 1, {}, {IND: (1, 13_200), BLOCK: (1, 15_600)}),
    Case(0.005, 1, {}, {IND: (1, 1_800), BLOCK: (1, 1_800)}),
    Case(0.01, 3, {}, {IND: (1, 1_200), BLOCK: (1, 1_800)}),
)
# (rule, rate, burst) -> median n when opened.
OPENS: dict[tuple[str, float, float], float] = {
    (IND, 0.0003, 1): 13_200,
    (BLOCK, 0.0003, 1): 178_000,
    (BLOCK, 0.0003, 3): 182_000,
}


@dataclass(frozen=True, slots=True)
class Found:
    """Per (rule, side): the chance of ever, the one at the end, and the median n of the first."""

    case: Case
    rate: float
    ever: dict[tuple[str, str], float]
    at_end: dict[tuple[str, str], float]
    median_n: dict[tuple[str, str], float]


def compute() -> list[Found]:
    """Simulate every row of the table."""
    source = np.random.default_rng(SEED)
    bounds = passing(0.01, LOOKS), _failing()
    return [_row(case, source, *bounds) for case in CASES]


def _row(case: Case, source: np.random.Generator, passing_k: Ints, failing_k: Ints) -> Found:
    k = _mismatches(case, source, PASS_RUNS if case.passes else FAIL_RUNS)
    seen = k.reshape(len(k), -1, EVERY).sum(axis=2, dtype=np.int64).cumsum(axis=1)
    events: dict[tuple[str, str], Flags] = {}
    if case.passes:
        events[IND, "opens"] = seen <= passing_k
        events[LIVE, "opens"] = _open_by_live_design_effect(k, seen)
        events[BLOCK, "opens"] = _evidence(k, _BELOW_BETS, -1.0) >= NEEDED
    if case.fails:
        enough = seen[:FAIL_RUNS] >= MIN_FAIL_EVENTS
        events[IND, "fails"] = enough & (seen[:FAIL_RUNS] >= failing_k)
        evidence = _evidence(k[:FAIL_RUNS], _ABOVE_BETS / LIMIT, 1.0)
        events[BLOCK, "fails"] = enough & (evidence >= NEEDED)
    return Found(
        case=case,
        rate=float(k.mean()) / PAIRS,
        ever={key: float(flags.any(axis=1).mean()) for key, flags in events.items()},
        at_end={key: float(flags[:, -1].mean()) for key, flags in events.items()},
        median_n={key: _median_n(flags) for key, flags in events.items()},
    )


def _mismatches(case: Case, source: np.random.Generator, runs: int) -> npt.NDArray[np.int8]:
    """Return the mismatches per run and block."""
    bursts = source.poisson(PAIRS * case.rate / case.burst, (runs, BLOCKS))
    at = np.repeat(np.arange(bursts.size), bursts.ravel())
    sizes = source.geometric(1 / case.burst, at.size)
    k = np.bincount(at, sizes, minlength=bursts.size)
    return np.minimum(k, PAIRS).astype(np.int8).reshape(runs, BLOCKS)


def _evidence(k: npt.NDArray[np.int8], bets: Floats, sign: float) -> Floats:
    """Return the block evidence at each look: as the judge's, for blocks of one size."""
    factors = np.log1p(np.multiply.outer(np.arange(PAIRS + 1) / PAIRS - LIMIT, sign * bets))
    logs = np.stack(
        [factor[k].reshape(len(k), -1, EVERY).sum(axis=2).cumsum(axis=1) for factor in factors.T]
    )
    highest = logs.max(axis=0)
    return np.asarray(highest + np.log(np.exp(logs - highest).mean(axis=0)))


def _open_by_live_design_effect(k: npt.NDArray[np.int8], seen: Ints) -> Flags:
    """Return where the test opens when the young window itself tells the design effect."""
    squares = (k.astype(np.int64) ** 2).reshape(len(k), -1, EVERY).sum(axis=2).cumsum(axis=1)
    blocks, p = LOOKS / PAIRS, seen / LOOKS
    spread = squares - seen**2 / blocks
    even = PAIRS * p * (1 - p) * (blocks - 1)
    deff = np.maximum(1.0, np.divide(spread, even, out=np.ones_like(spread), where=even > 0))
    return np.asarray(log_e_below(LOOKS / deff, seen / deff, LIMIT) >= NEEDED)


def _failing() -> Ints:
    k, found = 0, []
    for n in LOOKS.tolist():
        while log_e_above(n, k, LIMIT) < NEEDED:
            k += 1
        found.append(k)
    return np.array(found)


def _median_n(flags: Flags) -> float:
    first = flags.argmax(axis=1)[flags.any(axis=1)]
    return float(np.median(LOOKS[first])) if first.size else float("nan")


def cells(found: list[Found]) -> list[Cell]:
    """Return the published cells beside those found."""
    result = []
    for row in found:
        case = row.case
        for rule, (ever, at_end) in case.passes.items():
            runs = PASS_RUNS, PASS_RUNS
            key = rule, "opens"
            where = "8.2", case.name, f"{rule}: ever"
            result.append(chance(where, published=ever, found=row.ever[key], runs=runs))
            where = "8.2", case.name, f"{rule}: 48 h"
            result.append(chance(where, published=at_end, found=row.at_end[key], runs=runs))
            if (rule, case.rate, case.burst) in OPENS:
                result.append(_median(row, rule, "opens", OPENS[rule, case.rate, case.burst]))
        for rule, (ever, median_n) in case.fails.items():
            runs = FAIL_RUNS, FAIL_RUNS
            where = "8.2", case.name, f"{rule}: fails"
            seen = row.ever[rule, "fails"]
            result.append(chance(where, published=ever, found=seen, runs=runs))
            if median_n is not None:
                result.append(_median(row, rule, "fails", median_n))
    return result


def _median(row: Found, rule: str, side: str, published: float) -> Cell:
    where = "8.2", row.case.name, f"{rule}: {side}, median n"
    found = row.median_n[rule, side]
    return number(where, published=published, found=found, share=0.2, grain=EVERY * PAIRS)
