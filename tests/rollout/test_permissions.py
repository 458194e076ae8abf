"""Who may do what: every verb by every role, people and processes."""

import pytest

from audit.chain import Actor
from rollout import services
from rollout.exceptions import ForbiddenError, RefusalError
from rollout.lifecycle import ALLOWED_FROM, Action, NotAllowedError, move
from rollout.permissions import Role, can, check, may, role_named
from tests.rollout.life import AUTOMATION, ROLES, at_weight, open_gates, person, started
from tests.rollout.test_lifecycle import PLACES, WEIGHTS

__all__ = ["open_gates"]

# The least role of each verb, written down a second time.
LEAST = {
    "create": "operator",
    "start": "operator",
    "promote": "operator",
    "hold": "operator",
    "resume": "operator",
    "roll_back": "operator",
    "override": "lead",
    "decommission": "operator",
    "abandon": "operator",
    "reset": "lead",
    "change_policy": "operator",
    "change_rules": "operator",
    "waive": "lead",
    "end_waiver": "lead",
    "request_approval": "operator",
    "grant_approval": "approver",
    "decline_approval": "approver",
    "withdraw_approval": "operator",
    "close_review": "approver",
    "late_entry": None,
    "run_check": "operator",
    "change_check": "operator",
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", Action)
def test_each_role_may_do_what_the_table_says(action, role):
    least = LEAST[action.value]
    allowed = least is not None and ROLES.index(role) >= ROLES.index(least)
    assert can(Role(role), action) is allowed
    assert may(person(role), action) is allowed
    if allowed:
        check(person(role), action)
    else:
        with pytest.raises(ForbiddenError) as refused:
            check(person(role), action)
        assert refused.value.extra["rule"] == ("role" if least else "people")
        assert (least or "nobody's hand") in refused.value.detail


@pytest.mark.parametrize("action", Action)
def test_banyan_itself_only_holds_and_rolls_back_and_a_host_only_rolls_back(action):
    assert may(AUTOMATION, action) is (action in (Action.HOLD, Action.ROLL_BACK))
    of_a_host = action in (Action.ROLL_BACK, Action.LATE_ENTRY)
    assert may(Actor("host", "edge-1", "host"), action) is of_a_host


def test_nobody_and_an_unknown_role_may_nothing():
    assert not can(None, Action.HOLD)
    assert role_named("emperor") is None
    with pytest.raises(ForbiddenError) as refused:
        check(Actor("user", "x", ""), Action.HOLD)
    assert "nobody" in refused.value.detail
    with pytest.raises(ForbiddenError):
        check(AUTOMATION, Action.PROMOTE)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", sorted(ALLOWED_FROM))
def test_no_role_below_the_table_moves_anything_from_anywhere(action, role, held):
    for place in PLACES:
        try:
            made = move(action, place, held=held, weights=WEIGHTS)
        except NotAllowedError:
            continue
        if made.to.weight > place.weight:
            assert action in (Action.PROMOTE, Action.OVERRIDE)
            assert not may(AUTOMATION, action)
            assert not may(person("viewer"), action)


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("verb", "action"),
    [
        ("promote", "promote"),
        ("hold", "hold"),
        ("roll_back", "roll_back"),
        ("override", "override"),
        ("abandon", "abandon"),
        ("waive", "waive"),
        ("reset_verdict", "reset"),
    ],
)
def test_services_themselves_refuse_a_role_that_is_too_low(open_gates, verb, action, role):
    made = started() if verb == "abandon" else at_weight(5)
    values = {"slug": made.slug, "reason": "because", "actor": person(role), "now": made.placed_at}
    if verb not in ("hold", "roll_back"):
        values["version"] = made.version
    values |= {
        "waive": {"item": "load", "lifetime_s": 60},
        "reset_verdict": {"gate": "errors"},
    }.get(verb, {})
    allowed = ROLES.index(role) >= ROLES.index(LEAST[action])
    refused = None
    try:
        getattr(services, verb)(**values)
    except RefusalError as exc:
        refused = exc
    assert allowed is not isinstance(refused, ForbiddenError)
