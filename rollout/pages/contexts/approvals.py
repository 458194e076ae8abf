"""Requests for a second person."""

from dataclasses import dataclass

from rollout.pages.contexts.parts import Fact, MiniGate


@dataclass(frozen=True, slots=True)
class ApprovalCard:
    """A request that waits for the reader, with evidence measured for them."""

    slug: str
    what: str
    status: str
    expires: str
    asked: str
    now_percent: float | None
    now_words: str
    after_percent: float
    after_words: str
    quote: str
    facts: tuple[Fact, ...]
    gates: tuple[MiniGate, ...]
    gates_status: str
    gates_title: str
    gates_note: str
    approve_url: str
    decline_url: str
    can_answer: bool


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A request in one line: asked by the reader, or over."""

    status: str
    slug: str
    what: str
    text: str
    end: str
    action: str = ""
    action_url: str = ""


@dataclass(frozen=True, slots=True)
class Approvals:
    """pages/approvals.html."""

    summary: str
    waiting: tuple[ApprovalCard, ...]
    mine: tuple[ApprovalRow, ...]
    reviews: tuple[ApprovalRow, ...]
    decided: tuple[ApprovalRow, ...]
