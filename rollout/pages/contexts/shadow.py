"""The shadow page: causes, one kept pair side by side, the accounts."""

from dataclasses import dataclass, field

from rollout.pages.contexts.head import Head
from rollout.pages.contexts.parts import ChartCard, Fact


@dataclass(frozen=True, slots=True)
class Cause:
    """One group of mismatches."""

    key: str
    path: str
    description: str
    count: str
    share: str
    share_percent: float
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class DiffSide:
    """A line of one answer, cut around what differs."""

    number: str = ""
    before: str = ""
    marked: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class DiffRow:
    """A line of the diff; `kind` is eq, chg, tol, note or fold."""

    kind: str
    legacy: DiffSide = field(default_factory=DiffSide)
    candidate: DiffSide = field(default_factory=DiffSide)
    status: str = ""
    lead: str = ""
    text: str = ""
    folded: tuple["DiffRow", ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One kept pair with its diff."""

    title: str
    intro: str
    request: str
    sample_id: str
    at: str
    tolerance: str
    legacy_head: str
    legacy_note: str
    candidate_head: str
    candidate_note: str
    rows: tuple[DiffRow, ...]
    position: str
    previous_url: str
    next_url: str
    request_body: str


@dataclass(frozen=True, slots=True)
class Account:
    """A sum that must come out: what was sampled, and what became of it."""

    total: str
    total_name: str
    parts: tuple[Fact, ...]
    leak: str
    status: str


@dataclass(frozen=True, slots=True)
class Shadow:
    """pages/shadow.html."""

    head: Head
    stats: tuple[Fact, ...]
    chart: ChartCard | None
    causes: tuple[Cause, ...]
    causes_summary: str
    empty_text: str
    ignored: tuple[str, ...]
    sample: Sample | None
    sample_empty: str
    accounts: tuple[Account, ...]
    query: str = ""
