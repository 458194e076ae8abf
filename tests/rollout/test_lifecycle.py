"""The life of a migration, as data: every action at every place, and what never happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.lifecycle import (
    ALLOWED_FROM,
    LIVE,
    RAISING,
    SAME_PLACE,
    TRANSITIONS,
    Action,
    NotAllowedError,
    Phase,
    Place,
    gated_place,
    lower_places,
    move,
    next_place,
)

WEIGHTS = (5, 25, 50, 100)
DRAFT = Place(Phase.DRAFT)
DUAL_RUN = Place(Phase.DUAL_RUN)
CANARY = [Place(Phase.CANARY, i, w) for i, w in enumerate(WEIGHTS)]
FULL = Place(Phase.FULL, None, 100)
DECOMMISSIONED = Place(Phase.DECOMMISSIONED, None, 100)
ABANDONED = Place(Phase.ABANDONED)
PLACES = [DRAFT, DUAL_RUN, *CANARY, FULL, DECOMMISSIONED, ABANDONED]
LINE = [DRAFT, DUAL_RUN, *CANARY, FULL]


def expected(action: Action, place: Place, held: bool):  # noqa: C901, PLR0911  # a table
    """What the design's table says, written down a second time."""
    live = place in LINE[1:]
    if action in (Action.PROMOTE, Action.OVERRIDE):
        if not live or place == FULL:
            return "not_allowed_here"
        return "held" if held else (LINE[LINE.index(place) + 1], False)
    if action is Action.START:
        return (DUAL_RUN, False) if place == DRAFT else "not_allowed_here"
    if action is Action.DECOMMISSION:
        if place != FULL:
            return "not_allowed_here"
        return "held" if held else (DECOMMISSIONED, False)
    if action is Action.ABANDON:
        return (ABANDONED, False) if place == DUAL_RUN else "not_allowed_here"
    if action in (
        Action.CHANGE_POLICY,
        Action.CHANGE_RULES,
        Action.WAIVE,
        Action.END_WAIVER,
    ):
        return (place, held) if place in LINE else "not_allowed_here"
    if action not in ALLOWED_FROM or not live:
        return "not_allowed_here"
    if action is Action.RESUME:
        return (place, False) if held else "not_held"
    return {
        Action.HOLD: (place, True),
        Action.ROLL_BACK: (DUAL_RUN, True),
        Action.LATE_ENTRY: (DUAL_RUN, True),
        Action.RESET: (place, held),
    }[action]


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("place", PLACES, ids=Place.words)
@pytest.mark.parametrize("action", Action)
def test_every_action_at_every_place_does_what_the_table_says(action, place, held):
    said = expected(action, place, held)
    if isinstance(said, str):
        with pytest.raises(NotAllowedError) as refused:
            move(action, place, held=held, weights=WEIGHTS)
        assert refused.value.code == said
    else:
        made = move(action, place, held=held, weights=WEIGHTS)
        assert (made.to, made.held) == said


def test_promote_walks_every_place_in_order_and_ends_at_full():
    walked, place = [], Place(Phase.DUAL_RUN)
    while (following := next_place(place, WEIGHTS)) is not None:
        walked.append(following.words())
        place = following
    assert walked == ["canary 5 %", "canary 25 %", "canary 50 %", "canary 100 %", "full"]


def test_gates_are_those_of_the_next_place_with_users():
    assert [gated_place(place, WEIGHTS) for place in LINE] == [
        CANARY[0],
        CANARY[0],
        *CANARY[1:],
        FULL,
        FULL,
    ]


def test_a_roll_back_is_open_from_every_live_place_held_or_not():
    for place in PLACES:
        for held in (True, False):
            if place.phase in LIVE:
                made = move(Action.ROLL_BACK, place, held=held, weights=WEIGHTS)
                assert made.to == Place(Phase.DUAL_RUN)
                assert made.held
            else:
                with pytest.raises(NotAllowedError):
                    move(Action.ROLL_BACK, place, held=held, weights=WEIGHTS)


def test_roll_back_reaches_lower_steps_only():
    at_50 = Place(Phase.CANARY, 2, 50)
    assert move(Action.ROLL_BACK, at_50, held=False, weights=WEIGHTS, to_weight=5).to.weight == 5
    for weight in (7, 50, 100):
        with pytest.raises(NotAllowedError) as refused:
            move(Action.ROLL_BACK, at_50, held=False, weights=WEIGHTS, to_weight=weight)
        assert refused.value.code == "not_a_lower_step"


@given(
    st.lists(st.integers(1, 99), unique=True, max_size=6).map(lambda w: (*sorted(w), 100)),
    st.integers(0, 20),
    st.sampled_from(list(Action)),
    st.booleans(),
    st.integers(0, 100),
)
def test_only_promote_and_override_raise_the_weight_whatever_the_plan(
    weights, where, action, held, to
):
    places = [
        DRAFT,
        DUAL_RUN,
        *(Place(Phase.CANARY, i, w) for i, w in enumerate(weights)),
        FULL,
        DECOMMISSIONED,
        ABANDONED,
    ]
    place = places[where % len(places)]
    try:
        made = move(action, place, held=held, weights=weights, to_weight=to)
    except NotAllowedError:
        return
    assert made.to == place or made.to.phase in TRANSITIONS[place.phase]
    if made.to.weight > place.weight:
        assert action in RAISING
        assert not held
    if action is Action.ROLL_BACK:
        assert made.to.weight <= place.weight
        assert made.held
    if action in SAME_PLACE:
        assert (made.to, made.held) == (place, held)


def test_lower_places_of_the_last_step_are_all_earlier_steps():
    weights = [p.weight for p in lower_places(FULL, WEIGHTS)]
    assert weights == [0, 5, 25, 50, 100]
    assert lower_places(DRAFT, WEIGHTS) == ()
    assert lower_places(DUAL_RUN, WEIGHTS) == (DUAL_RUN,)


def test_a_canary_without_a_step_leads_nowhere():
    assert next_place(Place(Phase.CANARY, None, 5), WEIGHTS) is None
    assert move(Action.PROMOTE, Place(Phase.CANARY, None, 5), held=False, weights=WEIGHTS).to == (
        Place(Phase.CANARY, None, 5)
    )


def test_a_place_has_one_key_and_says_where_it_is():
    assert [p.key for p in PLACES[:3]] == ["draft:0", "dual_run:0", "canary:5"]
    assert Action.ROLL_BACK.words == "Roll back"
