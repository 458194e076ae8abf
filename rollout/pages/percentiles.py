"""Percentiles of both sides with their change, from the latency gate's own evidence."""

from judge.evidence import Evidence, Part
from judge.verdict import Verdict
from rollout.pages import words
from rollout.pages.charts import Interval, interval_chart
from rollout.pages.contexts.gates import PercentileRow
from rollout.pages.contexts.parts import NO_CHART, Html
from rollout.pages.states import Said

FASTER = Said("pass", "Faster")
SLOWER = Said("fail", "Slower")
OPEN = Said("inc", "Inconclusive")
NOT_ASKED = Said("none", "Not asked yet")
AXIS = (-1.0, 0.25)


def percentile_rows(evidence: Evidence) -> tuple[PercentileRow, ...]:
    """Return one row per percentile, in the gate's order."""
    return tuple(_row(part) for part in evidence.parts)


def _row(part: Part) -> PercentileRow:
    state = said_of_part(part)
    change = change_of(part)
    return PercentileRow(
        name=part.name,
        legacy=words.millis(part.value_legacy),
        candidate=words.millis(part.value_candidate),
        change=words.signed_percent(change),
        interval=_interval_words(part),
        chart=change_chart(part),
        status=state.status,
        word=state.word,
    )


def said_of_part(part: Part) -> Said:
    """Return a percentile's verdict in the page's words."""
    if part.verdict is Verdict.PASS:
        return FASTER
    if part.verdict is Verdict.FAIL:
        return SLOWER
    return OPEN if part.required else NOT_ASKED


def change_of(part: Part) -> float | None:
    """Return the relative change, -0.75 is a quarter of legacy's; None without both."""
    if not part.value_legacy or part.value_candidate is None:
        return None
    return part.value_candidate / part.value_legacy - 1


def change_chart(part: Part) -> Html:
    """Draw the change with its interval; the shaded end is slower."""
    change, low, high = change_of(part), part.lower, part.upper
    if change is None or low is None or high is None:
        return NO_CHART
    state = said_of_part(part)
    label = f"{part.name} change {words.signed_percent(change)}, {_interval_words(part)}, limit 0"
    status = "inc" if state.status == "none" else state.status
    drawn = Interval(low=low - 1, middle=change, high=high - 1, limit=(part.limit or 1.0) - 1)
    top = max(AXIS[1], min(1.0, (high - 1) * 1.1))
    return Html(interval_chart(drawn, axis=(AXIS[0], top), status=status, label=label))


def _interval_words(part: Part) -> str:
    if part.lower is None or part.upper is None:
        return ""
    return f"{words.signed_percent(part.lower - 1)} … {words.signed_percent(part.upper - 1)}"
