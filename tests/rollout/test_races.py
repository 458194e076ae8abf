"""Many hands at once: one decision per version, roll back wins, the ledger stays whole."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from audit import queries as ledger
from rollout import services
from rollout.exceptions import ConflictError, StaleVersionError
from rollout.models import Decision
from tests.rollout.builders import NOW, OPERATOR, fresh, ready_for_canary, split_of

pytestmark = pytest.mark.django_db(transaction=True)
HANDS = 8


def at_once(*calls):
    barrier = Barrier(len(calls))

    def run(call):
        barrier.wait(timeout=10)
        try:
            return call()
        except ConflictError as exc:
            return exc
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_of_many_promotes_at_once_exactly_one_wins_and_the_others_hear_who():
    migration = ready_for_canary()

    def promote():
        return services.promote(
            slug=migration.slug,
            version=migration.version,
            reason="now",
            actor=OPERATOR,
            now=NOW,
        )

    results = at_once(*[promote] * HANDS)
    won = [r for r in results if isinstance(r, Decision)]
    lost = [r for r in results if isinstance(r, StaleVersionError)]
    assert (len(won), len(lost)) == (1, HANDS - 1)
    assert all("olga decided promote" in r.detail for r in lost)
    assert migration.decisions.filter(from_version=migration.version).count() == 1
    assert ledger.verify().verified


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
    assert ledger.verify().verified
