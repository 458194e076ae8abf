"""Which offered snapshot may be applied: a pure table, so it can be proved row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Action = Literal["apply", "nothing", "refuse"]
Code = Literal["", "foreign", "stale", "reused", "empty", "held"]


@dataclass(frozen=True, slots=True)
class Hold:
    """A break-glass on this proxy. While it stands no split may exceed `cap_tth` (of 10,000).

    `generation` is the one it was declared in: until a newer one is applied, the safe routes of
    that generation serve.
    """

    id: str
    cap_tth: int
    reason: str
    at: float
    generation: int


@dataclass(frozen=True, slots=True)
class Position:
    """The snapshot this proxy stands on."""

    lineage: str
    generation: int
    sha256: str
    exposure: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Offer:
    """What of an offered snapshot the fence looks at.

    `release_hold` is the hold that it ends, or several when more than one proxy broke the glass.
    """

    lineage: str
    generation: int
    sha256: str
    exposure: Mapping[str, int]
    release_hold: str | Sequence[str] | None = None
    adopt_from: str | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """The answer to an offer, with the reason of a refusal in plain words."""

    action: Action
    code: Code = ""
    reason: str = ""
    ends_hold: bool = False


APPLY = Ruling("apply")
NOTHING = Ruling("nothing")


def rule(ours: Position | None, hold: Hold | None, offer: Offer) -> Ruling:
    """Judge `offer` against where we stand. The first row that fits decides.

    1. another lineage that does not say it adopts ours: refused;
    2. a lower generation: refused, also when it asks for less;
    3. the same generation: nothing to do when it is the same document, else refused;
    4. one without any split, while we serve some: refused, a fleet never loses all it serves;
    5. while held: refused above the hold's cap, unless it is newer and releases this very hold;
    6. else applied.

    The document we already stand on, offered while held, is refused as `held` rather than called
    "nothing to do": its routes are not the ones that serve.
    """
    by_order = _by_order(ours, hold, offer) if ours is not None else None
    if by_order is not None:
        return by_order
    if ours is not None and ours.exposure and not offer.exposure:
        return _refuse("empty", f"generation {offer.generation} has no split, we serve some")
    if hold is None:
        return APPLY
    released = offer.release_hold or ()
    if hold.id in ((released,) if isinstance(released, str) else released):
        return Ruling("apply", ends_hold=True)
    return _above_cap(hold, offer) or APPLY


def rises(served: Mapping[str, int], offered: Mapping[str, int]) -> bool:
    """Whether any split would send more users to its candidate than now."""
    return any(share > served.get(split, 0) for split, share in offered.items())


def served_exposure(ours: Position | None, hold: Hold | None) -> Mapping[str, int]:
    """Return what users get now: nothing of the candidate while a hold's safe routes serve."""
    if ours is None or serves_safe_routes(ours, hold):
        return {}
    return ours.exposure


def serves_safe_routes(ours: Position, hold: Hold | None) -> bool:
    """Whether the safe routes serve, and not the routes of the position."""
    return hold is not None and hold.generation == ours.generation


def _by_order(ours: Position, hold: Hold | None, offer: Offer) -> Ruling | None:
    """Judge by lineage and generation alone; None when the offer is newer than ours."""
    theirs, mine = offer.generation, ours.generation
    if offer.lineage != ours.lineage:
        if offer.adopt_from == ours.lineage:
            return None
        return _refuse("foreign", f"lineage {offer.lineage} is not ours ({ours.lineage})")
    if theirs < mine:
        return _refuse("stale", f"generation {theirs} is older than {mine}")
    if theirs > mine:
        return None
    return _same_generation(ours, hold, offer)


def _same_generation(ours: Position, hold: Hold | None, offer: Offer) -> Ruling:
    if offer.sha256 != ours.sha256:
        return _refuse("reused", f"generation {offer.generation} came with other content")
    if hold is not None and serves_safe_routes(ours, hold):
        return _above_cap(hold, offer) or NOTHING
    return NOTHING


def _refuse(code: Code, reason: str) -> Ruling:
    return Ruling("refuse", code, reason)


def _above_cap(hold: Hold, offer: Offer) -> Ruling | None:
    above = {split: share for split, share in offer.exposure.items() if share > hold.cap_tth}
    if not above:
        return None
    asked = ", ".join(f"{split} {share / 100:g} %" for split, share in sorted(above.items()))
    return _refuse(
        "held",
        f"held ({hold.id}: {hold.reason}); generation {offer.generation} asks for {asked}, "
        f"the hold allows {hold.cap_tth / 100:g} %",
    )
