"""What several pages are made of: facts, choices, tables, charts."""

from dataclasses import dataclass

from django.utils.safestring import SafeString

Html = SafeString

NO_CHART = Html("")


@dataclass(frozen=True, slots=True)
class Fact:
    """A label with its value and, in small, a note."""

    name: str
    value: str
    note: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """An option of a select or a chip."""

    value: str
    label: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table behind a chart: column heads, rows whose first cell is the row's head."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ChartCard:
    """A time chart with its title, legend and the table behind it."""

    title: str
    chart: Html
    has_data: bool
    has_band: bool
    has_noise: bool
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class MiniGate:
    """A gate in a dialog."""

    name: str
    value: str
    status: str


@dataclass(frozen=True, slots=True)
class EntryGate:
    """A gate as it was when a decision was taken."""

    name: str
    measured: str
    limit: str
    evidence: str
    status: str
    word: str
