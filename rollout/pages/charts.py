"""Charts as SVG text, drawn on the server: pure functions over values.

No inline style (the content security policy forbids it): geometry is attributes, colour is classes
of banyan.css. Text is never scaled: the outer svg is sized in CSS pixels with positions in percent,
the geometry of a time chart sits in a nested svg that stretches. `None` in a series is a gap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Literal

Series = Sequence[float | None]
Mark = Literal["pass", "fail", "inc", "col", "stale", "over", "none"]

PLOT_WIDTH, PLOT_HEIGHT = 1000, 200
SPARK_WIDTH, SPARK_HEIGHT = 200, 32


def _n(value: float) -> str:
    """Print a coordinate with at most two decimals: enough for pixels, half the bytes."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _p(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def split_bar(
    candidate: float | None, *, set_to: float | None = None, large: bool = False, label: str = ""
) -> str:
    """Draw the traffic bar: the *measured* candidate share in percent, a tick at the set share.

    Not measured (None) is a dashed outline, never the set value. A share above zero has 6 px.
    """
    size = "split lg" if large else "split"
    text = label or _split_label(candidate, set_to)
    parts = [f'<svg class="{size}" role="img" aria-label="{escape(text)}">']
    if candidate is None:
        parts.append('<rect class="f-none" width="100%" height="100%" rx="4"/>')
    elif candidate >= 100:  # noqa: PLR2004  # percent
        parts.append('<rect class="f-cand" width="100%" height="100%"/>')
    else:
        parts.append('<rect class="f-leg" width="100%" height="100%"/>')
        if candidate > 0:
            parts += [
                f'<rect class="f-{kind}" width="{width}" height="100%"/>'
                for kind in ("gap", "cand")
                for width in (f"{_n(candidate)}%", "6")
            ]
    parts.append("</svg>")
    bar = "".join(parts)
    if set_to is None:
        return bar
    line = f'x1="{_n(set_to)}%" x2="{_n(set_to)}%" y1="0" y2="100%"'
    return (
        f'<span class="splitw">{bar}<svg class="tick" aria-hidden="true">'
        f'<line class="halo" {line}/><line {line}/></svg></span>'
    )


def _split_label(candidate: float | None, set_to: float | None) -> str:
    if candidate is None:
        return "Measured share has no data"
    measured = " measured" if set_to is not None else ""
    asked = f", {set_to:g}% set" if set_to is not None else ""
    return f"Candidate {_n(candidate)}%{measured}{asked}, legacy {_n(100 - candidate)}%"


_STRIP: dict[Mark, Callable[[int], str]] = {
    "pass": lambda x: f'<rect x="{x}" width="6" height="16" rx="1.5"/>',
    "fail": lambda x: f'<path class="st" d="M{x + 0.4:g} 5.5l5.2 9m0-9l-5.2 9"/>',
    "inc": lambda x: f'<rect class="so" x="{x + 0.8:g}" y="6.8" width="4.4" height="8.4" rx=".8"/>',
    "col": lambda x: f'<rect x="{x}" y="11" width="6" height="5" rx="1.2"/>',
    "stale": lambda x: "".join(
        f'<circle cx="{x + 3}" cy="{y}" r="1.3"/>' for y in (5.2, 9.8, 14.4)
    ),
    "over": lambda x: f'<path d="M{x + 3} 5l3.8 11h-7.6z"/>',
    "none": lambda x: f'<rect x="{x}" y="14" width="6" height="2"/>',
}


def gate_strip(marks: Sequence[Mark]) -> str:
    """Draw one mark per gate; the shape tells the verdict without colour, words stand beside it."""
    body = "".join(f'<g class="is-{m}">{_STRIP[m](9 * i)}</g>' for i, m in enumerate(marks))
    width = max(0, 9 * len(marks) - 2)
    return f'<svg class="strip" width="{width}" height="16" aria-hidden="true">{body}</svg>'


def meter(percent: float, *, status: str = "", label: str = "") -> str:
    """Draw a filling bar, 0 to 100; with a label it is an image of its own, else decoration."""
    named = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    filled = max(0.0, min(100.0, percent))
    kind = f"meter is-{status}" if status else "meter"
    return (
        f'<svg class="{kind}" {named}><rect class="m-bg" width="100%" height="100%"/>'
        f'<rect class="m-fg" width="{_n(filled)}%" height="100%"/></svg>'
    )


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its bounds and the limit it is held against, all in one unit."""

    low: float
    middle: float
    high: float
    limit: float


def interval_chart(
    interval: Interval,
    *,
    axis: tuple[float, float],
    status: str,
    label: str,
    bad: Literal["above", "below"] = "above",
) -> str:
    """Draw an interval against its limit; the shaded end is where the gate fails."""
    low, high = axis
    span = high - low or 1.0

    def place(value: float) -> float:
        return 100 * (max(low, min(high, value)) - low) / span

    limit, dot = place(interval.limit), place(interval.middle)
    shade_x, shade_w = (limit, 100 - limit) if bad == "above" else (0.0, limit)
    start, end = place(interval.low), place(interval.high)
    if end - start < 1.6:  # noqa: PLR2004  # narrower than the dot: keep a visible stub
        start, end = max(0.0, dot - 0.8), min(100.0, dot + 0.8)
    return (
        f'<svg class="ci v-{status}" role="img" aria-label="{escape(label)}">'
        f'<rect class="ci-bad" x="{_n(shade_x)}%" width="{_n(shade_w)}%" y="3" height="16" rx="2"/>'
        '<line class="ci-axis" x1="0" x2="100%" y1="11" y2="11"/>'
        f'<line class="ci-thr" x1="{_n(limit)}%" x2="{_n(limit)}%" y1="1" y2="21"/>'
        f'<line class="ci-int" x1="{_n(start)}%" x2="{_n(end)}%" y1="11" y2="11"/>'
        f'<circle class="ci-dot" cx="{_n(dot)}%" cy="11" r="4"/></svg>'
    )


def _runs(values: Series) -> list[list[tuple[int, float]]]:
    """Cut a series at its gaps: lists of (index, value)."""
    grouped = groupby(enumerate(values), key=lambda pair: pair[1] is None)
    return [[(i, v) for i, v in run if v is not None] for gap, run in grouped if not gap]


def spark(candidate: Series, legacy: Series = (), *, label: str) -> str:
    """Draw two small lines on one zero-based scale: candidate solid, legacy dashed."""
    known = [v for v in (*candidate, *legacy) if v is not None]
    top = max(known, default=0.0) or 1.0

    def lines(series: Series, kind: str) -> str:
        step = SPARK_WIDTH / max(1, len(series) - 1)

        def point(i: int, v: float) -> str:
            return f"{_p(i * step)},{_p(3 + (SPARK_HEIGHT - 6) * (1 - v / top))}"

        return "".join(
            f'<polyline class="ln {kind}" points="{" ".join(point(i, v) for i, v in run)}"/>'
            for run in _runs(series)
            if len(run) > 1
        )

    return (
        f'<svg class="spark" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}" '
        f'preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f"{lines(legacy, 'ln-leg')}{lines(candidate, 'ln-cand')}</svg>"
    )


@dataclass(frozen=True, slots=True)
class TimeChart:
    """What a time chart shows; every series has one value (or a gap) per equal step of time."""

    label: str
    top: float
    lines: tuple[tuple[str, tuple[float | None, ...]], ...]
    band: tuple[tuple[float | None, ...], tuple[float | None, ...]] | None = None
    band_legacy: tuple[tuple[float | None, ...], tuple[float | None, ...]] | None = None
    limit: float | None = None
    limit_label: str = ""
    grid: tuple[tuple[float, str], ...] = ()
    times: tuple[str, ...] = ()
    marks: tuple[tuple[float, str], ...] = ()
    height: int = 180


def time_chart(chart: TimeChart) -> str:
    """Draw lines over time with a band, a dashed limit, grid labels and marks (fraction, text)."""
    height = chart.height
    return (
        f'<div class="tl-wrap"><svg class="tl" width="100%" height="{height + 24}" role="img" '
        f'aria-label="{escape(chart.label)}">'
        f'<svg class="tl-plot" width="100%" height="{height}" '
        f'viewBox="0 0 {PLOT_WIDTH} {PLOT_HEIGHT}" preserveAspectRatio="none">'
        f"{_plot(chart)}</svg>{_chart_text(chart)}</svg></div>"
    )


def _y(chart: TimeChart, value: float) -> float:
    return PLOT_HEIGHT * (1 - max(0.0, min(value, chart.top)) / chart.top)


def _plot(chart: TimeChart) -> str:
    parts = [
        f'<line class="grid" x1="0" x2="{PLOT_WIDTH}" y1="{_p(y)}" y2="{_p(y)}"/>'
        for y in [*(_y(chart, value) for value, _ in chart.grid), PLOT_HEIGHT]
    ]
    parts += [
        f'<line class="mark" x1="{_p(f * PLOT_WIDTH)}" x2="{_p(f * PLOT_WIDTH)}" '
        f'y1="0" y2="{PLOT_HEIGHT}"/>'
        for f, _ in chart.marks
    ]
    if chart.band_legacy:
        parts.append(_band(chart, *chart.band_legacy, kind="band-leg"))
    if chart.band:
        parts.append(_band(chart, *chart.band))
    if chart.limit is not None:
        y = _p(_y(chart, chart.limit))
        parts.append(f'<line class="thr" x1="0" x2="{PLOT_WIDTH}" y1="{y}" y2="{y}"/>')
    parts += [_line(chart, kind, values) for kind, values in chart.lines]
    return "".join(parts)


def _line(chart: TimeChart, kind: str, values: Series) -> str:
    step = PLOT_WIDTH / max(1, len(values) - 1)
    out = []
    for run in _runs(values):
        # A lone measurement between gaps would vanish as a polyline of one point: give it a width.
        points = run if len(run) > 1 else [(run[0][0], run[0][1]), (run[0][0] + 0.3, run[0][1])]
        text = " ".join(f"{_p(i * step)},{_p(_y(chart, v))}" for i, v in points)
        out.append(f'<polyline class="ln {kind}" points="{text}"/>')
    return "".join(out)


def _band(chart: TimeChart, low: Series, high: Series, *, kind: str = "band") -> str:
    step = PLOT_WIDTH / max(1, len(low) - 1)
    both: list[float | None] = [
        None if a is None or b is None else float(i)
        for i, (a, b) in enumerate(zip(low, high, strict=True))
    ]
    out = []
    for run in _runs(both):
        ids = [i for i, _ in run]
        edge = [(i, high[i]) for i in ids] + [(i, low[i]) for i in reversed(ids)]
        text = " ".join(f"{_p(i * step)},{_p(_y(chart, v))}" for i, v in edge if v is not None)
        out.append(f'<polygon class="{kind}" points="{text}"/>')
    return "".join(out)


def _chart_text(chart: TimeChart) -> str:
    height = chart.height

    def up(value: float, above: float) -> str:
        return _n(height * _y(chart, value) / PLOT_HEIGHT - above)

    parts = [
        f'<text class="yl" text-anchor="end" x="100%" y="{up(value, 4)}">{escape(text)}</text>'
        for value, text in chart.grid
    ]
    if chart.limit is not None:
        parts.append(
            f'<text class="thr-l" x="100%" y="{up(chart.limit, 5)}" text-anchor="end">'
            f"{escape(chart.limit_label)}</text>"
        )
    for fraction, text in chart.marks:
        anchor, dx = ("start", 6) if fraction < 0.7 else ("end", -6)  # noqa: PLR2004  # keep inside
        parts.append(
            f'<text class="mk-l" x="{_n(fraction * 100)}%" dx="{dx}" y="12" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )
    last = len(chart.times) - 1
    for i, text in enumerate(chart.times):
        anchor = "start" if i == 0 else "end" if i == last else "middle"
        optional = " xl-opt" if i % 2 else ""
        parts.append(
            f'<text class="xl{optional}" x="{_n(100 * i / max(1, last))}%" y="{height + 18}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )
    return "".join(parts)


def weight_steps(
    steps: Sequence[tuple[float, float, float]],
    *,
    label: str,
    times: Sequence[tuple[float, str]],
) -> str:
    """Draw the candidate's share over time as steps: (from, to, percent), from and to in 0..1."""
    parts = [
        f'<svg class="tl wt" width="100%" height="120" role="img" aria-label="{escape(label)}">',
        '<rect class="f-leg" width="100%" height="90" rx="3"/>',
    ]
    parts += [
        f'<rect class="f-cand" x="{_n(100 * begin)}%" width="{_n(100 * (end - begin))}%" '
        f'y="{_n(90 - 0.9 * percent)}" height="{_n(0.9 * percent)}"/>'
        for begin, end, percent in steps
        if percent
    ]
    for at, text in times:
        anchor = "start" if at < 0.1 else "end" if at > 0.9 else "middle"  # noqa: PLR2004  # inside
        parts.append(
            f'<text x="{_n(100 * at)}%" y="110" text-anchor="{anchor}">{escape(text)}</text>'
        )
    return "".join(parts) + "</svg>"


def pair_bars(legacy: float, candidate: float, *, label: str) -> str:
    """Draw both sides of a measure as bars on one zero-based scale, legacy above."""
    most = max(legacy, candidate) or 1.0
    width = max(0.6, 100 * candidate / most)
    return (
        f'<svg class="pair" role="img" aria-label="{escape(label)}">'
        f'<rect class="f-leg" width="{_n(100 * legacy / most)}%" y="0" height="8" rx="2"/>'
        f'<rect class="f-cand" width="{_n(width)}%" y="11" height="8" rx="2"/></svg>'
    )
