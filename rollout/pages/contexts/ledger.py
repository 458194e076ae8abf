"""The audit log."""

from dataclasses import dataclass

from rollout.pages.contexts.head import Head
from rollout.pages.contexts.parts import Choice, EntryGate, Fact


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the ledger."""

    number: int
    iso: str
    time: str
    initials: str
    automatic: bool
    what: str
    slug: str
    pill_status: str
    pill: str
    reason: str
    who: str
    short_hash: str
    toggle_url: str
    open: bool = False
    facts: tuple[Fact, ...] = ()
    gates: tuple[EntryGate, ...] = ()
    gates_at: str = ""
    snapshot: str = ""
    sha256: str = ""
    previous: str = ""
    link_ok: bool | None = None
    raw: str = ""


@dataclass(frozen=True, slots=True)
class EntryDay:
    """The entries of one day."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """The audit log's filters, all of them in the URL."""

    action_url: str
    query: str
    migrations: tuple[Choice, ...]
    actors: tuple[Choice, ...]
    actions: tuple[Choice, ...]
    periods: tuple[Choice, ...]
    active: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """What is known about the ledger's chain."""

    status: str
    lead: str
    text: str


@dataclass(frozen=True, slots=True)
class Audit:
    """pages/audit.html."""

    head: Head | None
    chain: Chain
    filters: Filters
    days: tuple[EntryDay, ...]
    count: str
    newer_url: str
    older_url: str
    export_url: str
    verify_url: str
    newer_count_url: str
