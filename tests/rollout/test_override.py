"""Override: a lead, a second person, named gates, an incident, an end, and a review afterwards."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from judge.verdict import Verdict
from rollout import oversight, services
from rollout.exceptions import ConflictError, ForbiddenError, GatesClosedError, InvalidError
from rollout.lifecycle import Action
from rollout.models import Approval, Review
from rollout.services import OverrideTerms
from tests.rollout.builders import NOW, fresh
from tests.rollout.life import (
    ANNA,
    LENA,
    OLGA,
    approved,
    assert_ledger_holds,
    at_weight,
    evidence,
    newest,
    open_gates,
    person,
)

__all__ = ["open_gates"]
pytestmark = pytest.mark.django_db
TERMS = OverrideTerms(gates=("discrepancy",), incident="INC-7", lifetime_s=3600)


def override(made, **changes):
    values = {
        "slug": made.slug,
        "version": fresh(made).version,
        "reason": "legacy is burning",
        "actor": LENA,
        "now": NOW,
    }
    return services.override(**{**values, **changes})


def consent(made, **changes):
    return approved(made, Action.OVERRIDE, terms=OverrideTerms(**{**_terms(), **changes}))


def _terms():
    return {"gates": TERMS.gates, "incident": TERMS.incident, "lifetime_s": TERMS.lifetime_s}


@pytest.fixture
def closed(open_gates):
    """In dual-run with one gate that does not pass."""
    made = at_weight(0)
    open_gates.say("discrepancy", Verdict.INCONCLUSIVE)
    return made


def test_it_moves_past_the_named_gate_and_leaves_a_review(closed):
    consent(closed)
    decision = override(closed)
    assert fresh(closed).weight == 5
    said = decision.entry.data["override"]
    assert (said["gates"], said["incident"], said["second"]) == (["discrepancy"], "INC-7", "anna")
    assert said["expires_at"] == "2026-11-24T13:00:00.000000Z"
    (review,) = oversight.open_reviews(closed)
    assert (review.cause, review.opened_by, review.entry_id) == (
        "override",
        "lena",
        decision.entry_id,
    )
    assert_ledger_holds()


def test_without_a_second_person_nothing_moves(closed):
    with pytest.raises(ConflictError) as refused:
        override(closed)
    assert refused.value.code == "approval_needed"
    approval = consent(closed)
    Approval.objects.filter(pk=approval.pk).update(approver="lena", requester="lars")
    with pytest.raises(ForbiddenError):
        override(closed)
    assert fresh(closed).weight == 0


def test_only_a_lead_overrides_and_says_why(closed):
    consent(closed)
    with pytest.raises(ForbiddenError):
        override(closed, actor=OLGA)
    with pytest.raises(InvalidError):
        override(closed, reason="")


def test_a_gate_that_was_not_named_still_closes_it(closed, open_gates):
    consent(closed)
    open_gates.say("split", Verdict.ERROR)
    with pytest.raises(GatesClosedError) as refused:
        override(closed)
    assert [g["gate"] for g in refused.value.extra["gates"]] == ["split"]


def test_when_every_gate_passes_there_is_nothing_to_override(closed, open_gates):
    consent(closed)
    open_gates.say("discrepancy", Verdict.PASS)
    with pytest.raises(ConflictError) as refused:
        override(closed)
    assert refused.value.code == "nothing_to_override"


def test_its_time_may_be_over_before_it_is_used(closed):
    consent(closed, lifetime_s=60)
    with pytest.raises(ConflictError) as refused:
        override(closed, now=NOW + timedelta(seconds=60))
    assert refused.value.code == "expired"


def test_the_expected_weight_is_checked(closed):
    with pytest.raises(ConflictError) as refused:
        override(closed, expected_weight=25)
    assert refused.value.code == "not_allowed_step"


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (None, "gates"),
        (OverrideTerms((), "INC-7", 60), "gates"),
        (OverrideTerms(("luck",), "INC-7", 60), "gates"),
        (OverrideTerms(("split",), " ", 60), "incident"),
        (OverrideTerms(("split",), "x" * 101, 60), "incident"),
        (OverrideTerms(("split",), "INC-7", 0), "expires_in_s"),
        (OverrideTerms(("split",), "INC-7", 4 * 3600 + 1), "expires_in_s"),
    ],
)
def test_terms_that_are_not_whole_are_refused_by_field(closed, terms, field):
    with pytest.raises(InvalidError) as refused:
        approved(closed, Action.OVERRIDE, terms=terms)
    assert refused.value.field == field


def test_only_an_override_has_terms(closed):
    with pytest.raises(InvalidError):
        approved(closed, Action.PROMOTE, terms=TERMS)


def test_while_it_is_in_force_banyan_does_not_undo_it_for_that_gate(closed):
    consent(closed)
    override(closed)
    made = fresh(closed)
    bad = evidence("discrepancy")
    assert services.on_gate_fail(migration=made, gate="discrepancy", evidence=bad, now=NOW) is None
    assert fresh(made).weight == 5
    other = services.on_gate_fail(
        migration=made, gate="errors", evidence=evidence("errors"), now=NOW
    )
    assert other.action == "roll_back"
    assert_ledger_holds()


def test_when_it_ends_and_the_gate_still_does_not_pass_banyan_holds_once(closed):
    consent(closed)
    override(closed)
    made, late = fresh(closed), NOW + timedelta(hours=1)
    assert services.on_override_end(migration=made, now=NOW) is None
    decision = services.on_override_end(migration=made, now=late)
    assert (decision.action, decision.actor_kind) == ("hold", "automation")
    assert services.on_override_end(migration=fresh(made), now=late) is None
    assert_ledger_holds()


def test_when_it_ends_and_the_gate_passes_nothing_happens(closed, open_gates):
    consent(closed)
    override(closed)
    open_gates.say("discrepancy", Verdict.PASS)
    late = NOW + timedelta(hours=1)
    assert services.on_override_end(migration=fresh(closed), now=late) is None
    assert Review.objects.get().lapsed_at == late
    assert not fresh(closed).held


def test_an_end_at_another_place_or_while_held_changes_nothing(closed):
    consent(closed)
    override(closed)
    services.roll_back(slug=closed.slug, actor=OLGA, now=NOW, reason="no")
    late = NOW + timedelta(hours=1)
    assert services.on_override_end(migration=fresh(closed), now=late) is None


def test_the_review_is_closed_by_another_person_with_a_text(closed):
    consent(closed)
    override(closed)
    (review,) = oversight.open_reviews(closed)

    def close(**changes):
        values = {"review_id": review.pk, "text": "was right", "actor": ANNA, "now": NOW}
        return services.close_review(**{**values, **changes})

    with pytest.raises(ForbiddenError):
        close(actor=LENA)
    with pytest.raises(ForbiddenError):
        close(actor=person("operator"))
    with pytest.raises(InvalidError):
        close(text=" ")
    assert close().closed_by == "anna"
    assert newest()["of"] == review.entry_id
    with pytest.raises(ConflictError):
        close()
    assert oversight.open_reviews(closed) == []
    assert_ledger_holds()


def test_the_database_refuses_a_review_by_who_acted_or_without_text(closed):
    consent(closed)
    override(closed)
    for values in ({"closed_by": "lena"}, {"closed_by": "anna", "closed_at": NOW}, {"text": "x"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Review.objects.update(**values)


def test_rolling_back_without_a_reason_leaves_a_review(open_gates):
    made = at_weight(5)
    services.roll_back(slug=made.slug, actor=OLGA, now=NOW)
    (review,) = oversight.open_reviews(made)
    assert review.cause == "empty_reason"
    services.close_review(review_id=review.pk, text="pager was right", actor=ANNA, now=NOW)
    assert_ledger_holds()
