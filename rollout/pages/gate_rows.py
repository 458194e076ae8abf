"""The gates card: what was measured, against which limit, and what is still missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.urls import reverse

from judge.evidence import Evidence
from judge.metric import RULE as METRIC_RULE
from judge.verdict import Verdict
from rollout.gates import CHECKLIST_GROUP, STEP_GROUP, GateResult
from rollout.lifecycle import Action
from rollout.pages import words
from rollout.pages.access import Reader
from rollout.pages.charts import Interval, interval_chart
from rollout.pages.contexts.gates import GateGroup, GateLink, GateRow, Gates, RouteEvidence
from rollout.pages.contexts.parts import NO_CHART, Html, MiniGate
from rollout.pages.percentiles import change_chart, percentile_rows
from rollout.pages.states import NO_DATA, SILENT, Said, forecast_s, said_of, target_words
from rollout.policy import CHECKLIST
from rollout.queries import MigrationView

URGENCY = ("fail", "err", "stale", "inc", "col", "pass", "none")
LEADS = {
    "fail": "Why it failed.",
    "err": "Why it cannot be judged.",
    "inc": "Why inconclusive.",
    "col": "What it waits for.",
    "stale": "Why no data.",
}
HEADROOM = 1.3
METERED = frozenset({"discrepancy", "bake"})


def gates_card(view: MigrationView, reader: Reader) -> Gates:
    """Build the card for the next place: Checklist and This step, what is not passing first."""
    required = [r for r in view.gates if r.required]
    passing = sum(1 for r in required if not r.blocks)
    following = view.following
    return Gates(
        title=f"Gates for {target_words(following)}" if following else "Gates",
        summary=f"{passing} of {len(required)} pass",
        measured=f"Measured {words.clock(view.now, reader.zone, seconds=True)}"
        if view.migration.shadow_since
        else "",
        groups=tuple(
            _group(key, title, [r for r in view.gates if r.group == key], view, reader)
            for key, title in ((CHECKLIST_GROUP, "Checklist, 7"), (STEP_GROUP, "This step"))
        ),
    )


def _group(
    key: str, title: str, results: Sequence[GateResult], view: MigrationView, reader: Reader
) -> GateGroup:
    found = (replace(gate_row(r), **_around(r, view, reader)) for r in results)
    rows = sorted(found, key=lambda row: URGENCY.index(row.status))
    unasked = sum(1 for r in results if not r.required)
    note = f"{unasked} not asked for by this policy" if unasked else ""
    return GateGroup(key=key, title=title, note=note, rows=tuple(rows))


def _around(result: GateResult, view: MigrationView, reader: Reader) -> dict[str, Any]:
    """Return a row's address, and what the reader may do about a gate that is closed."""
    slug, key = view.migration.slug, result.key
    links = []
    if result.blocks and reader.can(Action.RESET) and any(r.gate == key for r in view.latched):
        links.append(GateLink("Review failure…", reverse("pages:reset", args=[slug, key])))
    if result.blocks and reader.can(Action.WAIVE) and key in CHECKLIST:
        links.append(GateLink("Waive…", reverse("pages:waive", args=[slug, key])))
    return {"links": tuple(links), "url": reverse("pages:gate", args=[slug, key])}


def one_gate(result: GateResult, view: MigrationView, reader: Reader) -> GateRow:
    """Build a gate's row opened, for its own page."""
    row = replace(gate_row(result, opened=True), **_around(result, view, reader))
    return replace(row, url="")


def gate_row(result: GateResult, *, opened: bool = False) -> GateRow:
    """Build one row; a gate that is needed and does not pass opens itself."""
    evidence = result.evidence
    state = said_of(evidence)
    value, limit = measured_of(result, state)
    opened = opened or result.blocks
    return GateRow(
        key=result.key,
        name=result.title,
        detail=detail_of(result),
        value=value,
        limit=limit,
        status=state.status,
        word=state.word,
        chart=chart_of(result, state),
        open=opened,
        lead=LEADS.get(state.status, "") if opened else "",
        sentence=plain(result.key, evidence) if opened else "",
        progress=_progress(evidence) if opened and _grows(result.key, state) else None,
        progress_title=f"{_progress(evidence):.0f}% of the evidence needed",
        progress_text=_needed(evidence),
        routes=_routes(result) if opened and result.key == "discrepancy" else (),
        percentiles=percentile_rows(evidence) if opened and result.key == "latency" else (),
    )


def plain(key: str, evidence: Evidence) -> str:
    """Say what a gate found in one sentence for people; the judge's own stands in the log."""
    if key != "discrepancy" or not evidence.n or evidence.value is None or evidence.upper is None:
        return words.tidy(evidence.sentence)
    value, upper = words.rate(evidence.value), words.rate(evidence.upper)
    limit = words.rate(evidence.limit)
    if evidence.verdict is Verdict.FAIL:
        low = words.rate(evidence.lower)
        return f"{value} of the answers differ, at least {low}, over the {limit} limit."
    if evidence.verdict is Verdict.ERROR or evidence.sentence.startswith(SILENT):
        return words.tidy(evidence.sentence)
    return f"{value} of the answers differ so far, at most {upper}. The limit is {limit}."


def mini_gate(result: GateResult) -> MiniGate:
    """Build a gate's line in a dialog."""
    state = said_of(result.evidence)
    value, limit = measured_of(result, state)
    return MiniGate(
        name=result.title, value=", ".join(filter(None, (value, limit))), status=state.status
    )


def _grows(key: str, state: Said) -> bool:
    """Whether a meter says something: evidence that adds up, not a thing that happens at once."""
    return key in METERED and state.status in {"col", "inc"}


def _progress(evidence: Evidence) -> float:
    # Never shown as complete while something is missing.
    return min(99.0, max(0.0, 100 * evidence.progress))


def _needed(evidence: Evidence) -> str:
    parts = [words.tidy(evidence.needed_text).rstrip(".")] if evidence.needed_text else []
    left = forecast_s(evidence)
    if left:
        parts.append(f"about {words.duration(left)} left")
    elif left is None and evidence.rule == "discrepancy" and evidence.n:
        parts.append("not at the current rate")
    return ", ".join(parts)


def detail_of(result: GateResult) -> str:
    """Say what was measured."""
    evidence = result.evidence
    if result.key == "discrepancy" and evidence.n:
        return f"{words.count(evidence.n)} pairs compared, {words.count(evidence.k)} differ"
    return result.measured


def measured_of(result: GateResult, state: Said) -> tuple[str, str]:
    """Return value and limit in the gate's own words."""
    read = _metric if result.evidence.rule == METRIC_RULE else _READERS.get(result.key)
    if read is None or state.status == "none":
        return "", ""
    return read(result.evidence)


def _rate(evidence: Evidence) -> tuple[str, str]:
    limit = f"limit {words.rate(evidence.limit)}"
    if not evidence.n or evidence.upper is None:
        return "no data", limit
    return f"≤ {words.rate(evidence.upper)}", limit


def _share(evidence: Evidence) -> tuple[str, str]:
    keys = f"of {words.count(evidence.n)} keys" if evidence.n else ""
    return (words.rate(evidence.value) if evidence.value is not None else "no data"), keys


def _counted(evidence: Evidence) -> tuple[str, str]:
    if evidence.value is None:
        return "no data", ""
    return f"{evidence.value:.0f} of {evidence.n}", "all must accept"


def _time(evidence: Evidence) -> tuple[str, str]:
    if evidence.value is None:
        return "not begun", ""
    asked = f"of {words.duration(evidence.limit)}" if evidence.limit else "no bake time asked"
    return words.duration(evidence.value), asked


def _parts(evidence: Evidence) -> tuple[str, str]:
    """Count the percentiles, or thresholds, that pass."""
    asked = [part for part in evidence.parts if part.required]
    if not asked:
        return "no data", ""
    good = sum(1 for part in asked if part.verdict is Verdict.PASS)
    return f"{good} of {len(asked)} faster", "every change < 0"


def _no_worse(evidence: Evidence) -> tuple[str, str]:
    if not evidence.n or evidence.value is None:
        return "no data", ""
    return words.times(evidence.value), f"legacy’s rate, {words.count(evidence.n)} requests"


def _slower(evidence: Evidence) -> tuple[str, str]:
    asked = [part for part in evidence.parts if part.required]
    if not asked:
        return "no data", ""
    good = sum(1 for part in asked if part.verdict is Verdict.PASS)
    return f"{good} of {len(asked)} held", "slow requests"


def _metric(evidence: Evidence) -> tuple[str, str]:
    """Return the newest value, and the limit that held for it."""
    if evidence.value is None or not evidence.parts:
        return "no data", ""
    legacy = evidence.parts[0].value_legacy
    beside = f", legacy {legacy:.4g}" if legacy is not None else ""
    return f"{evidence.value:.4g}", f"limit {evidence.limit:.4g}{beside}"


def _questions(evidence: Evidence) -> tuple[str, str]:
    if not evidence.n:
        return "no data", ""
    return f"{words.count(evidence.n - evidence.k)} of {words.count(evidence.n)}", "all must match"


_READERS: Mapping[str, Callable[[Evidence], tuple[str, str]]] = {
    "discrepancy": _rate,
    "split": _share,
    "proxies": _counted,
    "bake": _time,
    "latency": _parts,
    "errors": _no_worse,
    "latency_regression": _slower,
    "schema": _questions,
    "error_codes": _questions,
    "health": _questions,
    "log_format": _questions,
}


def chart_of(result: GateResult, state: Said) -> Html:
    """Draw the gate's interval against its limit; nothing for counted gates."""
    if result.key == "discrepancy":
        return rate_interval(result.evidence, state)
    if result.key == "latency" and result.evidence.parts:
        asked = [p for p in result.evidence.parts if p.required] or list(result.evidence.parts)
        return change_chart(min(asked, key=lambda p: p.log_e or 0.0))
    return NO_CHART


def rate_interval(evidence: Evidence, state: Said) -> Html:
    """Draw a rate with its bounds against its limit; nothing without data."""
    value, upper = evidence.value, evidence.upper
    if not evidence.n or value is None or upper is None:
        return NO_CHART
    top = max(evidence.limit * HEADROOM, min(value * HEADROOM, 1.0))
    low = evidence.lower if evidence.lower is not None else 0.0
    label = f"{words.rate(value)}, at most {words.rate(upper)}, limit {words.rate(evidence.limit)}"
    status = {"err": "fail", "stale": "inc"}.get(state.status, state.status)
    drawn = interval_chart(
        Interval(low=low, middle=value, high=upper, limit=evidence.limit),
        axis=(0.0, top),
        status=status,
        label=label,
    )
    return Html(drawn)


def _routes(result: GateResult) -> tuple[RouteEvidence, ...]:
    rows = []
    for name, evidence in result.routes:
        state = said_of(evidence) if evidence.n else NO_DATA
        rows.append(
            RouteEvidence(
                route=name,
                compared=words.count(evidence.n),
                mismatched=words.count(evidence.k),
                bound=f"≤ {words.rate(evidence.upper)}"
                if evidence.n and evidence.upper is not None
                else "no data",
                chart=rate_interval(evidence, state),
                status=state.status,
                word=state.word,
                note=_needed(evidence) if state.status in {"col", "inc", "stale"} else "",
            )
        )
    return tuple(rows)
