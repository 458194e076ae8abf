"""The seven items."""

from dataclasses import dataclass

from rollout.pages.contexts.head import Head


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One difference that a check found."""

    where: str
    sentence: str
    legacy: str
    candidate: str
    status: str
    word: str


@dataclass(frozen=True, slots=True)
class ChecklistRow:
    """One of the seven items; an open one shows how it works and what it found."""

    key: str
    name: str
    url: str
    detail: str
    value: str
    limit: str
    last: str
    last_note: str
    next: str
    next_note: str
    status: str
    word: str
    run_url: str
    stop_url: str
    toggle_url: str
    open: bool
    progress: float | None = None
    doing: str = ""
    lead: str = ""
    sentence: str = ""
    advice: tuple[str, ...] = ()
    findings: tuple[FindingRow, ...] = ()
    findings_note: str = ""
    raw: str = ""
    foot: str = ""
    waive_url: str = ""
    waive_label: str = ""
    download_url: str = ""


@dataclass(frozen=True, slots=True)
class Checklist:
    """pages/checklist.html."""

    head: Head
    summary: str
    rows: tuple[ChecklistRow, ...]
    run_all_url: str
    query: str
