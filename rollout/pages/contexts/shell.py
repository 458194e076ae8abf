"""What stands around every page."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NavItem:
    """A migration in the sidebar: its worst status and where it stands."""

    slug: str
    status: str
    where: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class Nav:
    """The list in sidebar and drawer; `more` were left out, `carrying` serve users."""

    items: tuple[NavItem, ...]
    more: int
    carrying: int
    at: str = ""


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around every page."""

    section: str
    environment: str
    user: str
    initials: str
    role: str
    nav: Nav
    clock: str
    approvals: int = 0
    policy_label: str = ""
    events_url: str = ""
    can_create: bool = False
