"""The life of a migration as data: places, actions, and who comes after whom. Pure.

draft → dual_run → canary[5] → canary[25] → canary[50] → canary[100] → full → decommissioned
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """The phases, in the order in which a migration goes through them."""

    DRAFT = "draft"  # described, nothing mirrored
    DUAL_RUN = "dual_run"  # legacy serves all; copies are compared
    CANARY = "canary"  # a step's share of the users is served by the candidate
    FULL = "full"  # the candidate serves all, legacy stands by
    DECOMMISSIONED = "decommissioned"  # legacy is gone; no way back
    ABANDONED = "abandoned"  # given up before any user met the candidate


PHASE_CHOICES = [(p.value, p.value.replace("_", " ")) for p in Phase]


class Action(StrEnum):
    """The verbs, the same in code, pages, API and ledger."""

    CREATE = "create"
    START = "start"
    PROMOTE = "promote"
    HOLD = "hold"
    RESUME = "resume"
    ROLL_BACK = "roll_back"
    LATE_ENTRY = "late_entry"  # a proxy's host rolled back on its own; imported afterwards
    OVERRIDE = "override"  # promote past gates that were named, for a while
    DECOMMISSION = "decommission"
    ABANDON = "abandon"
    RESET = "reset"  # let a latched FAIL be judged anew
    CHANGE_POLICY = "change_policy"
    CHANGE_RULES = "change_rules"  # how the answers of a route are compared
    WAIVE = "waive"  # do without a checklist item, for a while
    END_WAIVER = "end_waiver"
    # What people say about decisions; the migration and its version stay as they are.
    REQUEST_APPROVAL = "request_approval"
    GRANT_APPROVAL = "grant_approval"
    DECLINE_APPROVAL = "decline_approval"
    WITHDRAW_APPROVAL = "withdraw_approval"
    CLOSE_REVIEW = "close_review"
    # How Banyan measures: it moves nothing, and what it changes is measured anew.
    RUN_CHECK = "run_check"
    CHANGE_CHECK = "change_check"

    @property
    def words(self) -> str:
        """The verb as a sentence begins with it."""
        return self.value.replace("_", " ").capitalize()


LIVE = frozenset({Phase.DUAL_RUN, Phase.CANARY, Phase.FULL})
BEFORE_THE_END = LIVE | {Phase.DRAFT}

# Which phases an action may leave. Where it arrives is computed by `move`. These are decisions:
# each raises the migration's version.
ALLOWED_FROM: dict[Action, frozenset[Phase]] = {
    Action.START: frozenset({Phase.DRAFT}),
    Action.PROMOTE: LIVE - {Phase.FULL},
    Action.HOLD: LIVE,
    Action.RESUME: LIVE,
    Action.ROLL_BACK: LIVE,
    Action.LATE_ENTRY: LIVE,
    Action.OVERRIDE: LIVE - {Phase.FULL},
    Action.DECOMMISSION: frozenset({Phase.FULL}),
    Action.ABANDON: frozenset({Phase.DUAL_RUN}),
    Action.RESET: LIVE,
    Action.CHANGE_POLICY: BEFORE_THE_END,
    Action.CHANGE_RULES: BEFORE_THE_END,
    Action.WAIVE: BEFORE_THE_END,
    Action.END_WAIVER: BEFORE_THE_END,
}
# Closed while the migration is held: somebody said stop.
NOT_WHILE_HELD = frozenset({Action.PROMOTE, Action.OVERRIDE, Action.DECOMMISSION})
# Decisions that leave place and hold as they are.
SAME_PLACE = frozenset(
    {Action.RESET, Action.CHANGE_POLICY, Action.CHANGE_RULES, Action.WAIVE, Action.END_WAIVER}
)
# The only ones that bring more users to the candidate.
RAISING = frozenset({Action.PROMOTE, Action.OVERRIDE})

# The phases one move may lead to; printed by the tests beside the diagram in ARCHITECTURE.md.
TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    Phase.DRAFT: frozenset({Phase.DUAL_RUN}),
    Phase.DUAL_RUN: frozenset({Phase.DUAL_RUN, Phase.CANARY, Phase.ABANDONED}),
    Phase.CANARY: frozenset({Phase.DUAL_RUN, Phase.CANARY, Phase.FULL}),
    Phase.FULL: frozenset({Phase.DUAL_RUN, Phase.CANARY, Phase.FULL, Phase.DECOMMISSIONED}),
    Phase.DECOMMISSIONED: frozenset(),
    Phase.ABANDONED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a migration stands: phase, step index in canary, candidate's weight in percent."""

    phase: Phase
    step: int | None = None
    weight: int = 0

    def words(self) -> str:
        """Name the place as pages and refusals do."""
        if self.phase is Phase.CANARY:
            return f"canary {self.weight} %"
        return self.phase.value.replace("_", "-")

    def to_dict(self) -> dict[str, str | int | None]:
        """Return the place as it stands in the ledger."""
        return {"phase": self.phase.value, "step": self.step, "weight": self.weight}

    @property
    def key(self) -> str:
        """The place as one short text, by which verdicts of a step are kept."""
        return f"{self.phase.value}:{self.weight}"


@dataclass(frozen=True, slots=True)
class Move:
    """A legal move: where to, and whether the migration is held afterwards."""

    to: Place
    held: bool


class NotAllowedError(ValueError):
    """The action does not exist at this place; `code` is stable, the text says what to do."""

    def __init__(self, code: str, detail: str) -> None:
        """Keep both parts."""
        super().__init__(detail)
        self.code = code
        self.detail = detail


def next_place(place: Place, weights: Sequence[int]) -> Place | None:
    """Return the place one to the right, or None at the end of what promote can reach."""
    if place.phase is Phase.DRAFT:
        return Place(Phase.DUAL_RUN)
    if place.phase is Phase.DUAL_RUN:
        return Place(Phase.CANARY, 0, weights[0])
    if place.phase is Phase.CANARY and place.step is not None:
        following = place.step + 1
        if following < len(weights):
            return Place(Phase.CANARY, following, weights[following])
        return Place(Phase.FULL, None, 100)
    return None


def gated_place(place: Place, weights: Sequence[int]) -> Place:
    """Return the place whose gates are asked: the next with users, at the end the place itself."""
    if place.phase is Phase.DRAFT:
        return Place(Phase.CANARY, 0, weights[0])
    return next_place(place, weights) or place


def lower_places(place: Place, weights: Sequence[int]) -> tuple[Place, ...]:
    """Return every place a roll back may choose, lowest first; empty outside the live phases."""
    if place.phase not in LIVE:
        return ()
    below = [Place(Phase.CANARY, i, w) for i, w in enumerate(weights)]
    if place.phase is Phase.CANARY and place.step is not None:
        below = below[: place.step]
    if place.phase is Phase.DUAL_RUN:
        below = []
    return (Place(Phase.DUAL_RUN), *below)


def move(
    action: Action, place: Place, *, held: bool, weights: Sequence[int], to_weight: int = 0
) -> Move:
    """Return where `action` leads from `place`, or raise NotAllowedError saying why not.

    `weights` are the canary steps in percent, rising; `to_weight` is read by roll back alone.
    """
    if place.phase not in ALLOWED_FROM.get(action, frozenset()):
        where = place.words()
        raise NotAllowedError("not_allowed_here", f"{action.words} is not possible in {where}.")
    if held and action in NOT_WHILE_HELD:
        raise NotAllowedError("held", "The migration is held. Resume it first.")
    if action is Action.RESUME and not held:
        raise NotAllowedError("not_held", "The migration is not held, nothing to resume.")
    if action is Action.LATE_ENTRY:
        return Move(Place(Phase.DUAL_RUN), held=True)
    if action is Action.ROLL_BACK:
        return Move(_target(place, weights, to_weight), held=True)
    # Abandoned and started migrations are not held; what stays where it is keeps its hold.
    stays = action in SAME_PLACE and held
    return Move(_arrival(action, place, weights), held=stays or action is Action.HOLD)


def _arrival(action: Action, place: Place, weights: Sequence[int]) -> Place:
    if action is Action.DECOMMISSION:
        return Place(Phase.DECOMMISSIONED, None, place.weight)
    if action is Action.ABANDON:
        return Place(Phase.ABANDONED)
    following = next_place(place, weights)
    if action in RAISING | {Action.START} and following is not None:
        return following
    return place


def _target(place: Place, weights: Sequence[int], to_weight: int) -> Place:
    lower = lower_places(place, weights)
    for candidate in lower:
        if candidate.weight == to_weight:
            return candidate
    choices = ", ".join(f"{p.weight}" for p in lower)
    raise NotAllowedError(
        "not_a_lower_step",
        f"Roll back to {to_weight} % is not in the plan. Lower steps: {choices}.",
    )
