"""What one evaluation of the discrepancy gate costs over the guide's window."""

import numpy as np

from bench.harness import Result, paired
from judge.discrepancy import DiscrepancyPolicy, judge_discrepancy
from judge.verdict import Verdict

ROUTES = 5
HOURS = 48
BLOCK_SECONDS = 10
BLOCKS = HOURS * 3600 // BLOCK_SECONDS
GOAL_MS = 100.0


def run() -> dict[str, Result]:
    """Time the verdicts of five routes and the overall one over 48 hours of blocks."""
    source = np.random.default_rng(5)
    n_b = source.poisson(40, (ROUTES, BLOCKS))
    k_b = source.binomial(n_b, 0.0002)
    if evaluate(n_b, k_b) != [Verdict.PASS] * (ROUTES + 1):
        raise ValueError("the gate does not pass what it should pass")
    series = paired({"gate": lambda: len(evaluate(n_b, k_b)) // (ROUTES + 1)})["gate"]
    return {
        "gate_evaluation_48h_5_routes": Result(
            value=round(1000 * series.median, 2),
            unit="ms CPU",
            goal=GOAL_MS,
            direction="max",
            runs=len(series.seconds),
            how=f"{ROUTES} routes and overall, {BLOCKS:,} blocks each, {int(n_b.sum()):,} pairs, "
            f"both tests, bounds and forecasts ({series.spread}); reading the blocks not included",
        )
    }


def evaluate(
    n_b: "np.ndarray[tuple[int, int], np.dtype[np.int64]]",
    k_b: "np.ndarray[tuple[int, int], np.dtype[np.int64]]",
) -> list[Verdict]:
    """Return the verdict of each route, then the overall one."""
    policy, elapsed_s = DiscrepancyPolicy(), HOURS * 3600.0
    found = [
        judge_discrepancy(
            n_b=n_b[route],
            k_b=k_b[route],
            elapsed_s=elapsed_s,
            policy=policy,
            strata_count=ROUTES + 1,
            stratum=True,
        )
        for route in range(ROUTES)
    ]
    found.append(
        judge_discrepancy(
            n_b=n_b.sum(axis=0),
            k_b=k_b.sum(axis=0),
            elapsed_s=elapsed_s,
            policy=policy,
            strata_count=ROUTES + 1,
        )
    )
    return [evidence.verdict for evidence in found]
