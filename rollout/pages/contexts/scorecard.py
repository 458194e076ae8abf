"""What the candidate changes, measured."""

from dataclasses import dataclass

from rollout.pages.contexts.head import Head
from rollout.pages.contexts.parts import Fact, Html


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One measure of both sides, by the same method."""

    name: str
    how: str
    legacy: str
    legacy_note: str
    candidate: str
    candidate_note: str
    chart: Html
    factor: str


@dataclass(frozen=True, slots=True)
class Scorecard:
    """pages/scorecard.html."""

    head: Head
    stats: tuple[Fact, ...]
    rows: tuple[ScoreRow, ...]
    missing: str
    method: tuple[Fact, ...]
    csv_url: str
    report_url: str
