"""The gate on a metric that somebody else measures: the last few readings, each against a limit.

PASS when the last readings are all good, FAIL when all of them are bad. Whatever cannot be read,
is old, thin, ambiguous or not finite is ERROR or INCONCLUSIVE, and its reason names it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from judge.evidence import Evidence, Part
from judge.verdict import Verdict

RULE = "metric"
RULE_VERSION = "1"
Compare = Literal["max", "min", "max_ratio", "max_difference"]

# Clocks of two hosts may differ by this much; a sample from further ahead is no sample of now.
CLOCK_SKEW_S = 60
# Nothing that a service measures of itself is larger; what is, is an overflow.
LARGEST = 1e15
# What is not known yet, or no more; every other error means that the metric cannot be read.
UNKNOWN = frozenset({"empty", "thin", "stale", "clock", "no_time", "partial"})
MAX_DETAIL = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """What a provider answered to one query: a value of a moment (seconds), or a named error."""

    value: float | None = None
    at: float | None = None
    error: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """The samples of one measurement, begun at `at` seconds; None is a query that is not asked."""

    at: float
    candidate: Sample
    legacy: Sample | None = None
    count: Sample | None = None


@dataclass(frozen=True, slots=True)
class MetricPolicy:
    """What is asked of a metric; `threshold` is a value, a ratio or a difference by `compare`."""

    compare: Compare
    threshold: float
    readings: int
    max_age_s: float
    min_count: float = 0
    may_be_negative: bool = False


@dataclass(frozen=True, slots=True)
class _Judged:
    verdict: Verdict
    reason: str
    limit: float = 0.0


def judge_metric(
    *, name: str, query: str, readings: Sequence[Reading], policy: MetricPolicy, now: float
) -> Evidence:
    """Judge the readings, newest first. `now` in seconds; `name` and `query` are only told."""
    _check(policy)
    last = [r for r in readings if -CLOCK_SKEW_S <= now - r.at <= policy.max_age_s]
    last = last[: policy.readings]
    judged = [_one(reading, policy) for reading in last]
    verdict, sentence = _together(name, judged, len(readings), policy)
    newest = last[0] if last else None
    good = sum(1 for each in judged if each.verdict is Verdict.PASS)
    return Evidence(
        rule=RULE,
        rule_version=RULE_VERSION,
        verdict=verdict,
        limit=judged[0].limit if judged else policy.threshold,
        alpha=0,
        assumption="independent",
        sentence=sentence,
        value=_finite(newest.candidate) if newest else None,
        n=len(judged),
        k=len(judged) - good,
        progress=1.0 if verdict is Verdict.PASS else min(good / policy.readings, 0.99),
        eta_s=0.0 if verdict is Verdict.PASS else None,
        window_s=now - last[-1].at if last else 0.0,
        reasons=(query,),
        parts=tuple(_part(reading, each) for reading, each in zip(last, judged, strict=True)),
    )


def _check(policy: MetricPolicy) -> None:
    numbers = (policy.threshold, policy.max_age_s, policy.min_count)
    if not all(math.isfinite(x) for x in numbers) or policy.readings < 1 or policy.max_age_s <= 0:
        raise ValueError("policy: expected finite limits and at least one reading")


def _together(
    name: str, judged: Sequence[_Judged], known: int, policy: MetricPolicy
) -> tuple[Verdict, str]:
    if not judged:
        text = "was never measured" if not known else f"was not measured for {policy.max_age_s:g} s"
        return Verdict.INCONCLUSIVE, f"{name} {text}."
    newest, asked = judged[0], policy.readings
    if newest.verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE):
        return newest.verdict, f"{name}: {newest.reason}."
    alike = sum(1 for each in judged if each.verdict is newest.verdict)
    if len(judged) >= asked and alike == asked:
        return newest.verdict, f"{name}: {newest.reason}, in the last {asked} readings."
    side = "good" if newest.verdict is Verdict.PASS else "bad"
    return (
        Verdict.INCONCLUSIVE,
        f"{name}: {newest.reason}; {alike} of the last {asked} readings are {side}.",
    )


def _one(reading: Reading, policy: MetricPolicy) -> _Judged:
    """Judge one reading. Written so that only what was shown to be good is PASS."""
    relative = policy.compare in ("max_ratio", "max_difference")
    wrong = _wrong("candidate", reading.candidate, reading, policy)
    if wrong is None and relative:
        wrong = _wrong("legacy", reading.legacy, reading, policy)
    if wrong is None and policy.min_count > 0:
        wrong = _thin(reading, policy)
    if wrong is not None:
        return wrong
    value = _known(reading.candidate)
    limit = _limit(policy, _known(reading.legacy) if relative and reading.legacy else 0.0)
    good = value >= limit if policy.compare == "min" else value <= limit
    side = "at least" if policy.compare == "min" else "at most"
    text = f"{value:.6g}, {side} {limit:.6g} is asked"
    if relative and reading.legacy:
        text += f", legacy has {_known(reading.legacy):.6g}"
    return _Judged(Verdict.PASS if good else Verdict.FAIL, text, limit)


def _limit(policy: MetricPolicy, legacy: float) -> float:
    if policy.compare == "max_ratio":
        return legacy * policy.threshold
    return legacy + policy.threshold if policy.compare == "max_difference" else policy.threshold


def _thin(reading: Reading, policy: MetricPolicy) -> _Judged | None:
    wrong = _wrong("count", reading.count, reading, policy)
    if wrong is not None:
        return wrong
    count = _known(reading.count) if reading.count else 0.0
    if count >= policy.min_count:
        return None
    text = f"only {count:g} observations, {policy.min_count:g} are asked"
    return _Judged(Verdict.INCONCLUSIVE, text)


def _wrong(
    side: str, sample: Sample | None, reading: Reading, policy: MetricPolicy
) -> _Judged | None:
    """Return why a sample says nothing; None when it does."""
    if sample is None:
        return _Judged(Verdict.INCONCLUSIVE, f"the {side} value was not measured")
    error, detail = sample.error, sample.detail
    if not error:
        error, detail = _flaw(sample, reading, policy)
    if not error:
        return None
    verdict = Verdict.INCONCLUSIVE if error in UNKNOWN else Verdict.ERROR
    said = f"the {side} value cannot be used ({error.replace('_', ' ')})"
    return _Judged(verdict, f"{said}: {detail[:MAX_DETAIL]}" if detail else said)


def _flaw(sample: Sample, reading: Reading, policy: MetricPolicy) -> tuple[str, str]:
    value = sample.value
    if value is None or isinstance(value, bool) or not math.isfinite(value):
        return "not_finite", "no finite number"
    if abs(value) > LARGEST:
        return "out_of_range", f"{value:.3g}"
    if value < 0 and not policy.may_be_negative:
        return "negative", f"{value:.6g}"
    if sample.at is None or not math.isfinite(sample.at):
        return "no_time", "no time with the value"
    age = reading.at - sample.at
    if age > policy.max_age_s:
        return "stale", f"{age:.0f} s old when it was read"
    return ("clock", f"{-age:.0f} s from the future") if age < -CLOCK_SKEW_S else ("", "")


def _known(sample: Sample | None) -> float:
    if sample is None or sample.value is None:
        raise ValueError("a sample without value is never compared")
    return float(sample.value)


def _finite(sample: Sample | None) -> float | None:
    value = sample.value if sample else None
    return float(value) if value is not None and math.isfinite(value) else None


def _part(reading: Reading, judged: _Judged) -> Part:
    return Part(
        name=f"{reading.at:.0f}",
        verdict=judged.verdict,
        sentence=judged.reason,
        value_legacy=_finite(reading.legacy),
        value_candidate=_finite(reading.candidate),
        limit=judged.limit,
    )


def read_sample(document: Any) -> Sample | None:
    """Return the sample of a stored document; TypeError when it is none."""
    return None if document is None else Sample(**document)


def read_readings(documents: Any) -> list[Reading]:
    """Return the readings of a stored list; KeyError or TypeError when it is none."""
    return [
        Reading(
            at=float(each["at"]),
            candidate=Sample(**each["candidate"]),
            legacy=read_sample(each.get("legacy")),
            count=read_sample(each.get("count")),
        )
        for each in documents
    ]
