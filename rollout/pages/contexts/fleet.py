"""The fleet."""

from dataclasses import dataclass

from rollout.pages.contexts.parts import Fact, Html


@dataclass(frozen=True, slots=True)
class FleetRow:
    """A migration in the fleet."""

    slug: str
    team: str
    status: str
    word: str
    phase: str
    phase_note: str
    set_weight: int
    measured: float | None
    share_words: str
    strip: Html
    strip_words: str
    p99: str
    p99_note: str
    opens: str
    opens_note: str
    sentence: str = ""
    roll_back_url: str = ""
    action: str = ""
    action_url: str = ""
    action_primary: bool = False


@dataclass(frozen=True, slots=True)
class FleetSection:
    """Collecting evidence, or done."""

    key: str
    title: str
    note: str
    rows: tuple[FleetRow, ...]
    last_column: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """pages/fleet.html."""

    summary: str
    query: str
    needs_you: tuple[FleetRow, ...]
    sections: tuple[FleetSection, ...]
    more_url: str
    can_create: bool
    empty: bool
    installation: tuple[Fact, ...]
    installation_ready: str
