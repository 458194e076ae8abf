"""Gates of the checklist that rest on a run of a check: the newest finished one, if it still holds.

A run counts for the builds that it asked, until it expires. Everything else is INCONCLUSIVE.
"""

from collections.abc import Callable
from typing import Any

from judge.evidence import Evidence
from judge.verdict import Verdict
from rollout.gates.base import Context, Judged, simple_evidence
from shadow.models import CheckRun
from shadow.queries import LatestRun

NOT_RUN = "Not run on these builds yet."
MAX_REASONS = 5


def check(item: str) -> Callable[[Context], Judged]:
    """Return the gate of one checklist item."""

    def read(context: Context) -> Judged:
        return _judged(context, item, context.runs.get(item, LatestRun())), ()

    return read


def _judged(context: Context, item: str, runs: LatestRun) -> Evidence:
    done, builds = runs.done, context.migration.pair.builds
    if done is None or done.builds != builds:
        return _waiting(item, runs.newest, builds)
    if done.expires_at is None or done.expires_at <= context.now:
        when = f" at {done.expires_at:%Y-%m-%d %H:%M} UTC" if done.expires_at else ""
        text = f"The last run has expired{when}. Run it again. It said: {done.sentence}"
        return _evidence(item, Verdict.INCONCLUSIVE, text, done, ("expired",))
    if done.verdict not in set(Verdict):
        text = f"The run ended without a verdict that is known: {done.verdict[:20]!r}."
        return _evidence(item, Verdict.ERROR, text, done)
    return _evidence(item, Verdict(done.verdict), done.sentence, done, _findings(done))


def _waiting(item: str, newest: CheckRun | None, builds: str) -> Evidence:
    """Say how far a run of the present builds is, if there is one."""
    if newest is None or newest.state not in CheckRun.OPEN or newest.builds not in ("", builds):
        return simple_evidence(item, Verdict.INCONCLUSIVE, NOT_RUN)
    doing = newest.doing or ("waits for its turn" if not newest.started_at else "runs")
    return simple_evidence(
        item,
        Verdict.INCONCLUSIVE,
        f"{NOT_RUN} A run is under way: {doing}.",
        progress=min(max(newest.progress, 0.0), 0.99),
    )


def _evidence(
    item: str, verdict: Verdict, sentence: str, run: CheckRun, reasons: tuple[str, ...] = ()
) -> Evidence:
    """Return a run as evidence: n questions asked, k of them unequal, value breaking findings."""
    return simple_evidence(
        item,
        verdict,
        sentence,
        value=float(len(_breaking(run))),
        n=_count(run.result.get("n")),
        k=_count(run.result.get("failed")),
        reasons=reasons,
    )


def _findings(run: CheckRun) -> tuple[str, ...]:
    return tuple(str(found.get("sentence", "")) for found in _breaking(run)[:MAX_REASONS])


def _breaking(run: CheckRun) -> list[dict[str, Any]]:
    findings = run.result.get("findings")
    found = findings if isinstance(findings, list) else []
    return [f for f in found if isinstance(f, dict) and f.get("severity") == "breaking"]


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
