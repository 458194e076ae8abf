"""Many hands and sudden deaths: one decision per version, roll back wins, the ledger stays whole.

The short of `python -m tests.storm`, which measures the same with 50 hands and 500 deaths.
"""

import os
from dataclasses import replace

import pytest
from django.db import OperationalError, transaction

from rollout import services
from rollout.exceptions import StaleVersionError
from rollout.lifecycle import Action
from rollout.services.decide import Ask, told_when_late
from tests.rollout.builders import NOW, OPERATOR, fresh, ready_for_canary, split_of
from tests.storm.crowd import at_once, crowd
from tests.storm.deaths import deaths
from tests.storm.ready import assert_ledger_verifies, assert_whole, make_ready

pytestmark = pytest.mark.django_db(transaction=True)
SEED = int(os.environ.get("BANYAN_SEED", "20261124"))


def test_of_many_promotes_at_once_exactly_one_wins_and_the_others_hear_who():
    tally = crowd(make_ready(), rounds=2, hands=12)
    assert tally.kept, tally
    assert tally.answers == {"decided": 2, "stale_version": 22}
    assert_ledger_verifies()


def test_who_dies_in_promote_leaves_all_or_nothing_and_trying_again_decides_once():
    fallen, _committed = deaths(made := make_ready(), kills=8, seed=SEED)
    assert fallen.inside + fallen.done == 8
    assert assert_whole(made).weight == 5
    assert_ledger_verifies()


def test_a_roll_back_in_a_race_with_promote_leaves_no_user_on_the_candidate():
    migration = ready_for_canary()

    def promote():
        return services.promote(
            slug=migration.slug, version=migration.version, reason="go", actor=OPERATOR, now=NOW
        )

    def roll_back():
        return services.roll_back(slug=migration.slug, actor=OPERATOR, now=NOW, reason="stop")

    at_once(promote, roll_back)
    after = fresh(migration)
    assert (after.weight, after.held) == (0, True)
    assert split_of(after).weight_tth == 0
    assert_ledger_verifies()


def test_who_waited_in_vain_for_a_lock_hears_who_was_faster():
    """A crowd on a slow machine: a lock that does not come in time is a lost race, not a fault."""
    migration = ready_for_canary()
    services.hold(slug=migration.slug, actor=OPERATOR, now=NOW, reason="look")
    ask = Ask(migration.slug, Action.PROMOTE, OPERATOR, NOW, migration.version)
    with pytest.raises(StaleVersionError), told_when_late(ask):
        raise OperationalError("database is locked")
    with pytest.raises(OperationalError), told_when_late(replace(ask, version=None)):
        raise OperationalError("database is locked")
    with pytest.raises(OperationalError), transaction.atomic(), told_when_late(ask):
        raise OperationalError("nothing can be asked inside a transaction that failed")
