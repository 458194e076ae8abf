"""Fair measuring: work per CPU-second of this process, in paired and interleaved runs.

CPU time hardly feels what else the machine does, and A B A B ... gives both sides the same
weather. Medians are reported, with the spread beside them.
"""

import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent
RUNS = 7
# One run of one side lasts at least this long, so that the clock's grain doesn't matter.
MIN_CPU_SECONDS = 0.1
Direction = Literal["min", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure: with direction "min" the value must be at least the goal, with "max" at most."""

    value: float
    unit: str
    goal: float
    direction: Direction
    runs: int
    how: str

    @property
    def reached(self) -> bool:
        """Whether the goal is reached."""
        return self.value >= self.goal if self.direction == "min" else self.value <= self.goal


@dataclass(frozen=True, slots=True)
class Series:
    """CPU-seconds per piece of work, one number per run."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def per_cpu_second(self) -> float:
        return 1 / self.median

    @property
    def spread(self) -> str:
        """Lowest and highest run against the median: "-3 % to +8 %"."""
        low, high = min(self.seconds) / self.median - 1, max(self.seconds) / self.median - 1
        return f"{100 * low:+.0f} % to {100 * high:+.0f} %"


def paired(sides: Mapping[str, Callable[[], int]], *, runs: int = RUNS) -> dict[str, Series]:
    """Run the sides in turn, `runs` times each; each call does a batch and returns its size."""
    calls = {name: _calls_for(side) for name, side in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, side in sides.items():
            seconds[name].append(_seconds_per_piece(side, calls[name]))
    return {name: Series(tuple(found)) for name, found in seconds.items()}


def ratio(numerator: Series, denominator: Series) -> float:
    """Return the median of the ratios of paired runs."""
    pairs = zip(numerator.seconds, denominator.seconds, strict=True)
    return statistics.median(above / below for above, below in pairs)


def _calls_for(side: Callable[[], int]) -> int:
    """Return how many calls fill one run; warms the side up as well."""
    side()
    calls = 1
    while True:
        start = time.process_time()
        for _ in range(calls):
            side()
        took = time.process_time() - start
        if took >= MIN_CPU_SECONDS:
            return calls
        calls *= 2


def _seconds_per_piece(side: Callable[[], int], calls: int) -> float:
    pieces = 0
    start = time.process_time()
    for _ in range(calls):
        pieces += side()
    return (time.process_time() - start) / pieces


def machine() -> str:
    """Return processor, cores, load and interpreter in one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cores = len(named) or 1
    loadavg = Path("/proc/loadavg")
    load = loadavg.read_text().split()[0] if loadavg.exists() else "?"
    name = named[0] if named else model
    return f"{name}, {cores} cores, load {load}, Python {platform.python_version()}"


def commit() -> str:
    """Return the commit that is measured, with "-dirty" for changes on top; "" outside git."""
    described = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip()
