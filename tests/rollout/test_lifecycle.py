"""The life of a migration, as data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.lifecycle import (
    LIVE,
    TRANSITIONS,
    Action,
    NotAllowedError,
    Phase,
    Place,
    lower_places,
    move,
    next_place,
)

WEIGHTS = (5, 25, 50, 100)
PLACES = [
    Place(Phase.DRAFT),
    Place(Phase.DUAL_RUN),
    *(Place(Phase.CANARY, i, w) for i, w in enumerate(WEIGHTS)),
    Place(Phase.FULL, None, 100),
    Place(Phase.DECOMMISSIONED, None, 100),
    Place(Phase.ABANDONED),
]


def test_promote_walks_every_place_in_order_and_ends_at_full():
    walked, place = [], Place(Phase.DUAL_RUN)
    while (following := next_place(place, WEIGHTS)) is not None:
        walked.append(following.words())
        place = following
    assert walked == ["canary 5 %", "canary 25 %", "canary 50 %", "canary 100 %", "full"]


def test_roll_back_is_open_from_every_live_place_held_or_not():
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


def test_a_held_migration_is_not_promoted():
    with pytest.raises(NotAllowedError) as refused:
        move(Action.PROMOTE, Place(Phase.DUAL_RUN), held=True, weights=WEIGHTS)
    assert refused.value.code == "held"


def test_resume_lifts_the_hold_and_moves_nothing():
    place = Place(Phase.CANARY, 1, 25)
    made = move(Action.RESUME, place, held=True, weights=WEIGHTS)
    assert (made.to, made.held) == (place, False)


@given(
    st.sampled_from(PLACES),
    st.sampled_from([a for a in Action if a is not Action.CREATE]),
    st.booleans(),
    st.sampled_from((0, 5, 25, 50, 100)),
)
def test_every_move_is_in_the_table_and_only_promote_raises_the_weight(place, action, held, to):
    try:
        made = move(action, place, held=held, weights=WEIGHTS, to_weight=to)
    except NotAllowedError:
        return
    assert made.to == place or made.to.phase in TRANSITIONS[place.phase]
    if made.to.weight > place.weight:
        assert action is Action.PROMOTE
    if action is Action.ROLL_BACK:
        assert made.to.weight <= place.weight
        assert made.held


def test_lower_places_of_the_last_step_are_all_earlier_steps():
    assert [p.weight for p in lower_places(Place(Phase.FULL, None, 100), WEIGHTS)] == [
        0,
        5,
        25,
        50,
        100,
    ]
