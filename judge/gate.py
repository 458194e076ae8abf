"""What all gates have in common: minimums, what is lacking, the forecast, the order of verdicts."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from judge import words
from judge.evidence import Assumption, Evidence
from judge.rates import log_needed
from judge.verdict import Verdict

_MOST = 2.0**50


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that PASS still asks for: its name, how much of it, and the words."""

    what: str
    amount: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimums:
    """What PASS asks for beside evidence: a window of time and `least` of what `unit` names."""

    elapsed_s: float
    window_s: float
    n: int
    least: int
    unit: str

    def lacks(self) -> list[Lack]:
        """Return what is still missing of them."""
        found = []
        if self.n < self.least:
            missing = self.least - self.n
            found.append(Lack("minimum", missing, f"{words.count(missing)} more {self.unit}"))
        if self.elapsed_s < self.window_s:
            seconds = self.window_s - self.elapsed_s
            found.append(Lack("seconds", seconds, f"{words.duration(seconds)} more of the window"))
        return found

    def window_text(self) -> list[str]:
        """Return how much of the window has passed, in words; nothing where none is asked."""
        if not self.window_s:
            return []
        return [f"window {words.window(self.elapsed_s, self.window_s)}"]

    def seconds(self) -> float:
        """Return how long they take at the present rate, for a window and n above 0."""
        counts = (self.least - self.n) * self.elapsed_s / self.n
        return max(0.0, self.window_s - self.elapsed_s, counts)

    def forecast(self, *factors: float | None) -> float | None:
        """Return the seconds until all is there, for how many times the present data it takes.

        None is never, or unknown: there is nothing yet to go by.
        """
        if self.n == 0 or self.elapsed_s == 0:
            return None
        known = [factor for factor in factors if factor is not None]
        if len(known) < len(factors):
            return None
        return max(self.seconds(), (max(known, default=1.0) - 1) * self.elapsed_s)


def verdict_of(lacks: Sequence[Lack], *, failed: bool) -> Verdict:
    """Return the verdict: FAIL comes before PASS, and anything that lacks is INCONCLUSIVE."""
    if failed:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if lacks else Verdict.PASS


def lacking(lacks: Sequence[Lack]) -> dict[str, Any]:
    """Return the fields of Evidence that say what a PASS still asks for."""
    return {
        "needed": tuple(sorted((lack.what, lack.amount) for lack in lacks)),
        "needed_text": "; ".join(lack.text for lack in lacks),
    }


def progress(log_e: float, needed: float) -> float:
    """Return how much of the evidence for PASS is there, from 0 to 1."""
    return min(max(log_e / needed, 0.0), 1.0)


def evidence_text(log_e: float, needed: float) -> str:
    """Return the progress in words, never rounded up."""
    return f"evidence {math.floor(100 * progress(log_e, needed))} %"


def fewest(holds: Callable[[float], bool]) -> int | None:
    """Return the smallest whole number that `holds`, where all larger ones do; None if none."""
    low, high = -1.0, 0.0
    while not holds(high):
        low, high = high, 2 * high + 1
        if high > _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return int(high)


def wrong_deff(deff: float) -> str:
    """Return why a design effect cannot be one, "" if it can."""
    return "" if 1 <= deff < math.inf else f"a design effect of {deff}"  # NaN is neither


def wrong_number(name: str, value: float, *, least: int) -> str:
    """Return why a whole number cannot be right, "" if it can."""
    good = isinstance(value, int) and not isinstance(value, bool) and value >= least
    return "" if good else f"{value!r} {name}"


def wrong_keys(keys: int | None) -> str:
    """Return why a number of distinct user keys cannot be right, "" if it can, or is unknown."""
    return "" if keys is None else wrong_number("distinct keys", keys, least=0)


def check_policy(
    policy: Any, *, positive: Sequence[str] = (), at_least_one: Sequence[str] = ()
) -> None:
    """Raise ValueError, naming the field, unless levels, durations and counts make sense."""
    for name in ("alpha_pass", "alpha_fail"):
        try:
            log_needed(getattr(policy, name))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    if not 0 <= policy.min_window_s < math.inf:
        raise ValueError(f"min_window_s must be a duration: {policy.min_window_s!r}")
    for name in positive:
        if not 0 < getattr(policy, name) < math.inf:
            raise ValueError(f"{name} must be a positive number: {getattr(policy, name)!r}")
    for name in at_least_one:
        if not getattr(policy, name) >= 1:
            raise ValueError(f"{name} must be at least 1: {getattr(policy, name)!r}")


def error(  # noqa: PLR0913 - what is known of a gate whose counts are not to be believed
    problem: str,
    *,
    rule: str,
    version: str,
    limit: float,
    alpha: float,
    window_s: float,
    assumption: Assumption = "independent",
) -> Evidence:
    """Return the ERROR of counts that cannot be believed."""
    return Evidence(
        rule=rule,
        rule_version=version,
        verdict=Verdict.ERROR,
        limit=limit,
        log_needed=log_needed(alpha),
        window_needed_s=window_s,
        assumption=assumption,
        alpha=alpha,
        sentence=f"the counts cannot be believed: {problem}",
        reasons=(problem,),
    )
