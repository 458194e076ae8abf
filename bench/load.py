"""What a shadow and a load test cost users: Envoy's CPU, users' p99, and whether the rate is met.

Paired: each round sends at the same rate plain, with a shadow of 10 %, and with everything copied
to twice production. BANYAN_BENCH_SECONDS is the length of one of these (5), for a quick look.
"""

import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness import RUNS, Result
from bench.load_rig import SPLIT, Rig, Sent, rig

RATE = 300.0
SECONDS = float(os.environ.get("BANYAN_BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("BANYAN_BENCH_ROUNDS", str(RUNS)))
TARGET = 2.0
# With the shadow's tenth, copies make it twice what users send.
AMPLIFY_TTH = 19_000
LATE_BUDGET_US = 5_000
MOST = 3


@dataclass(frozen=True, slots=True)
class Round:
    """One round: what users got in each way, Envoy's CPU per request, the candidate's share."""

    plain: Sent
    shadow: Sent
    loaded: Sent
    cpu_plain: float
    cpu_shadow: float
    factor: float

    @property
    def on_time(self) -> bool:
        """Whether the generator kept its schedule: else its latencies are its own."""
        ways = (self.plain, self.shadow, self.loaded)
        return max(sent.late_p99_us for sent in ways) <= LATE_BUDGET_US


def run() -> dict[str, Result]:
    """Measure; p99s come from rounds with the generator on time, which are repeated if need be."""
    with (
        tempfile.TemporaryDirectory(prefix="banyan-bench-") as directory,
        rig(Path(directory)) as found,
    ):
        _round(found, seconds=1.0)
        rounds: list[Round] = []
        for _ in range(MOST * ROUNDS):
            rounds.append(_round(found, seconds=SECONDS))
            if sum(r.on_time for r in rounds) == ROUNDS:
                break
    timed = [r for r in rounds if r.on_time]
    if not timed:
        raise ValueError(f"the generator was late in all {len(rounds)} rounds: too busy a machine")
    weather = f"{len(timed)} of {len(rounds)} rounds with the generator on time"
    shed = sum(s.shed for r in rounds for s in (r.shadow, r.loaded))
    failed = sum(s.errors for r in rounds for s in (r.shadow, r.loaded))
    return {
        "shadow_10_envoy_cpu_per_request": _ratio(
            [r.cpu_shadow / r.cpu_plain for r in rounds], 2.2, "x plain Envoy", weather
        ),
        "shadow_10_users_p99": _ratio(
            [r.shadow.p99_us / r.plain.p99_us for r in timed], 1.1, "x plain Envoy", weather
        ),
        "load_2x_users_p99": _ratio(
            [r.loaded.p99_us / r.shadow.p99_us for r in timed], 1.1, "x without copies", weather
        ),
        "load_2x_rate_off": _ratio(
            [abs(r.factor / TARGET - 1) for r in rounds], 0.03, "of twice production", weather
        ),
        "load_2x_failed": Result(
            value=float(failed),
            unit="requests of users",
            goal=0,
            direction="max",
            runs=len(rounds),
            how=f"of {sum(r.shadow.requests + r.loaded.requests for r in rounds):,}; "
            f"{shed:,} more were not sent, too many were under way; {weather}",
        ),
    }


def _round(found: Rig, *, seconds: float) -> Round:
    plain, cpu_plain = _cpu(found, "plain", seconds)
    found.switch()
    shadow, cpu_shadow = _cpu(found, "banyan", seconds)
    found.switch(amplify_tth=AMPLIFY_TTH)
    before = _counts(found)
    loaded, _ = _cpu(found, "banyan", seconds)
    after = _counts(found)
    return Round(
        plain=plain,
        shadow=shadow,
        loaded=loaded,
        cpu_plain=cpu_plain,
        cpu_shadow=cpu_shadow,
        factor=(after[0] - before[0]) / (after[1] - before[1]),
    )


def _cpu(found: Rig, envoy: str, seconds: float) -> tuple[Sent, float]:
    """Send, and return what was told with the Envoy's CPU seconds per request."""
    before = found.cpu_s(envoy)
    sent = found.load(envoy, rate=RATE, seconds=seconds)
    # The generator runs a little longer than what it tells; the rate is the same.
    return sent, (found.cpu_s(envoy) - before) / (RATE * (seconds + 1.5))


def _counts(found: Rig) -> tuple[int, int]:
    """Return what the candidate got, and what users sent, since Envoy began."""
    copies = found.stats(f"^cluster.{SPLIT}/candidate-(load|shadow).upstream_rq_total$")
    return copies, found.stats(f"^cluster.{SPLIT}/legacy.upstream_rq_total$")


def _ratio(values: Sequence[float], goal: float, unit: str, weather: str) -> Result:
    return Result(
        value=round(statistics.median(values), 4),
        unit=unit,
        goal=goal,
        direction="max",
        runs=len(values),
        how=f"{RATE:g}/s for {SECONDS:g} s, {min(values):.3f} to {max(values):.3f}; {weather}",
    )
