"""The performance page: percentiles, traffic and errors of both sides over a range of time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import floor, log10

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from judge.evidence import Evidence, Part
from rollout.gates import GateResult
from rollout.pages import words
from rollout.pages.access import Reader, page
from rollout.pages.charts import Series, TimeChart, time_chart
from rollout.pages.contexts.parts import NO_CHART, Choice, Fact, Html, Table
from rollout.pages.contexts.performance import ChangeRow, Panel, Performance
from rollout.pages.live import axis_times
from rollout.pages.migration import beside, build_head, view_of
from rollout.pages.percentiles import change_chart, change_of, said_of_part
from rollout.pages.shell import build_shell, show
from rollout.pages.states import said_of
from rollout.performance import Cell, Range, read_range
from rollout.queries import MigrationView

SLOTS = 60
QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999))
RANGES = {"15m": 15 * 60, "1h": 3600, "6h": 6 * 3600}
RANGE_NAMES = {"15m": "Last 15 min", "1h": "Last hour", "6h": "Last 6 h", "step": "This step"}
LONGEST_S = 72 * 3600
TABLE_ROWS = 12
BUSIEST = 6
STATUS_NAMES = {"5xx": "5xx", "none": "No answer", "4xx": "4xx"}


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared: arms by name, both per slot, and over the whole range."""

    candidate_arm: str
    legacy_arm: str
    range: Range
    candidate: tuple[Cell, ...]
    legacy: tuple[Cell, ...]


@require_safe
@page
def performance(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET /m/<slug>/performance/?range=."""
    context = {"page": _performance(request, reader, slug)}
    return show(request, "pages/performance.html", context, shell=build_shell(reader, at=slug))


@require_safe
@page
def parts(request: HttpRequest, reader: Reader, slug: str) -> HttpResponse:
    """GET what changes alone."""
    context = {"page": _performance(request, reader, slug)}
    return show(request, "fragments/performance.html", context)


def _performance(request: HttpRequest, reader: Reader, slug: str) -> Performance:
    view = view_of(slug, reader)
    chosen = request.GET.get("range", "")
    chosen = chosen if chosen in RANGE_NAMES else "step"
    sides = _sides(view, chosen)
    whole_c = sides.range.whole(sides.candidate_arm)
    whole_l = sides.range.whole(sides.legacy_arm)
    gate = next(r for r in view.gates if r.key == "latency")
    near = beside(view)
    return Performance(
        head=build_head(view, reader, "performance"),
        ranges=tuple(Choice(k, name, k == chosen) for k, name in RANGE_NAMES.items()),
        window=_window(sides.range, reader, view),
        query=f"?range={chosen}",
        stats=_stats(gate, whole_c, whole_l),
        panels=tuple(_panel(name, q, sides, gate.evidence, reader) for name, q in QUANTILES),
        changes=tuple(
            ChangeRow(
                part.name,
                change_chart(part),
                words.signed_percent(change_of(part)),
                said_of_part(part).status in {"inc", "fail"},
            )
            for part in gate.evidence.parts
        ),
        table=_table(sides, reader, view),
        traffic=_traffic(sides, reader),
        traffic_now=(_latest(sides.candidate, "per_second"), _latest(sides.legacy, "per_second")),
        share=f"Candidate share {words.share(near.share)} measured, {view.place.weight}% set. "
        "Split by user key, so one user always meets one service.",
        routes=_routes(sides),
        errors=_errors(sides, reader),
        errors_now=(words.rate(whole_c.error_share), words.rate(whole_l.error_share)),
        statuses=_statuses(whole_c, whole_l),
        copies=_copies(view),
        empty=not whole_c.requests and not whole_l.requests,
    )


def _copies(view: MigrationView) -> str:
    if view.place.weight == 0:
        return "The candidate’s figures are of copies, no user waits for them."
    if view.place.weight == 100:  # noqa: PLR2004  # percent
        return "Legacy’s figures are of copies, no user waits for them."
    return ""


def _sides(view: MigrationView, chosen: str) -> Sides:
    weight = view.place.weight
    candidate = "candidate" if weight else "candidate_shadow"
    legacy = "legacy" if weight < 100 else "legacy_shadow"  # noqa: PLR2004  # percent
    longest = view.now - timedelta(seconds=LONGEST_S)
    begun = view.migration.in_effect_at or view.migration.shadow_since or view.now
    since = max(begun, longest)
    if chosen in RANGES:
        since = view.now - timedelta(seconds=RANGES[chosen])
    since = min(since, view.now - timedelta(seconds=60))
    found = read_range(split=view.migration.split.name, since=since, now=view.now, slots=SLOTS)
    return Sides(candidate, legacy, found, found.arm(candidate), found.arm(legacy))


def _window(found: Range, reader: Reader, view: MigrationView) -> str:
    first = datetime.fromtimestamp(found.begin, tz=UTC)
    span = (view.now - first).total_seconds()
    begin = words.moment_words(first, reader.zone, view.now)
    return f"{begin} to {words.clock(view.now, reader.zone)}, {words.duration(span)}"


def _stats(gate: GateResult, ours: Cell, theirs: Cell) -> tuple[Fact, ...]:
    state = said_of(gate.evidence)
    weak = [p.name for p in gate.evidence.parts if p.required and said_of_part(p).status != "pass"]
    note = f"{', '.join(weak)} not shown faster yet" if weak else "all that are asked for"
    if not gate.evidence.parts:
        note = "no sampled request yet"
    return (
        Fact("Verdict", state.word, note, state.status),
        *(
            Fact(
                name,
                words.millis(ours.quantile(q)),
                f"legacy {words.millis(theirs.quantile(q))}",
            )
            for name, q in (("p50", 0.5), ("p99", 0.99))
        ),
        Fact("Requests", words.count(ours.requests), f"legacy {words.count(theirs.requests)}"),
        Fact("Errors", words.rate(ours.error_share), f"legacy {words.rate(theirs.error_share)}"),
    )


def _panel(name: str, q: float, sides: Sides, evidence: Evidence, reader: Reader) -> Panel:
    part = next((p for p in evidence.parts if p.name == name), None)
    state = said_of_part(part) if part else None
    ours, theirs = sides.range.whole(sides.candidate_arm), sides.range.whole(sides.legacy_arm)
    a, b = ours.quantile(q), theirs.quantile(q)
    return Panel(
        name=name,
        status=state.status if state else "none",
        word=state.word if state else "Not judged",
        candidate=words.millis(a),
        legacy=words.millis(b),
        change=words.signed_percent(a / b - 1) if a and b else "",
        chart=_quantile_chart(name, q, sides, reader),
        highlighted=_open(part),
    )


def _open(part: Part | None) -> bool:
    return part is not None and part.required and said_of_part(part).status == "inc"


def _quantile_chart(name: str, q: float, sides: Sides, reader: Reader) -> Html:
    ours = tuple(c.quantile(q) for c in sides.candidate)
    theirs = tuple(c.quantile(q) for c in sides.legacy)
    a, b = words.millis(_last(ours)), words.millis(_last(theirs))
    label = f"{name} over time: candidate {a}, legacy {b}"
    return _chart(
        label,
        ours,
        theirs,
        sides,
        reader,
        say=words.millis,
        bands=(_bounds(sides.candidate, q), _bounds(sides.legacy, q)),
        height=108,
    )


def _bounds(cells: Sequence[Cell], q: float) -> tuple[Series, Series]:
    found = [c.interval(q) for c in cells]
    return tuple(b[0] if b else None for b in found), tuple(b[1] if b else None for b in found)


def _chart(  # noqa: PLR0913  # two lines, two bands, one axis
    label: str,
    ours: Series,
    theirs: Series,
    sides: Sides,
    reader: Reader,
    *,
    say: Callable[[float], str],
    bands: tuple[tuple[Series, Series], tuple[Series, Series]] | None = None,
    height: int = 146,
) -> Html:
    known = [v for v in (*ours, *theirs) if v is not None]
    if not known:
        return NO_CHART
    top = (max(known) or 1e-3) * 1.15
    span = sides.range.width * len(sides.range.slots)
    times = axis_times(sides.range.begin, span, reader.zone, reader.now)
    return Html(
        time_chart(
            TimeChart(
                label=label,
                top=top,
                lines=(("ln-leg", tuple(theirs)), ("ln-cand", tuple(ours))),
                band=_tuples(bands[0]) if bands else None,
                band_legacy=_tuples(bands[1]) if bands else None,
                grid=tuple((v, say(v)) for v in round_steps(top)),
                times=(times[0], times[2], times[4]),
                height=height,
            )
        )
    )


def _tuples(
    band: tuple[Series, Series],
) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    return tuple(band[0]), tuple(band[1])


def round_steps(top: float) -> tuple[float, ...]:
    """Return two or three round values below `top`: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** floor(log10(top))
    step = next(s * power for s in (0.2, 0.5, 1, 2, 5) if top / (s * power) < 3.2)  # noqa: PLR2004
    return tuple(step * i for i in range(1, 4) if step * i < top)


def _last(values: Series) -> float | None:
    return next((v for v in reversed(values) if v is not None), None)


def _latest(cells: Sequence[Cell], name: str) -> str:
    # The last slot is still filling.
    return words.per_second(_last(tuple(getattr(c, name) for c in cells[:-1])))


def _traffic(sides: Sides, reader: Reader) -> Html:
    ours = tuple(c.per_second for c in sides.candidate)
    theirs = tuple(c.per_second for c in sides.legacy)
    label = "Requests per second over time, candidate and legacy"
    return _chart(label, ours, theirs, sides, reader, say=words.per_second)


def _errors(sides: Sides, reader: Reader) -> Html:
    ours = tuple(c.error_share for c in sides.candidate)
    theirs = tuple(c.error_share for c in sides.legacy)
    label = "Share of failed requests over time, candidate and legacy"
    return _chart(label, ours, theirs, sides, reader, say=words.rate)


def _routes(sides: Sides) -> Table:
    rows: list[tuple[str, ...]] = []
    for route in sides.range.routes[:BUSIEST]:
        ours = sides.range.whole(sides.candidate_arm, route)
        theirs = sides.range.whole(sides.legacy_arm, route)
        a, b = ours.quantile(0.99), theirs.quantile(0.99)
        change = words.signed_percent(a / b - 1) if a and b else "no data"
        rows.append(
            (route, words.per_second(theirs.per_second), words.per_second(ours.per_second), change)
        )
    return Table(
        "Traffic and p99 change per route",
        ("Busiest routes", "Legacy", "Candidate", "p99 change"),
        tuple(rows),
    )


def _statuses(ours: Cell, theirs: Cell) -> Table:
    rows = tuple(
        (name, _per_million(theirs, code), _per_million(ours, code))
        for code, name in STATUS_NAMES.items()
    )
    return Table(
        "Answers per million requests by status",
        ("Per million requests", "Legacy", "Candidate"),
        rows,
    )


def _per_million(cell: Cell, code: str) -> str:
    if not cell.requests:
        return "no data"
    return words.count(round(1e6 * cell.status.get(code, 0) / cell.requests))


def _table(sides: Sides, reader: Reader, view: MigrationView) -> Table:
    rows: list[tuple[str, ...]] = []
    for index in range(len(sides.range.slots) - 1, -1, -1):
        ours, theirs = sides.candidate[index], sides.legacy[index]
        if not (ours.requests or theirs.requests) or len(rows) == TABLE_ROWS:
            continue
        at = datetime.fromtimestamp(sides.range.begin + index * sides.range.width, tz=UTC)
        cells = (
            f"{words.millis(ours.quantile(q))} / {words.millis(theirs.quantile(q))}"
            for _, q in QUANTILES
        )
        rows.append((words.moment_words(at, reader.zone, view.now), *cells))
    title = "Percentiles, candidate / legacy"
    return Table(title, ("From", *(name for name, _ in QUANTILES)), tuple(rows))
