"""What one evaluation of a gate costs: over the guide's window, and over a step."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.harness import Result, Series, paired, ratio
from judge.arms import ArmBlocks
from judge.discrepancy import DiscrepancyPolicy, judge_discrepancy
from judge.errors_live import ErrorsLivePolicy, judge_errors_live
from judge.histogram import add_many
from judge.latency import Latencies, LatencyPolicy, judge_latency
from judge.verdict import Verdict

ROUTES = 5
HOURS = 48
BLOCK_SECONDS = 10
BLOCKS = HOURS * 3600 // BLOCK_SECONDS
GOAL_MS = 50.0
GOAL_LATENCY_MS = 30.0
MORE = 100
GOAL_OF_MORE = 1.1
STEP_BLOCKS = 3600 // BLOCK_SECONDS


def run() -> dict[str, Result]:
    """Time the verdicts of five routes and the overall one, per gate."""
    source = np.random.default_rng(5)
    n_b = source.poisson(40, (ROUTES, BLOCKS))
    k_b = source.binomial(n_b, 0.0002)
    more_n, more_k = n_b * MORE, source.binomial(n_b * MORE, 0.0002)
    if evaluate(n_b, k_b) != [Verdict.PASS] * (ROUTES + 1):
        raise ValueError("the gate does not pass what it should pass")
    series = paired(
        {
            "gate": lambda: len(evaluate(n_b, k_b)) // (ROUTES + 1),
            "more": lambda: len(evaluate(more_n, more_k)) // (ROUTES + 1),
        }
    )
    gate = series["gate"]
    return {
        "gate_evaluation_48h_5_routes": _milliseconds(
            gate,
            f"{ROUTES} routes and overall, {BLOCKS:,} blocks each, {int(n_b.sum()):,} pairs, "
            f"both tests, bounds and forecasts ({gate.spread}); reading the blocks not included",
        ),
        "gate_evaluation_100_times_the_requests": Result(
            value=round(ratio(series["more"], gate), 3),
            unit="x the CPU",
            goal=GOAL_OF_MORE,
            direction="max",
            runs=len(gate.seconds),
            how=f"{int(more_n.sum()):,} pairs with {int(more_k.sum()):,} mismatches in the same "
            f"blocks: {1000 * series['more'].median:.1f} ms ({series['more'].spread})",
        ),
        **_latency(source),
        **_live(source),
    }


def _latency(source: np.random.Generator) -> dict[str, Result]:
    sides = [
        tuple(latencies(source, scale) for scale in (100_000, scale_of_candidate))
        for scale_of_candidate in (80_000, 90_000, 95_000, 98_000, 100_000, 90_000)
    ]
    policy = LatencyPolicy()

    def side() -> int:
        for legacy, candidate in sides:
            judge_latency(
                legacy=legacy,
                candidate=candidate,
                required=policy.taus,
                elapsed_s=HOURS * 3600.0,
                policy=policy,
            )
        return len(sides)

    series = paired({"latency": side})["latency"]
    how = (
        f"one route, 5 percentiles of full histograms, bounds and forecasts, candidates from 20 % "
        f"faster to equal ({series.spread}); merging the blocks not included"
    )
    return {"latency_gate_evaluation": _milliseconds(series, how, GOAL_LATENCY_MS)}


def _live(source: np.random.Generator) -> dict[str, Result]:
    n_c = source.poisson(100, (ROUTES + 1, STEP_BLOCKS))
    n_l = source.poisson(1900, (ROUTES + 1, STEP_BLOCKS))
    k_c, k_l = source.binomial(n_c, 0.001), source.binomial(n_l, 0.001)
    policy = ErrorsLivePolicy()

    def side() -> int:
        for route in range(ROUTES + 1):
            judge_errors_live(
                arms=ArmBlocks(n_c=n_c[route], k_c=k_c[route], n_l=n_l[route], k_l=k_l[route]),
                error_keys=9,
                elapsed_s=3600.0,
                planned_blocks=STEP_BLOCKS,
                policy=policy,
            )
        return 1

    series = paired({"live": side})["live"]
    how = f"one step of an hour, {ROUTES} routes and overall, both detectors ({series.spread})"
    return {"errors_live_gate_evaluation_1h_5_routes": _milliseconds(series, how)}


def latencies(source: np.random.Generator, scale: float) -> Latencies:
    """Return 200,000 lognormal latencies of each parity."""
    even: dict[int, int] = {}
    odd: dict[int, int] = {}
    for counts in (even, odd):
        values = source.lognormal(np.log(scale), 0.5, 200_000).astype(np.int64)
        add_many(counts, values.tolist())
    return Latencies(even=even, odd=odd)


def _milliseconds(series: Series, how: str, goal: float = GOAL_MS) -> Result:
    return Result(
        value=round(1000 * series.median, 2),
        unit="ms CPU",
        goal=goal,
        direction="max",
        runs=len(series.seconds),
        how=how,
    )


def evaluate(
    n_b: "np.ndarray[tuple[int, int], np.dtype[np.int64]]",
    k_b: "np.ndarray[tuple[int, int], np.dtype[np.int64]]",
) -> list[Verdict]:
    """Return the verdict of each route, then the overall one."""
    return judge_all([*zip(n_b, k_b, strict=True), (n_b.sum(axis=0), k_b.sum(axis=0))])


def judge_all(
    series: "Sequence[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]",
) -> list[Verdict]:
    """Return the verdicts of the routes' blocks (pairs, mismatches), and of the last, overall."""
    return [
        judge_discrepancy(
            n_b=n_b,
            k_b=k_b,
            elapsed_s=HOURS * 3600.0,
            policy=DiscrepancyPolicy(),
            strata_count=len(series),
            stratum=number + 1 < len(series),
        ).verdict
        for number, (n_b, k_b) in enumerate(series)
    ]
