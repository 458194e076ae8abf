"""A migration's overview."""

from dataclasses import dataclass

from rollout.pages.contexts.gates import Gates
from rollout.pages.contexts.head import Head, Rail
from rollout.pages.contexts.parts import ChartCard, Fact, Html


@dataclass(frozen=True, slots=True)
class Tile:
    """One live figure of both sides."""

    name: str
    candidate: str
    legacy: str
    chart: Html


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision in the side column."""

    what: str
    reason: str
    who: str
    entry: str
    entry_url: str


@dataclass(frozen=True, slots=True)
class Overview:
    """pages/overview.html."""

    head: Head
    rail: Rail
    gates: Gates
    tiles: tuple[Tile, ...]
    tiles_window: str
    health: tuple[Fact, ...]
    decisions: tuple[DecisionRow, ...]
    chart: ChartCard | None
