"""The policy and its form."""

from dataclasses import dataclass

from rollout.pages.contexts.head import Head
from rollout.pages.contexts.parts import Fact


@dataclass(frozen=True, slots=True)
class Setting:
    """One number of the policy: its path is the field's name."""

    path: str
    label: str
    value: str
    unit: str
    words: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class StepSetting:
    """One rung of the canary."""

    weight: int
    now: bool
    bake: Setting
    requests: Setting
    percentiles: str


@dataclass(frozen=True, slots=True)
class GateSetting:
    """Whether a gate is asked for, and from which weight on."""

    key: str
    name: str
    required: bool
    fixed: bool
    from_weight: str
    limit: str


@dataclass(frozen=True, slots=True)
class RouteSetting:
    """How one route is compared."""

    route: str
    safe: str
    rule: str
    ignored: str
    note: str
    url: str


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What a saved form would change."""

    path: str
    before: str
    after: str
    loosens: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """pages/settings.html."""

    head: Head
    version: int
    steps: tuple[StepSetting, ...]
    gates: tuple[GateSetting, ...]
    limits: tuple[Setting, ...]
    routes: tuple[RouteSetting, ...]
    policy: tuple[Fact, ...]
    people: tuple[Fact, ...]
    services: tuple[Fact, ...]
    changes: tuple[PolicyChange, ...]
    verdict: str
    error: str
    reason: str
    can_change: bool
    can_save: bool
    closed: str
    abandon_url: str
    report_url: str
