"""Whether the judge's tests keep their promises, and how far they are from the best possible.

Reproduces the published tables: 8.1 exactly, 8.2, 8.5 and 8.7 with the seeds that are printed.
`python -m bench.simulation` prints every cell beside the published one.
"""

import time
from dataclasses import dataclass

from bench import simulation_bursts as bursts
from bench import simulation_canary as canary
from bench import simulation_exact as exact
from bench.harness import Result
from bench.simulation_cells import Cell

SEEDS = f"seeds {bursts.SEED} (8.2), {canary.SEED} (8.5, 8.7); 8.1 exact"


@dataclass(frozen=True, slots=True)
class Found:
    """All tables, and the CPU seconds they took."""

    exact: exact.Exact
    bursts: list[bursts.Found]
    canary: canary.Canary
    cpu_s: float

    def cells(self) -> list[Cell]:
        """Return every published cell beside the one found."""
        return [
            *exact.cells(self.exact),
            *bursts.cells(self.bursts),
            *canary.cells(self.canary),
        ]


def compute() -> Found:
    """Compute and simulate all tables."""
    start = time.process_time()
    tables = exact.compute(), bursts.compute(), canary.compute()
    return Found(*tables, cpu_s=time.process_time() - start)


def run() -> dict[str, Result]:
    """Return the figures that the goals are about."""
    found = compute()
    return {**_exact(found), **_bursts(found), **_canary(found), **_whole(found)}


def _exact(found: Found) -> dict[str, Result]:
    results = {}
    for rate in exact.PUBLISHED_BEST:
        ours, best = found.exact.passes["alpha .01", rate].mean_n, found.exact.best[rate].mean_n
        results[f"samples_to_open_vs_best_at_{rate:g}"] = _result(
            round(found.exact.against_best(rate), 3),
            "x the samples of a test that is told the true rate",
            1.25,
            how=f"mean n {ours:,.0f} against {best:,.0f}, alpha .01, looked at every 100; exact",
        )
    for name, alpha in (("alpha .01", 0.01), ("alpha .05", 0.05)):
        chance = found.exact.passes[name, exact.LIMIT].chance
        results[f"false_open_at_the_limit_alpha_{alpha:g}"] = _result(
            round(chance, 5),
            "chance",
            alpha,
            how=f"{len(exact.LOOKS):,} looks up to n = {exact.HORIZON:,}; exact",
        )
    return results


def _bursts(found: Found) -> dict[str, Result]:
    bad = [row for row in found.bursts if row.case.rate >= exact.LIMIT and row.case.passes]
    worst = max(bad, key=lambda row: row.ever[bursts.BLOCK, "opens"])
    independent = max(row.ever[bursts.IND, "opens"] for row in bad)
    return {
        "false_open_in_bursts": _result(
            worst.ever[bursts.BLOCK, "opens"],
            "chance",
            0.01,
            runs=bursts.PASS_RUNS,
            how=f"block test, 48 h looked at every 5 minutes, worst of bursts of 1, 3 and 8 "
            f"(the independent test alone: {independent:.2f}); seed {bursts.SEED}",
        )
    }


def _canary(found: Found) -> dict[str, Result]:
    rules, late = found.canary.rules, found.canary.late
    worse, healthy = rules[canary.DEFAULT, 0.05], rules[canary.DEFAULT, canary.BASELINE]
    by_ratio, by_late = late["ratio, alpha .0025"], late["e-SR, alpha .0025"]
    changed_at = canary.LATE_FROM * canary.BLOCK_S
    return {
        "regression_fail_seconds_5_percent_errors": _result(
            worse.median_s,
            "s, median",
            15,
            runs=canary.RUNS,
            how=f"5 % of 200 requests/s, legacy .1 %; FAIL in {worse.chance:.2%}; "
            f"seed {canary.SEED}",
        ),
        "false_rollback_per_step": _result(
            healthy.chance,
            "chance",
            canary.ALPHA,
            runs=canary.RUNS,
            how=f"equal sides, looked at every {canary.BLOCK_S} s for an hour; seed {canary.SEED}",
        ),
        "late_regression_fail_seconds": _result(
            by_late.median_s - changed_at,
            "s after the change, median",
            130,
            runs=canary.RUNS,
            how=f".1 to 1 % after {changed_at} healthy seconds; the ratio test alone takes "
            f"{by_ratio.median_s - changed_at:.0f} s; seed {canary.SEED}",
        ),
    }


def _whole(found: Found) -> dict[str, Result]:
    cells = found.cells()
    differing = [cell for cell in cells if not cell.agrees]
    named = "; ".join(f"{cell.table} {cell.row} {cell.column}" for cell in differing)
    return {
        "published_cells_that_differ": _result(
            len(differing),
            f"of {len(cells)} cells of tables 8.1, 8.2, 8.5, 8.7",
            0,
            how=f"{SEEDS}; {found.cpu_s:.0f} CPU-s{'; ' if named else ''}{named}",
        )
    }


def _result(value: float, unit: str, goal: float, *, how: str, runs: int = 1) -> Result:
    return Result(value=value, unit=unit, goal=goal, direction="max", runs=runs, how=how)


if __name__ == "__main__":
    tables = compute()
    print(SEEDS)
    print(f"table row{'':33}column{'':24}published     found")
    print("\n".join(map(str, tables.cells())))
    print(f"{tables.cpu_s:.1f} CPU-s")
