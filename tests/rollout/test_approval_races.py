"""One approval, many hands: it is answered once and used once."""

from functools import partial

import pytest

from rollout import oversight, services
from rollout.exceptions import ConflictError, RefusalError
from rollout.lifecycle import Action
from rollout.models import Decision
from tests.rollout.builders import NOW, fresh
from tests.rollout.life import (
    LENA,
    OLGA,
    approved,
    assert_ledger_holds,
    open_gates,
    person,
    started,
)
from tests.storm.crowd import at_once

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("open_gates")]
HANDS = 4


def test_of_many_promotes_on_one_approval_one_uses_it():
    made = started(policy="guide")
    granted = approved(made)
    promote = partial(
        services.promote,
        slug=made.slug,
        version=made.version,
        reason="go",
        actor=OLGA,
        now=NOW,
    )
    results = at_once(*[promote] * HANDS)
    assert sum(isinstance(r, Decision) for r in results) == 1
    assert oversight.get_approval(granted.pk).state == "used"
    assert fresh(made).weight == 5
    assert_ledger_holds()


def test_of_many_answers_one_counts_and_a_roll_back_beside_them_still_wins():
    made = started(policy="guide")
    asked = services.request_approval(
        slug=made.slug,
        action=Action.PROMOTE,
        version=made.version,
        reason="look",
        actor=OLGA,
        now=NOW,
    )
    answers = [
        partial(
            services.grant_approval,
            approval_id=asked.pk,
            actor=person("approver", f"approver-{n}"),
            now=NOW,
        )
        for n in range(HANDS - 1)
    ]
    stop = partial(services.roll_back, slug=made.slug, actor=LENA, now=NOW, reason="stop")
    results = at_once(*answers, stop)
    assert sum(isinstance(r, ConflictError) for r in results) >= HANDS - 2
    assert oversight.get_approval(asked.pk).state == "expired"
    assert fresh(made).held
    with pytest.raises(RefusalError):
        services.promote(
            slug=made.slug, version=fresh(made).version, reason="go", actor=OLGA, now=NOW
        )
    assert_ledger_holds()
