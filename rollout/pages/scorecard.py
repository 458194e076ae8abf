"""The scorecard: the guide's table, measured on both sides by the same method."""

import csv
import io
from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from rollout.pages import words
from rollout.pages.access import Reader, page
from rollout.pages.charts import pair_bars
from rollout.pages.contexts.parts import NO_CHART, Fact, Html, Table
from rollout.pages.contexts.scorecard import Scorecard, ScoreRow
from rollout.pages.migration import build_head, view_of
from rollout.pages.shell import build_shell, show
from rollout.queries import scorecard_rows
from shadow.scorecard import Measured, Row


@require_safe
@page
def scorecard(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET /m/<slug>/scorecard/, or with ?format=csv a file."""
    view = view_of(slug, reader)
    found = scorecard_rows(view.migration)
    if request.GET.get("format") == "csv":
        return _csv(slug, found)
    here = reverse("pages:scorecard", args=[slug])
    built = Scorecard(
        head=build_head(view, reader, "scorecard"),
        stats=tuple(
            Fact(row.metric.title, _factor(row), _from_to(row)) for row in found if row.factor
        ),
        rows=tuple(_row(row, reader) for row in found),
        missing=_missing(found),
        method=_method(found, reader),
        csv_url=f"{here}?format=csv",
        report_url=reverse("pages:report", args=[slug]),
    )
    shell = build_shell(reader, at=slug)
    return show(request, "pages/scorecard.html", {"page": built}, shell=shell)


def scorecard_table(found: Sequence[Row]) -> Table | None:
    """Return the table for the report; None while nothing is measured."""
    measured = [row for row in found if row.legacy or row.candidate]
    if not measured:
        return None
    rows = tuple(
        (row.metric.title, _said(row, row.legacy), _said(row, row.candidate), _factor(row))
        for row in measured
    )
    return Table("Scorecard", ("Measure", "Legacy", "Candidate", "Better"), rows)


def _row(row: Row, reader: Reader) -> ScoreRow:
    a, b = row.legacy, row.candidate
    how = (a or b).how if a or b else "not measured yet"  # type: ignore[union-attr]  # one is there
    label = f"{row.metric.title}: legacy {_said(row, a)}, candidate {_said(row, b)}"
    drawn = Html(pair_bars(a.value, b.value, label=label)) if a and b else NO_CHART
    return ScoreRow(
        name=row.metric.title,
        how=how,
        legacy=_said(row, a),
        legacy_note=_when(a, reader),
        candidate=_said(row, b),
        candidate_note=_when(b, reader),
        chart=drawn,
        factor=_factor(row),
    )


def _said(row: Row, measured: Measured | None) -> str:
    if measured is None:
        return "no data"
    value, unit = measured.value, row.metric.unit
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004  # three figures
    return text if unit == "1/s" else f"{text} {unit}"


def _factor(row: Row) -> str:
    return words.times(row.factor) if row.factor else ""


def _from_to(row: Row) -> str:
    return f"{_said(row, row.legacy)} → {_said(row, row.candidate)}"


def _when(measured: Measured | None, reader: Reader) -> str:
    if measured is None:
        return ""
    return words.moment_words(measured.at, reader.zone, reader.now)


def _missing(found: Sequence[Row]) -> str:
    lacking = [row.metric.title for row in found if row.factor is None]
    if not lacking:
        return "Bars share one zero-based scale per row."
    return (
        f"Not on it yet: {', '.join(lacking)}. "
        "A factor appears when both sides were measured by the same method."
    )


def _method(found: Sequence[Row], reader: Reader) -> tuple[Fact, ...]:
    """Name who measured what, when and on which build; the newest of each side."""
    facts = []
    for side in ("legacy", "candidate"):
        measured = [m for row in found if (m := getattr(row, side))]
        if measured:
            newest = max(measured, key=lambda m: m.at)
            at = words.moment_words(newest.at, reader.zone, reader.now)
            facts.append(
                Fact(side.capitalize(), f"{newest.build or 'build unknown'}, {at}, {newest.by}")
            )
    return tuple(facts)


def _csv(slug: str, found: Sequence[Row]) -> HttpResponse:
    text = io.StringIO()
    sheet = csv.writer(text)
    sheet.writerow(["metric", "unit", "legacy", "candidate", "factor", "how"])
    for row in found:
        a, b = row.legacy, row.candidate
        how = (a or b).how if a or b else ""  # type: ignore[union-attr]  # one is there
        numbers = [m.value if m else "" for m in (a, b)]
        sheet.writerow([row.metric.key, row.metric.unit, *numbers, row.factor or "", how])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}-scorecard.csv"'
    return response
