"""How one route's answers are compared."""

from dataclasses import dataclass

from rollout.pages.contexts.head import Head


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """Kept examples that would be judged otherwise."""

    method: str
    was: str
    becomes: str
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A path that legacy itself does not repeat, and the rule that would ignore it."""

    path: str
    share: str
    rule: str


@dataclass(frozen=True, slots=True)
class RulesPage:
    """pages/rules.html: how one route's answers are compared."""

    head: Head
    route: str
    version: int
    atol: str
    ignore: str
    rules: str
    redact: str
    error_field: str
    error: str
    summary: str
    rows: tuple[PreviewRow, ...]
    proposals: tuple[ProposalRow, ...]
    previewed: bool
    can_change: bool
    reason: str
    back_url: str
