"""The form of a new migration."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a connection test."""

    status: str
    lead: str
    text: str
    note: str


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A route of the new migration form."""

    method: str
    path: str
    why: str
    safe: bool
    warn: bool


@dataclass(frozen=True, slots=True)
class PolicyCard:
    """A preset to choose."""

    name: str
    title: str
    lines: tuple[str, ...]
    chosen: bool


@dataclass(frozen=True, slots=True)
class New:
    """pages/new.html."""

    values: dict[str, str]
    errors: dict[str, str]
    checks: tuple[Check, ...]
    tested: str
    routes: tuple[RouteLine, ...]
    policies: tuple[PolicyCard, ...]
    can_start: bool
    why_closed: str
