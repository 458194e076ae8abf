"""Waivers: one checklist item, by a lead, with a reason and an end; never of what FAILed."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from judge.verdict import Verdict
from rollout import oversight, queries, services
from rollout.exceptions import ConflictError, GatesClosedError, InvalidError
from rollout.models import Waiver
from tests.rollout.builders import NOW, fresh
from tests.rollout.life import LENA, assert_ledger_holds, open_gates, promoted, started

__all__ = ["open_gates"]
pytestmark = pytest.mark.django_db
HOUR = 3600


def waive(made, **changes):
    values = {
        "slug": made.slug,
        "item": "discrepancy",
        "version": fresh(made).version,
        "reason": "a known rounding",
        "lifetime_s": HOUR,
        "actor": LENA,
        "now": NOW,
    }
    return services.waive(**{**values, **changes})


def end(made, **changes):
    values = {
        "slug": made.slug,
        "item": "discrepancy",
        "version": fresh(made).version,
        "actor": LENA,
        "now": NOW,
    }
    return services.end_waiver(**{**values, **changes})


@pytest.fixture
def thin(open_gates):
    open_gates.say("discrepancy", Verdict.INCONCLUSIVE)
    return started()


def test_a_waived_item_does_not_close_promote_and_the_entry_says_so(thin):
    with pytest.raises(GatesClosedError):
        promoted(thin)
    decision = waive(thin)
    assert (decision.action, decision.from_version) == ("waive", thin.version)
    assert queries.migration_view(thin.slug, now=NOW).can_promote
    promoted(fresh(thin))
    entry = fresh(thin).decisions.first().entry
    verdicts = {v["gate"]: v for v in entry.data["verdicts"]}
    assert verdicts["discrepancy"]["verdict"] == "INCONCLUSIVE"
    assert verdicts["discrepancy"]["waived"] is True
    assert "waived" not in verdicts["split"]
    assert_ledger_holds()


def test_what_failed_is_not_waived(thin, open_gates):
    waive(thin)
    open_gates.say("discrepancy", Verdict.FAIL)
    with pytest.raises(GatesClosedError):
        promoted(thin)


def test_a_waiver_ends_by_itself_or_by_hand(thin):
    waive(thin)
    with pytest.raises(ConflictError) as refused:
        waive(thin)
    assert refused.value.code == "waived"
    late = NOW + timedelta(seconds=HOUR)
    assert oversight.live_waivers(thin, now=late) == {}
    with pytest.raises(GatesClosedError):
        promoted(fresh(thin), now=late)
    waive(thin, now=late)
    assert Waiver.objects.filter(ended_at=late).count() == 1
    end(thin, now=late)
    assert oversight.live_waivers(thin, now=late) == {}
    with pytest.raises(ConflictError) as refused:
        end(thin, now=late)
    assert refused.value.code == "not_waived"
    assert len(oversight.waivers_of(thin)) == 2
    assert_ledger_holds()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"item": "split"}, "item"),
        ({"reason": " "}, "reason"),
        ({"reason": "x" * 2001}, "reason"),
        ({"lifetime_s": 0}, "expires_in_s"),
        ({"lifetime_s": 7 * 24 * HOUR + 1}, "expires_in_s"),
    ],
)
def test_a_waiver_that_is_not_whole_is_refused_by_field(thin, changes, field):
    with pytest.raises(InvalidError) as refused:
        waive(thin, **changes)
    assert refused.value.field == field
    assert fresh(thin).version == thin.version


def test_the_database_refuses_a_long_a_nameless_or_a_second_waiver(thin):
    waive(thin)
    for values in ({"lifetime_s": 8 * 24 * HOUR}, {"by": ""}, {"expires_at": NOW}, {"item": "x"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Waiver.objects.update(**values)
