"""A migration's head and the rail of its phases."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Button:
    """An action of the head. A closed one stays visible and says in `note` what opens it."""

    label: str
    short: str
    url: str
    open: bool = True
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Banner:
    """A message across the page; `tone` is warn, fail or plain."""

    status: str
    title: str
    text: str = ""
    tone: str = ""
    url: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """Name, state, identity and the three actions of a migration."""

    slug: str
    title: str
    status: str
    pill: str
    legacy_build: str
    candidate_build: str
    facts: str
    policy_label: str
    note: str
    roll_back: Button | None
    hold: Button | None
    forward: Button | None
    tab: str
    cause_count: int
    entry_count: int
    can_act: bool
    banner: Banner | None = None
    override: Button | None = None
    checklist: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the stepper; `state` is done, cur, next or last."""

    weight: int
    state: str
    status: str
    word: str
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Rail:
    """The three phases with the traffic bar under them; percents, None is not measured."""

    dual_run_state: str
    dual_run_status: str
    dual_run_word: str
    dual_run_text: str
    canary_state: str
    canary_end: str
    steps: tuple[Step, ...]
    full_state: str
    full_status: str
    full_word: str
    full_text: str
    set_weight: int
    measured: float | None
    measured_words: str
    legacy_words: str
    legacy_rps: str
