"""Approvals: two people, bound to plan, builds, place and version, with an end."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from rollout import oversight, services
from rollout.exceptions import ConflictError, ForbiddenError, InvalidError, NotFoundError
from rollout.lifecycle import Action
from rollout.models import Approval
from tests.rollout.builders import NOW, fresh
from tests.rollout.life import (
    ANNA,
    LENA,
    OLGA,
    approved,
    assert_ledger_holds,
    newest,
    open_gates,
    person,
    promoted,
    set_builds,
    started,
)

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_gates")]


def ask(made, **changes):
    values = {
        "slug": made.slug,
        "action": Action.PROMOTE,
        "version": made.version,
        "reason": "please look",
        "actor": OLGA,
        "now": NOW,
    }
    return services.request_approval(**{**values, **changes})


def promote(made, **changes):
    values = {
        "slug": made.slug,
        "version": fresh(made).version,
        "reason": "approved",
        "actor": OLGA,
        "now": NOW,
    }
    return services.promote(**{**values, **changes})


def grant(approval, **changes):
    values = {"approval_id": approval.pk, "actor": ANNA, "now": NOW}
    return services.grant_approval(**{**values, **changes})


def test_under_the_guide_policy_two_people_move_it_and_the_approval_is_used():
    made = started(policy="guide")
    granted = approved(made)
    assert (granted.state, granted.approver) == ("granted", "anna")
    decision = promote(made)
    used = oversight.get_approval(granted.pk)
    assert (used.state, used.decision_id) == ("used", decision.pk)
    assert decision.entry.data["approval"] == granted.pk
    assert fresh(made).weight == 5
    assert_ledger_holds()


def test_granting_moves_nothing():
    made = started(policy="guide")
    approved(made)
    assert fresh(made).version == made.version
    assert newest()["action"] == "migration:grant_approval"


def test_without_approval_the_promotion_is_refused_by_name():
    made = started(policy="guide")
    with pytest.raises(ConflictError) as refused:
        promote(made)
    assert refused.value.code == "approval_needed"
    ask(made)
    with pytest.raises(ConflictError) as refused:
        promote(made)
    assert (refused.value.code, refused.value.extra["rule"]) == ("approval_pending", "approval")


def test_the_requester_does_not_approve_nor_the_approver_move():
    made = started(policy="guide")
    asked = ask(made, actor=ANNA)
    with pytest.raises(ForbiddenError) as refused:
        grant(asked)
    assert refused.value.code == "own_approval"
    grant(asked, actor=LENA)
    with pytest.raises(ForbiddenError) as refused:
        promote(made, actor=LENA)
    assert refused.value.code == "own_approval"
    assert promote(made, actor=ANNA).action == "promote"


def test_the_database_refuses_one_person_twice():
    made = started(policy="guide")
    asked = ask(made)
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=asked.pk).update(state="granted", approver=asked.requester)
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=asked.pk).update(state="granted")
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=asked.pk).update(state="used", approver="anna")
    asked.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        asked.save()


def change_plan(made):
    services.change_addresses(
        slug=made.slug,
        legacy_url="http://127.0.0.1:9001",
        candidate_url="http://127.0.0.1:9777",
        actor=OLGA,
        now=NOW,
    )


def change_build(made):
    set_builds(made, candidate="candidate-2")


def hold_and_resume(made):
    services.hold(slug=made.slug, reason="pager", actor=OLGA, now=NOW)
    services.resume(slug=made.slug, reason="quiet", actor=OLGA, now=NOW)


def tighten(made):
    policy = {**fresh(made).policy, "warmup_s": 61, "name": "ours"}
    services.change_policy(
        slug=made.slug,
        version=fresh(made).version,
        document=policy,
        reason="longer",
        actor=LENA,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (change_plan, "plan_changed"),
        (change_build, "build_changed"),
        (hold_and_resume, "decided_since"),
        (tighten, "plan_changed"),
    ],
)
@pytest.mark.parametrize("granted", [True, False])
def test_what_changes_the_matter_voids_the_approval_and_says_what(change, code, granted):
    made = started(policy="guide")
    asked = ask(made)
    if granted:
        grant(asked)
    change(made)
    if granted:
        with pytest.raises(ConflictError) as refused:
            promote(made)
    else:
        with pytest.raises(ConflictError) as refused:
            grant(asked)
    assert refused.value.code == code
    assert fresh(made).weight == 0
    assert_ledger_holds()


def test_an_approval_expires_by_itself_granted_or_not():
    made = started(policy="guide")
    approved(made)
    late = NOW + timedelta(seconds=1800)
    with pytest.raises(ConflictError) as refused:
        promote(made, now=late)
    assert refused.value.code == "approval_expired"
    again = ask(made, now=late)
    assert again.state == "requested"
    later = late + timedelta(hours=1)
    with pytest.raises(ConflictError) as refused:
        grant(again, now=later)
    assert refused.value.code == "approval_expired"
    assert oversight.get_approval(again.pk).state == "expired"


def test_an_approval_is_used_once():
    made = started(policy="guide")
    promoted(made)
    with pytest.raises(ConflictError) as refused:
        promote(made)
    assert refused.value.code == "approval_needed"


def test_it_is_for_the_place_it_was_asked_for():
    made = started(policy="guide")
    granted = approved(made)
    Approval.objects.filter(pk=granted.pk).update(
        to_place={"phase": "canary", "step": 3, "weight": 100}
    )
    with pytest.raises(ConflictError) as refused:
        promote(made)
    assert refused.value.code == "target_changed"


def test_one_request_at_a_time_and_only_for_a_legal_move():
    made = started(policy="guide")
    ask(made)
    with pytest.raises(ConflictError) as refused:
        ask(made)
    assert refused.value.code == "approval_open"
    with pytest.raises(ConflictError) as refused:
        ask(made, action=Action.DECOMMISSION)
    assert refused.value.code == "not_allowed_here"
    with pytest.raises(ConflictError) as refused:
        ask(made, version=0)
    assert refused.value.code == "stale_version"
    with pytest.raises(InvalidError):
        ask(made, action=Action.HOLD)
    with pytest.raises(InvalidError):
        ask(made, reason=" ")


def test_whoever_asks_must_be_allowed_the_move():
    made = started(policy="guide")
    with pytest.raises(ForbiddenError):
        ask(made, action=Action.OVERRIDE)
    with pytest.raises(ForbiddenError):
        ask(made, actor=person("viewer"))


def test_a_declined_or_withdrawn_request_opens_nothing():
    made = started(policy="guide")
    asked = ask(made)
    with pytest.raises(InvalidError):
        services.decline_approval(approval_id=asked.pk, actor=ANNA, now=NOW, answer="")
    with pytest.raises(ForbiddenError):
        services.decline_approval(
            approval_id=asked.pk, actor=person("lead", "olga"), now=NOW, answer="no"
        )
    services.decline_approval(approval_id=asked.pk, actor=ANNA, now=NOW, answer="not today")
    with pytest.raises(ConflictError) as refused:
        promote(made)
    assert refused.value.code == "approval_needed"
    with pytest.raises(ConflictError) as refused:
        grant(asked)
    assert refused.value.code == "approval_answered"
    second = grant(ask(made))
    with pytest.raises(ForbiddenError):
        services.withdraw_approval(approval_id=second.pk, actor=LENA, now=NOW)
    withdrawn = services.withdraw_approval(approval_id=second.pk, actor=ANNA, now=NOW)
    assert withdrawn.state == "withdrawn"
    with pytest.raises(ConflictError):
        promote(made)
    assert_ledger_holds()


def test_an_unknown_approval_is_not_found():
    with pytest.raises(NotFoundError):
        services.grant_approval(approval_id=999, actor=ANNA, now=NOW)


def test_what_waits_for_me_is_what_others_asked():
    made = started(policy="guide")
    asked = ask(made)
    assert oversight.approvals_waiting(name="anna", now=NOW) == [asked]
    assert oversight.approvals_waiting(name="olga", now=NOW) == []
    assert oversight.approvals_waiting(name="anna", now=NOW + timedelta(hours=1)) == []


def test_a_policy_without_approvals_asks_for_none():
    made = started(policy="demo")
    assert promote(made).action == "promote"
