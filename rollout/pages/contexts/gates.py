"""Gates, as rows with their evidence."""

from dataclasses import dataclass

from rollout.pages.contexts.parts import NO_CHART, Html


@dataclass(frozen=True, slots=True)
class RouteEvidence:
    """One route under a gate: what was compared and what it lacks."""

    route: str
    compared: str
    mismatched: str
    bound: str
    chart: Html
    status: str
    word: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class PercentileRow:
    """One percentile of both sides, its relative change and what the test says."""

    name: str
    legacy: str
    candidate: str
    change: str
    interval: str
    chart: Html
    status: str
    word: str


@dataclass(frozen=True, slots=True)
class GateLink:
    """Something a person may do about an open gate."""

    label: str
    url: str
    dialog: bool = True


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate: measured value, limit, interval, verdict, one sentence, evidence still needed."""

    key: str
    name: str
    detail: str
    value: str
    limit: str
    status: str
    word: str
    chart: Html = NO_CHART
    open: bool = False
    lead: str = ""
    sentence: str = ""
    progress: float | None = None
    progress_title: str = ""
    progress_text: str = ""
    routes: tuple[RouteEvidence, ...] = ()
    percentiles: tuple[PercentileRow, ...] = ()
    links: tuple[GateLink, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class GateGroup:
    """Gates under one heading: the checklist, or the present step's."""

    key: str
    title: str
    note: str
    rows: tuple[GateRow, ...]


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates card."""

    title: str
    summary: str
    measured: str
    groups: tuple[GateGroup, ...]
    error: str = ""
