"""The log format check: whether what reads legacy's lines can read the candidate's."""

from collections.abc import Iterator, Mapping
from typing import Any

from judge.verdict import Verdict
from shadow.checks.base import Check, Finding, Progress, Result, Severity, Subject, verdict_of
from shadow.checks.logs import diff
from shadow.checks.logs.facts import Facts, event_field, facts_of
from shadow.checks.logs.gathering import Gathered, gather
from shadow.checks.logs.readers import Reader, reader_for
from shadow.checks.logs.settings import LogSettings, read_settings

EVERY_SECONDS = 900
LIFETIME_SECONDS = 3600


def run(subject: Subject, progress: Progress) -> Result:
    """Gather lines of both sides and compare fields, types, formats, levels and events."""
    settings = read_settings(subject.settings)
    gathered = gather(subject, settings, progress)
    progress(0.95, "Compares the lines.")
    return judge(gathered, settings)


def judge(gathered: Gathered, settings: LogSettings) -> Result:
    """Return the result for lines that were gathered. Pure."""
    limits, lines = settings.limits, gathered.lines
    few = [side for side, found in lines.items() if len(found) < limits.min_lines]
    if gathered.problems or few:
        return _too_few(gathered, few, limits)
    reader = reader_for(lines["legacy"])
    event = event_field([reader.read(line) for line in lines["legacy"]])
    legacy = facts_of(lines["legacy"], reader, event=event, ignore=settings.ignore)
    candidate = facts_of(lines["candidate"], reader, event=event, ignore=settings.ignore)
    findings = list(diff.differences(legacy, candidate, limits))
    unread = diff.unread(legacy, candidate.read, event)
    own = diff.unread(legacy, legacy.read, event)
    findings += _unreadable(gathered, reader, (unread, own), candidate, findings, limits)
    events = diff.judged_events(legacy, candidate, limits)
    verdict = verdict_of(findings, n=candidate.total if events else 0)
    share = unread / candidate.total
    return Result(
        verdict=verdict,
        sentence=_sentence(verdict, share, candidate, events, findings),
        findings=tuple(findings),
        n=candidate.total,
        failed=unread,
        advice=tuple(_advice(events, own / legacy.total, limits)),
        details={
            "parser": reader.kind,
            "event_field": event,
            "events": events,
            "lines": {side: len(found) for side, found in lines.items()},
            "sources": gathered.sources,
            "unread_share": share,
            "unread_share_legacy": own / legacy.total,
            "unread_limit": limits.unknown,
            "levels": {"legacy": dict(legacy.levels), "candidate": dict(candidate.levels)},
            "fields": _fields(legacy),
        },
    )


def _unreadable(  # what was read, how much of it could not be, what is told already
    gathered: Gathered,
    reader: Reader,
    unread: tuple[int, int],
    candidate: Facts,
    told: list[Finding],
    limits: diff.Limits,
) -> Iterator[Finding]:
    """Tell lines that cannot be read when no named difference explains them already."""
    count, own = unread
    bound = max(limits.unknown, own / len(gathered.lines["legacy"]))
    explained = any(f.severity is Severity.BREAKING for f in told)
    if count / candidate.total <= bound or (explained and not candidate.unreadable):
        return
    lines = gathered.lines["candidate"]
    example = next((x for x in lines if reader.read(x) is None), lines[0])
    yield Finding(
        code="unreadable",
        where="every line",
        sentence=f"A parser made for legacy's lines ({reader.kind}) cannot read {count} of the "
        f"candidate's {candidate.total}; at most {bound:.2%} may be so.",
        legacy=gathered.lines["legacy"][0],
        candidate=example,
        count=count,
    )


def _too_few(gathered: Gathered, few: list[str], limits: diff.Limits) -> Result:
    counts = {side: len(found) for side, found in gathered.lines.items()}
    sides = " and ".join(f"{counts[side]} of {side}" for side in few) or "none that may be read"
    advice = [*gathered.problems]
    if few and not gathered.problems:
        advice.append("Let both services answer more requests, or wait longer (wait_s).")
    return Result(
        verdict=Verdict.INCONCLUSIVE,
        sentence=f"Too few log lines, {sides}: {limits.min_lines} of each side are needed.",
        advice=tuple(advice),
        details={"lines": counts, "sources": gathered.sources},
    )


def _sentence(
    verdict: Verdict, share: float, candidate: Facts, events: list[str], findings: list[Finding]
) -> str:
    if verdict is Verdict.FAIL:
        breaking = [f for f in findings if f.severity is Severity.BREAKING]
        more = f" And {len(breaking) - 1} more." if len(breaking) > 1 else ""
        return f"{breaking[0].sentence}{more} {share:.1%} of its lines cannot be read."
    if verdict is Verdict.INCONCLUSIVE:
        return "Too few lines of the same events on both sides."
    named = ", ".join(f"`{event}`" for event in events if event)
    about = f" of {named}" if named else ""
    return (
        f"A parser made for legacy's lines reads all but {share:.2%} of the candidate's "
        f"{candidate.total} lines{about}: same fields, types, formats and levels."
    )


def _advice(events: list[str], own: float, limits: diff.Limits) -> Iterator[str]:
    if not events:
        yield (
            f"No event stands in {limits.min_lines} lines of both sides: let both do the same work."
        )
    if own > limits.unknown:
        yield f"Legacy's own lines are not uniform: its parser cannot read {own:.2%} of them."


def _fields(legacy: Facts) -> Mapping[str, Any]:
    """Return what a parser made for legacy expects, by event."""
    return {
        name: {
            field: {"types": sorted(found.kinds), "formats": sorted(filter(None, found.formats))}
            for field, found in event.fields.items()
        }
        for name, event in legacy.events.items()
    }


LOG_FORMAT = Check(
    item="log_format",
    title="Log format",
    run=run,
    read_settings=read_settings,
    every_s=EVERY_SECONDS,
    lifetime_s=LIFETIME_SECONDS,
)
