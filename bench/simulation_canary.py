"""Tables 8.5 and 8.7: errors of a live step at 5 % of 200 requests per second.

One hour of 5-second blocks, someone looks at each. A rule's time is when it first says FAIL.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.simulation_cells import Cell, chance, number
from judge.difference import diff_log_e
from judge.late import levels
from judge.ratio import log_terms

SEED = 85
RPS, SHARE, BLOCK_S, BLOCKS = 200.0, 0.05, 5, 720
BASELINE = 0.001
RUNS, PUBLISHED_RUNS = 2000, 2000
# So many runs at once stay small in memory.
BATCH = 200
MIN_EVENTS = 5
ALPHA, HALF = 0.005, 0.0025
LATE_FROM, LATE_RATE = 1800 // BLOCK_S, 0.01
LOOK_EVERY_S = 60
OPEN_RUNS, OPEN_BLOCKS = 60, 7200 // BLOCK_S
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests and errors per run and block."""

    n_c: Ints
    k_c: Ints
    n_l: Ints
    k_l: Ints

    @property
    def share(self) -> Floats:
        """The candidate's observed share."""
        return np.asarray(self.n_c / np.maximum(self.n_c + self.n_l, 1))

    def worse(self, rho: float) -> Floats:
        """Return what each block adds to each bet of the ratio test."""
        k_c, k_l = self.k_c.astype(float), self.k_l.astype(float)
        return log_terms(k_c, k_l, self.share, rho, better=False)


def traffic(
    source: np.random.Generator,
    candidate: Floats | float,
    legacy: float,
    *,
    runs: int,
    blocks: int = BLOCKS,
    share: float = SHARE,
) -> Traffic:
    """Return random traffic; `candidate` may hold a chance per block."""
    n_c = source.poisson(RPS * BLOCK_S * share, (runs, blocks))
    n_l = source.poisson(RPS * BLOCK_S * (1 - share), (runs, blocks))
    return Traffic(n_c, source.binomial(n_c, candidate), n_l, source.binomial(n_l, legacy))


def evidence(terms: Floats) -> Floats:
    """Return the ratio test's evidence after each block."""
    logs = terms.cumsum(axis=1)
    highest = logs.max(axis=2, keepdims=True)
    return np.asarray(highest[..., 0] + np.log(np.exp(logs - highest).mean(axis=2)))


def fixed_every_minute(seen: Traffic) -> Flags:
    """Success under 99 % in a minute, five times."""
    return _failures(seen, blocks=60 // BLOCK_S) >= 5


def fixed_every_five_minutes(seen: Traffic) -> Flags:
    """Success under 99 % in five minutes, more than three times."""
    return _failures(seen, blocks=300 // BLOCK_S) > 3


def _failures(seen: Traffic, blocks: int) -> Ints:
    def per_look(counts: Ints) -> Ints:
        return np.asarray(counts.reshape(len(counts), -1, blocks).sum(axis=2))

    failed = per_look(seen.k_c) > 0.01 * per_look(seen.n_c)
    looked = np.zeros_like(seen.k_c)
    looked[:, blocks - 1 :: blocks] = failed
    return np.asarray(looked.cumsum(axis=1))


def z_test(seen: Traffic) -> Flags:
    """The usual test of two rates at 99.5 %, one-sided, looked at after each block."""
    n_c, k_c, n_l, k_l = (
        counts.cumsum(axis=1) for counts in (seen.n_c, seen.k_c, seen.n_l, seen.k_l)
    )
    p = (k_c + k_l) / (n_c + n_l)
    error = np.sqrt(p * (1 - p) * (1 / np.maximum(n_c, 1) + 1 / np.maximum(n_l, 1)))
    apart = k_c / np.maximum(n_c, 1) - k_l / np.maximum(n_l, 1)
    return np.asarray((error > 0) & (apart > 2.576 * error))


def ratio(rho: float, alpha: float, *, events: int = 0) -> Callable[[Traffic], Flags]:
    """Return the ratio test as a rule."""

    def rule(seen: Traffic) -> Flags:
        enough = seen.k_c.cumsum(axis=1) >= events
        return np.asarray(enough & (evidence(seen.worse(rho)) >= -math.log(alpha)))

    return rule


def late(alpha: float) -> Callable[[Traffic], Flags]:
    """Return the late-regression detector as a rule."""

    def rule(seen: Traffic) -> Flags:
        return np.asarray(levels(seen.worse(1.5)) >= math.log(BLOCKS / alpha))

    return rule


def default(seen: Traffic) -> Flags:
    """The judge's rule: either detector, each with half of the alpha, and five errors."""
    terms = seen.worse(1.5)
    found = (evidence(terms) >= -math.log(HALF)) | (levels(terms) >= math.log(BLOCKS / HALF))
    return np.asarray(found & (seen.k_c.cumsum(axis=1) >= MIN_EVENTS))


Rule = Callable[[Traffic], Flags]
DEFAULT = "default of the judge"
RATES = (0.001, 0.003, 0.01, 0.05)
# Per rate: the chance of FAIL within the hour, the median seconds until then.
RULES: dict[str, tuple[Rule, tuple[tuple[float, float | None], ...]]] = {
    "fixed 99 %, 1 min, 5 failures": (
        fixed_every_minute,
        ((0, None), (0, None), (1, 720), (1, 300)),
    ),
    "fixed 99 %, 5 min, limit 3": (
        fixed_every_five_minutes,
        ((0, None), (0, None), (0.88, 2400), (1, 1200)),
    ),
    "z-test 99.5 %, peeked": (z_test, ((0.177, None), (1, 100), (1, 15), (1, 5))),
    "ratio rho 1, alpha .005": (ratio(1.0, ALPHA), ((0.002, None), (1, 555), (1, 50), (1, 10))),
    "ratio rho 1.5, alpha .005, 5 events": (
        ratio(1.5, ALPHA, events=MIN_EVENTS),
        ((0.0005, None), (0.98, 1250), (1, 70), (1, 10)),
    ),
    DEFAULT: (default, ((0, None), (0.98, 1360), (1, 80), (1, 10))),
}
LATE_RULES: dict[str, tuple[Rule, float]] = {
    "ratio, alpha .005": (ratio(1.5, ALPHA), 2225),
    "ratio, alpha .0025": (ratio(1.5, HALF), 2240),
    "e-SR, alpha .005": (late(ALPHA), 1918),
    "e-SR, alpha .0025": (late(HALF), 1925),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """How often a rule said FAIL, and the median seconds until it first did (NaN if never)."""

    chance: float
    median_s: float


@dataclass(frozen=True, slots=True)
class Canary:
    """Tables 8.5 and 8.7, and the minutes until equal sides open (None: not in two hours)."""

    rules: dict[tuple[str, float], Seen]
    late: dict[str, Seen]
    opens: dict[tuple[float, float], float]
    opens_at_boundary: dict[float, int]


def compute() -> Canary:
    """Simulate both tables."""
    source = np.random.default_rng(SEED)
    rules: dict[tuple[str, float], Seen] = {}
    for rate in RATES:
        batches = list(_batches(source, rate))
        for name, (rule, _) in RULES.items():
            rules[name, rate] = _seen([rule(batch) for batch in batches])
    changing = np.where(np.arange(BLOCKS) < LATE_FROM, BASELINE, LATE_RATE)
    batches = list(_batches(source, changing))
    return Canary(
        rules=rules,
        late={
            name: _seen([rule(batch) for batch in batches])
            for name, (rule, _) in LATE_RULES.items()
        },
        opens={
            (share, rate): _median_minutes(_opening(source, rate, rate, share, rho))
            for share, rho in OPEN_RHO.items()
            for rate in (0.001, 0.0001)
        },
        opens_at_boundary={
            share: sum(
                minutes < math.inf
                for minutes in _opening(
                    source, max(rho * BASELINE, BASELINE + DELTA), BASELINE, share, rho
                )
            )
            for share, rho in OPEN_RHO.items()
        },
    )


def _batches(source: np.random.Generator, candidate: Floats | float) -> Iterator[Traffic]:
    for _ in range(RUNS // BATCH):
        yield traffic(source, candidate, BASELINE, runs=BATCH)


def _seen(batches: list[Flags]) -> Seen:
    flags = np.concatenate(batches)
    first = flags.argmax(axis=1)[flags.any(axis=1)]
    median = float(np.median((first + 1) * BLOCK_S)) if first.size else math.nan
    return Seen(first.size / len(flags), median)


DELTA = 0.001
OPEN_RHO = {0.05: 3.0, 0.25: 2.0, 0.5: 1.5}
OPEN_MINUTES = {
    (0.05, 0.001): 14, (0.25, 0.001): 12, (0.5, 0.001): 13,
    (0.05, 0.0001): 37, (0.25, 0.0001): 8, (0.5, 0.0001): 4,
}  # fmt: skip


def _opening(
    source: np.random.Generator, candidate: float, legacy: float, share: float, rho: float
) -> list[float]:
    """Return per run the minutes until the evidence for PASS is there, inf if never."""
    seen = traffic(source, candidate, legacy, runs=OPEN_RUNS, blocks=OPEN_BLOCKS, share=share)
    k_c, k_l = seen.k_c.astype(float), seen.k_l.astype(float)
    looks = slice(LOOK_EVERY_S // BLOCK_S - 1, None, LOOK_EVERY_S // BLOCK_S)
    better = evidence(log_terms(k_c, k_l, seen.share, rho, better=True))[:, looks]
    totals = np.stack(
        [c.cumsum(axis=1)[:, looks] for c in (seen.n_c, seen.k_c, seen.n_l, seen.k_l)], axis=2
    )
    return [_first_minute(*run) for run in zip(better.tolist(), totals.tolist(), strict=True)]


def _first_minute(better: list[float], totals: list[list[float]]) -> float:
    for minute, (ratio_log_e, counts) in enumerate(zip(better, totals, strict=True), start=1):
        n_c, k_c, n_l, k_l = counts
        both = np.logaddexp(ratio_log_e, diff_log_e(n_c, k_c, n_l, k_l, DELTA)) - math.log(2)
        if both >= math.log(100):
            return minute
    return math.inf


def _median_minutes(minutes: list[float]) -> float:
    return float(np.median(minutes))


def cells(found: Canary) -> list[Cell]:
    """Return the published cells beside those found."""
    result = []
    runs = PUBLISHED_RUNS, RUNS
    for name, (_, row) in RULES.items():
        for rate, (published, seconds) in zip(RATES, row, strict=True):
            seen = found.rules[name, rate]
            where = "8.5", name, f"FAIL at {100 * rate:g} %"
            result.append(chance(where, published=published, found=seen.chance, runs=runs))
            if seconds is not None:
                # A limit that equals the true rate hangs on whether requests come evenly: here not.
                slack = 0.2 if name.startswith("fixed") else 0.1
                where = "8.5", name, f"s at {100 * rate:g} %"
                result.append(_time(where, seconds, seen.median_s, slack))
    for key, minutes in OPEN_MINUTES.items():
        where = "8.5", "PASS of equal sides", f"min, {key[1]:.2%} at {key[0]:.0%}"
        seen_minutes = found.opens[key]
        result.append(number(where, published=minutes, found=seen_minutes, share=0.25, grain=1.5))
    for share, opened in found.opens_at_boundary.items():
        where = "8.5", "PASS at the boundary", f"of {OPEN_RUNS} at {share:.0%}"
        result.append(number(where, published=0, found=opened, share=0, grain=2))
    for name, (_, seconds) in LATE_RULES.items():
        # Of a late change only the time since it happened is ours to shorten.
        slack = 0.1 * (seconds - LATE_FROM * BLOCK_S) / seconds
        where = "8.7", name, "s, worse from 1800 s"
        result.append(_time(where, seconds, found.late[name].median_s, slack))
    return result


def _time(where: tuple[str, str, str], published: float, found: float, share: float) -> Cell:
    return number(where, published=published, found=found, share=share, grain=BLOCK_S)
