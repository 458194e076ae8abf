"""The one writer: what it refuses when its assumptions are wrong, and the plain verbs' edges."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User

from audit import queries as ledger
from rollout import oversight, services
from rollout.exceptions import ConflictError, InvalidError, NotFoundError, StaleVersionError
from rollout.lifecycle import Action
from rollout.permissions import Role, role_of
from rollout.services import decide as _plain
from rollout.services.decide import Ask, deciding, legal_move, settle
from shadow.services import Connections
from tests.rollout.builders import NOW, fresh, make_migration, split_of
from tests.rollout.life import OLGA, at_weight, open_gates, started
from traffic.models import Proxy

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_gates")]


def settle_on_a_wrong_version(made):
    ask = Ask(made.slug, Action.HOLD, OLGA, NOW, reason="stop")
    with deciding(ask) as migration:
        migration.version += 1
        settle(migration, ask, legal_move(migration, ask))


def test_a_swap_that_finds_another_version_writes_nothing_at_all():
    made = at_weight(5)
    before = ledger.head().seq
    with pytest.raises(StaleVersionError) as refused:
        settle_on_a_wrong_version(made)
    assert "olga decided promote" in refused.value.detail
    assert (ledger.head().seq, fresh(made).held) == (before, False)


def test_a_migration_nobody_decided_on_yet_says_that_it_was_changed():
    made = make_migration()
    with pytest.raises(StaleVersionError) as refused:
        services.abandon(slug=made.slug, version=3, reason="x", actor=OLGA, now=NOW)
    assert "It was changed" in refused.value.detail


def test_a_migration_that_is_not_there_is_not_found():
    for call in (
        lambda: services.hold(slug="nobody", reason="x", actor=OLGA, now=NOW),
        lambda: services.promote(slug="nobody", version=1, reason="x", actor=OLGA, now=NOW),
        lambda: oversight.get_review(7),
    ):
        with pytest.raises(NotFoundError):
            call()


@pytest.mark.parametrize(
    "action", [Action.OVERRIDE, Action.DECOMMISSION, Action.CHANGE_POLICY, Action.WAIVE]
)
def test_what_has_conditions_of_its_own_is_no_plain_decision(action):
    made = started()
    with pytest.raises(ValueError, match="of its own"):
        _plain(slug=made.slug, action=action, version=1, reason="x", actor=OLGA, now=NOW)


def test_a_reason_has_an_end_and_is_needed():
    made = started()
    for call in (services.hold, services.resume):
        for reason in ("", "x" * 2001):
            with pytest.raises(InvalidError) as refused:
                call(slug=made.slug, reason=reason, actor=OLGA, now=NOW)
            assert refused.value.field == "reason"


def test_holding_twice_with_the_version_is_recorded_and_without_is_nothing():
    made = started()
    services.hold(slug=made.slug, reason="pager", actor=OLGA, now=NOW)
    assert services.hold(slug=made.slug, reason="again", actor=OLGA, now=NOW) is None
    held = fresh(made)
    services.hold(slug=made.slug, reason="mine", actor=OLGA, now=NOW, version=held.version)
    assert fresh(made).held_reason == "mine"


def start(made, monkeypatch, *problems):
    found = Connections("legacy-1", "candidate-1", tuple(problems))
    monkeypatch.setattr("shadow.services.check_connections", lambda pair: found)
    return services.start(slug=made.slug, version=0, reason="", actor=OLGA, now=NOW)


def test_starting_asks_both_services_and_a_proxy_and_notes_the_builds(monkeypatch):
    made = make_migration()
    with pytest.raises(ConflictError) as refused:
        start(made, monkeypatch, "Legacy does not answer.")
    assert refused.value.code == "not_reachable"
    with pytest.raises(ConflictError) as refused:
        start(made, monkeypatch)
    assert refused.value.code == "no_proxy"
    Proxy.objects.update(last_seen_at=NOW)
    assert start(made, monkeypatch).action == "start"
    assert fresh(made).builds == "legacy-1|candidate-1"
    assert split_of(made).mode == "dual_run"


def test_a_token_caps_the_role_of_its_user():
    user = User.objects.create_user("pia")
    assert role_of(user) is Role.VIEWER
    user.groups.add(Group.objects.get_or_create(name="lead")[0])
    assert role_of(user) is Role.LEAD
    assert role_of(user, token_role="operator") is Role.OPERATOR
    assert role_of(User.objects.create_superuser("root")) is Role.ADMIN
    assert role_of(AnonymousUser()) is None
