"""Percentiles, traffic and errors over time."""

from dataclasses import dataclass

from rollout.pages.contexts.head import Head
from rollout.pages.contexts.parts import Choice, Fact, Html, Table


@dataclass(frozen=True, slots=True)
class Panel:
    """One percentile over time."""

    name: str
    status: str
    word: str
    candidate: str
    legacy: str
    change: str
    chart: Html
    highlighted: bool


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A percentile in the panel of changes."""

    name: str
    chart: Html
    change: str
    warn: bool


@dataclass(frozen=True, slots=True)
class Performance:
    """pages/performance.html."""

    head: Head
    ranges: tuple[Choice, ...]
    window: str
    query: str
    stats: tuple[Fact, ...]
    panels: tuple[Panel, ...]
    changes: tuple[ChangeRow, ...]
    table: Table
    traffic: Html
    traffic_now: tuple[str, str]
    share: str
    routes: Table
    errors: Html
    errors_now: tuple[str, str]
    statuses: Table
    copies: str
    empty: bool
