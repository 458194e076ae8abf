"""Forms: as a dialog over the page, or as a page of their own."""

from dataclasses import dataclass

from rollout.pages.contexts.parts import Choice, Fact, Html, MiniGate


@dataclass(frozen=True, slots=True)
class Target:
    """Where a roll back may go."""

    weight: int
    label: str
    index: int
    chosen: bool
    legacy_words: str


@dataclass(frozen=True, slots=True)
class PickRow:
    """A migration to choose in the roll back picker."""

    slug: str
    status: str
    note: str
    share: str
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Input:
    """One field of a form; `kind` is line or select."""

    name: str
    label: str
    kind: str = "line"
    value: str = ""
    note: str = ""
    help: str = ""
    mono: bool = False
    full: bool = False
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class OverrideGate:
    """A gate that an override can go past, with what that accepts."""

    key: str
    name: str
    status: str
    word: str
    text: str
    chart: Html
    chosen: bool


@dataclass(frozen=True, slots=True)
class Dialog:
    """dialogs/*.html: one form, as a dialog over the page or as a page of its own."""

    verb: str
    slug: str
    title: str
    intro: str
    action_url: str
    back_url: str
    button: str
    busy: str
    consequence: str
    version: int
    reason: str = ""
    error: str = ""
    error_field: str = ""
    allowed: bool = True
    refusal: str = ""
    now_percent: float | None = None
    now_words: str = ""
    now_note: str = ""
    after_percent: float | None = None
    after_words: str = ""
    after_note: str = ""
    confirm: str = ""
    confirm_typed: str = ""
    gates: tuple[MiniGate, ...] = ()
    gates_title: str = ""
    gates_note: str = ""
    gates_status: str = "none"
    reasons: tuple[Choice, ...] = ()
    reasons_note: str = ""
    targets: tuple[Target, ...] = ()
    note: str = ""
    room_status: str = ""
    room_text: str = ""
    effects: tuple[Fact, ...] = ()
    picks: tuple[PickRow, ...] = ()
    # Forms made of fields: the button's colour (primary, danger, over), a strip that warns, the
    # words somebody else wrote, and the gates that an override names.
    tone: str = "primary"
    wide: bool = False
    strip_lead: str = ""
    strip_text: str = ""
    quote: str = ""
    inputs: tuple[Input, ...] = ()
    override_gates: tuple[OverrideGate, ...] = ()
