"""The final report."""

from dataclasses import dataclass

from rollout.pages.contexts.parts import EntryGate, Fact, Html, Table


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A line of the report's tables."""

    when: str
    what: str
    why: str
    people: str
    entry: str


@dataclass(frozen=True, slots=True)
class Report:
    """pages/report.html: one document, also the record of the end."""

    slug: str
    title: str
    identity: str
    written: str
    entries: str
    stats: tuple[Fact, ...]
    timeline: Html
    decisions: tuple[ReportRow, ...]
    evidence_title: str
    evidence: tuple[EntryGate, ...]
    scorecard: Table | None
    accepted: tuple[ReportRow, ...]
    chain: str
    head: str
    command: str
    people: tuple[Fact, ...]
    json_url: str
