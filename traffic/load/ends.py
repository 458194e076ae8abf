"""Every way in which a load test ends, in words. Pure."""

from typing import Any

from judge.verdict import Verdict
from traffic.load.judging import Baseline, Judged
from traffic.load.outcome import Outcome
from traffic.load.plan import LoadPlan
from traffic.load.progress import Progress, StageResult


def _inconclusive(sentence: str, rule: str = "") -> Outcome:
    return Outcome(Verdict.INCONCLUSIVE, sentence, rule)


def unreported(seconds: float, needed: float) -> Outcome:
    """Too few blocks came in."""
    text = f"Only {seconds:g} s of {needed:g} s were reported by the proxies."
    return _inconclusive(text, "unreported")


def too_quiet(requests: int) -> Outcome:
    """Too little production to compare with."""
    text = (
        f"Legacy answered only {requests:,} requests before the test; that is too little to "
        "compare with. Use the generator, or wait for more traffic."
    )
    return _inconclusive(text, "too_quiet")


def too_many_copies(plan: LoadPlan, stage: int, missing: float, eligible: float) -> Outcome:
    """Production is so quiet that each request would have to be copied too often."""
    times = f"{missing / eligible:.0f}" if eligible else "endlessly many"
    text = (
        f"For {plan.rules.factors[stage]:g} × the peak each request would have to be copied "
        f"{times} times: {eligible:.1f} requests/s may be copied now. "
        f"At most {plan.rules.max_copies:g} copies are made. Use the generator."
    )
    return _inconclusive(text, "too_many_copies")


def not_in_effect(*, generated: bool) -> Outcome:
    """Whoever should load does not."""
    who = "The generator did not start" if generated else "Not every proxy took up the copies"
    return _inconclusive(f"{who} in time.", "not_in_effect")


def generator_late(late_us: int, budget_ms: int) -> Outcome:
    """The generator could not keep its schedule, so its numbers are its own."""
    text = f"The generator was late: p99 {late_us / 1000:.1f} ms, at most {budget_ms} ms may be."
    return _inconclusive(text, "generator_late")


def rate_missed(held: StageResult, tolerance: float) -> Outcome:
    """The candidate did not get what it should bear."""
    text = (
        f"The candidate got {held.measured_rps:.1f} requests/s, "
        f"{held.measured_rps / held.target_rps - 1:+.1%} off the {held.target_rps:.1f} asked for; "
        f"at most {tolerance:.0%} may be."
    )
    return _inconclusive(text, "rate_missed")


def timed_out() -> Outcome:
    """The run's own deadline passed."""
    return _inconclusive("The test did not end in its time and was given up.", "deadline")


def by_person(name: str, reason: str) -> Outcome:
    """Somebody stopped it."""
    return _inconclusive(
        f"Stopped by {name}: {reason}" if reason else f"Stopped by {name}.", "person"
    )


def overtaken(what: str) -> Outcome:
    """What is tested is no longer what it was."""
    return _inconclusive(f"Stopped: {what}.", "overtaken")


_USERS = {
    "users_errors": "users met more errors than before the test",
    "users_p99": "users' p99 became longer than before the test",
}


def stopped(progress: Progress, judged: Judged) -> Outcome:
    """A stop rule ended the copies. The candidate FAILs when it was shown to do worse by then."""
    last, rule = progress.stages[-1], progress.stopping
    at = f"{last.factor:g} × the peak"
    if rule in _USERS:
        return _inconclusive(f"Stopped at {at}: {_USERS[rule]}.", rule)
    if judged.failing is not None:
        text = f"Collapsed at {at} ({_got(last)}): {_cause(last, progress.baseline)}."
        return Outcome(Verdict.FAIL, text, rule, _details(judged))
    text = (
        f"Saturated at {at}: {last.shed:,} copies were shed, so the rate was not reached. "
        "What was answered does not show that the candidate is worse."
    )
    return Outcome(Verdict.INCONCLUSIVE, text, rule, _details(judged))


def held(plan: LoadPlan, progress: Progress, judged: Judged) -> Outcome:
    """The whole test was run at its rate."""
    last = progress.stages[-1]
    if judged.verdict is Verdict.PASS:
        text = (
            f"{last.factor:g} × the peak of {plan.peak_rps:.1f} requests/s for {last.seconds} s: "
            f"{_cause(last, progress.baseline)}; no worse than legacy."
        )
        return Outcome(Verdict.PASS, text, "", _details(judged))
    weaker = max((judged.errors, judged.latency), key=lambda e: e.verdict is judged.verdict)
    text = f"{_cause(last, progress.baseline)}. {weaker.sentence}"
    return Outcome(judged.verdict, text, "", _details(judged))


def leaking(outcome: Outcome, how: str) -> Outcome:
    """Everything held but the candidate's memory."""
    details = {**outcome.details, "memory": how}
    return Outcome(Verdict.FAIL, f"The candidate's {how}.", "memory", details)


def _got(last: StageResult) -> str:
    return f"{last.measured_rps:.1f} requests/s"


def _cause(last: StageResult, baseline: Baseline | None) -> str:
    share = last.errors / last.requests if last.requests else 0.0
    parts = [f"{last.errors:,} of {last.requests:,} copies failed ({share:.2%})"]
    if last.p99_us is not None and baseline is not None:
        parts.append(f"p99 {_ms(last.p99_us)} against legacy's {_ms(baseline.legacy_p99_us)}")
    if last.shed:
        parts.append(f"{last.shed:,} copies were shed")
    return ", ".join(parts)


def _ms(us: int) -> str:
    return f"{us / 1000:.1f} ms"


def _details(judged: Judged) -> dict[str, Any]:
    return {"errors": judged.errors.to_dict(), "latency": judged.latency.to_dict()}
