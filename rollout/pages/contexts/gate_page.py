"""One gate and the history of its verdicts."""

from dataclasses import dataclass

from rollout.pages.contexts.gates import GateRow
from rollout.pages.contexts.head import Head


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """A verdict as it stood from one moment to another."""

    since: str
    until: str
    route: str
    status: str
    word: str
    sentence: str
    n: str
    builds: str
    sha256: str


@dataclass(frozen=True, slots=True)
class GatePage:
    """pages/gate.html."""

    head: Head
    title: str
    row: GateRow
    history: tuple[VerdictRow, ...]
    older_url: str
    raw: str
    download_url: str
