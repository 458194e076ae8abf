"""The side column and the mismatch chart: live figures of both sides, health, decisions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import numpy as np
from django.urls import reverse

from judge.rates import rate_cs
from rollout.lifecycle import Phase
from rollout.models import Decision
from rollout.pages import words
from rollout.pages.charts import Series, TimeChart, spark, time_chart
from rollout.pages.contexts.overview import DecisionRow, Tile
from rollout.pages.contexts.parts import NO_CHART, ChartCard, Fact, Html
from rollout.pages.heads import decision_words
from rollout.queries import MigrationView
from rollout.readings import ArmSeries
from shadow.models import ProbeResult
from shadow.queries import BlockSeries

SLOTS = 80
PROBE_STALE_S = 30
TABLE_ROWS = 12
EMPTY = ArmSeries((), (), (), None, None, None, None)


def tiles(view: MigrationView, arms: Mapping[str, ArmSeries]) -> tuple[tuple[Tile, ...], str]:
    """Build the live tiles and their caption; in dual-run the candidate's figures are of copies."""
    if not arms:
        return (), ""
    copies = view.place.weight == 0
    legacy = arms.get("legacy", EMPTY)
    candidate = arms.get("candidate_shadow" if copies else "candidate", EMPTY)
    found = (
        _tile("Requests per second", words.per_second, candidate, legacy, "rps"),
        _tile("p99 latency", words.millis, candidate, legacy, "p99_us"),
        _tile("Failed requests", words.rate, candidate, legacy, "errors"),
    )
    return found, "last 5 min, candidate: copies" if copies else "last 5 min"


def _tile(
    name: str,
    say: Callable[[float | None], str],
    candidate: ArmSeries,
    legacy: ArmSeries,
    field: str,
) -> Tile:
    ours: Series = getattr(candidate, field)
    theirs: Series = getattr(legacy, field)
    now = f"now_{field}"
    ours_now, theirs_now = say(getattr(candidate, now)), say(getattr(legacy, now))
    label = f"{name}, last 5 minutes: candidate {ours_now}, legacy {theirs_now}"
    drawn = spark(ours, theirs, label=label) if any(v is not None for v in (*ours, *theirs)) else ""
    return Tile(name=name, candidate=ours_now, legacy=theirs_now, chart=Html(drawn))


def health(probes: Sequence[ProbeResult], *, now: datetime) -> tuple[Fact, ...]:
    """Say what each side's endpoints last answered; an old answer is no data."""
    found = []
    for probe in probes:
        old = (now - probe.at).total_seconds() > PROBE_STALE_S
        good = probe.status == 200  # noqa: PLR2004  # healthy
        answer = str(probe.status) if probe.status else probe.error.replace("_", " ")
        found.append(
            Fact(
                name=f"{probe.side.capitalize()} {probe.endpoint}",
                value=f"no data for {words.duration((now - probe.at).total_seconds())}"
                if old
                else f"{answer}, {words.millis(probe.duration_us)}",
                status="stale" if old else "pass" if good else "fail",
            )
        )
    return tuple(found)


def decision_rows(
    decisions: Sequence[Decision], *, zone: tzinfo, now: datetime
) -> tuple[DecisionRow, ...]:
    """Build the last decisions, newest first."""
    return tuple(
        DecisionRow(
            what=decision_words(d),
            reason=d.reason,
            who=f"{_actor(d)}, {words.moment_words(d.at, zone, now)}",
            entry=f"#{d.entry_id}",
            entry_url=reverse("pages:entry", args=[d.entry_id]),
        )
        for d in decisions
    )


def _actor(decision: Decision) -> str:
    if decision.actor_kind == "automation":
        return "Banyan, automatic"
    return f"{decision.actor} (token)" if decision.actor_kind == "token" else decision.actor


@dataclass(frozen=True, slots=True)
class _Slots:
    """Pairs added up into equal slots of time."""

    begin: int
    width: int
    compared: np.ndarray
    mismatched: np.ndarray

    def rates(self) -> tuple[float | None, ...]:
        return tuple(
            float(k / n) if n else None for n, k in zip(self.compared, self.mismatched, strict=True)
        )

    def so_far(self) -> "_Slots":
        """Running totals: what was known at the end of each slot."""
        return _Slots(self.begin, self.width, self.compared.cumsum(), self.mismatched.cumsum())


def _slots(series: BlockSeries, begin: int, width: int, count: int) -> _Slots:
    compared, mismatched = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    places = (series.starts - begin) // width
    inside = (places >= 0) & (places < count)
    np.add.at(compared, places[inside], series.compared[inside])
    np.add.at(mismatched, places[inside], series.mismatched[inside])
    return _Slots(begin, width, compared, mismatched)


def mismatch_chart(view: MigrationView, *, zone: tzinfo) -> ChartCard | None:
    """Draw the mismatch rate so far, with its interval, the noise floor and the limit.

    Running totals and not slots: a short slot's interval is wider than the chart, and the running
    one is what the gate judges. It holds at every moment at once, so one may watch it narrow.
    """
    since = view.migration.shadow_since
    if since is None or view.place.phase is Phase.DRAFT:
        return None
    block = view.policy.block_seconds
    begin = int(since.timestamp()) // block * block
    span = max(block * 10, int(view.now.timestamp()) - begin)
    width = max(block, -(-span // SLOTS // block) * block)
    count = max(2, span // width)
    ours = _slots(view.evidence.overall, begin, width, count)
    if not ours.compared.any():
        return ChartCard("Mismatch rate", NO_CHART, has_data=False, has_band=False, has_noise=False)
    noise = _slots(view.evidence.noise, begin, width, count)
    return _drawn(view, ours, noise, zone)


def _drawn(view: MigrationView, ours: _Slots, noise: _Slots, zone: tzinfo) -> ChartCard:
    policy = view.policy.discrepancy
    known = ours.so_far()
    rates = known.rates()
    bounds = [
        rate_cs(int(n), int(k), policy.alpha_pass) if n else None
        for n, k in zip(known.compared, known.mismatched, strict=True)
    ]
    has_noise = bool(noise.compared.any())
    peak = max((r for r in rates if r is not None), default=0.0)
    settled = next((b[1] for b in reversed(bounds) if b), 0.0)
    top = max(
        policy.limit * 1.25, peak * 1.15, min(settled * 1.1, max(policy.limit * 6, peak * 1.5))
    )
    lines = [("ln-cand", rates)]
    if has_noise:
        lines.insert(0, ("ln-leg ln-noise", noise.so_far().rates()))
    latest = next((r for r in reversed(rates) if r is not None), None)
    chart = TimeChart(
        label=f"Mismatch rate so far, now {words.rate(latest)}, "
        f"highest {words.rate(peak)}, limit {words.rate(policy.limit)}",
        top=top,
        lines=tuple(lines),
        band=(
            tuple(b[0] if b else None for b in bounds),
            tuple(b[1] if b else None for b in bounds),
        ),
        limit=policy.limit,
        limit_label=f"limit {words.rate(policy.limit)}",
        grid=_grid(policy.limit, top),
        times=_times(ours, zone, view.now),
        marks=_marks(view, ours),
    )
    return ChartCard(
        title="Mismatch rate so far",
        chart=Html(time_chart(chart)),
        has_data=True,
        has_band=True,
        has_noise=has_noise,
        columns=("From", "Compared", "Differ", "Rate", "Legacy against itself"),
        rows=_table(ours, noise, zone, view.now),
    )


def _grid(limit: float, top: float) -> tuple[tuple[float, str], ...]:
    if top <= limit * 1.5:
        return tuple((limit * f, words.rate(limit * f)) for f in (0.25, 0.5, 0.75))
    # Whole multiples of the limit, except the one that the limit's own label stands on.
    step = max(1, round(top / limit / 3))
    multiples = (limit * step * i for i in range(1, 4))
    return tuple((m, words.rate(m)) for m in multiples if m > limit * 1.05 and m < top)


def _times(slots: _Slots, zone: tzinfo, now: datetime) -> tuple[str, ...]:
    return axis_times(slots.begin, slots.width * len(slots.compared), zone, now)


def axis_times(begin: int, span: int, zone: tzinfo, now: datetime) -> tuple[str, ...]:
    """Label five moments of a time axis; `begin` and `span` in seconds."""
    moments = [
        datetime.fromtimestamp(begin + span * i / 4, tz=UTC).astimezone(zone) for i in range(5)
    ]
    today = now.astimezone(zone).date()
    form = "%H:%M:%S" if span < 20 * 60 else "%H:%M"
    return tuple(
        m.strftime(form) if m.date() == today else f"{m.day} {m.strftime('%b %H:%M')}"
        for m in moments
    )


def _marks(view: MigrationView, slots: _Slots) -> tuple[tuple[float, str], ...]:
    """Mark where the weight changed; the newest few, so that labels stay apart."""
    span = slots.width * len(slots.compared)
    found = []
    for d in view.decisions:
        before, after = d.from_place.get("weight"), d.to_place.get("weight")
        if before != after:
            found.append(((d.at.timestamp() - slots.begin) / span, f"{after}%"))
    apart: list[tuple[float, str]] = []
    for at, text in found:
        if 0 <= at <= 1 and all(abs(at - other) > 0.06 for other, _ in apart):  # noqa: PLR2004
            apart.append((at, text))
    return tuple(reversed(apart))


def _table(ours: _Slots, noise: _Slots, zone: tzinfo, now: datetime) -> tuple[tuple[str, ...], ...]:
    rows: list[tuple[str, ...]] = []
    noises = noise.rates()
    for i in range(len(ours.compared) - 1, -1, -1):
        n, k = int(ours.compared[i]), int(ours.mismatched[i])
        if not n or len(rows) == TABLE_ROWS:
            continue
        at = datetime.fromtimestamp(ours.begin + i * ours.width, tz=UTC)
        rows.append(
            (
                words.moment_words(at, zone, now),
                words.count(n),
                words.count(k),
                words.rate(k / n),
                words.rate(noises[i]),
            )
        )
    return tuple(rows)
