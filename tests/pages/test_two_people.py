"""What two people do on the pages: ask, approve, override, waive, change the policy, end it."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from judge.verdict import Verdict
from rollout import services
from rollout.lifecycle import Action, Phase
from rollout.models import Approval, Review, ServiceMigration, Waiver
from rollout.policy import Policy
from tests.pages import world
from tests.rollout.builders import fresh
from tests.rollout.life import at_weight, in_effect, open_gates, person, started, traffic_of
from traffic.models import Proxy

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_gates", "plain")]


@pytest.fixture
def plain(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    world.people()


def signed_in(name):
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def text(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def version(made):
    return ServiceMigration.objects.get(pk=made.pk).version


def guided():
    return started(policy="guide", now=timezone.now())


def asked(made):
    client = signed_in("operator")
    posted = {"reason": "two clean nights", "version": version(made)}
    assert client.post(f"/m/{made.slug}/ask/", posted).status_code == 302
    return Approval.objects.get()


def test_the_first_person_asks_where_the_policy_wants_two():
    made = guided()
    page = signed_in("operator").get(f"/m/{made.slug}/")
    assert f"/m/{made.slug}/ask/" in page.content.decode()
    approval = asked(made)
    assert (approval.state, approval.requester) == ("requested", "operator")
    after = text(signed_in("operator").get(f"/m/{made.slug}/"))
    assert "Waiting for an answer to operator’s request." in after


def test_the_second_person_sees_the_evidence_and_agrees_and_the_first_moves_it():
    made, approver = guided(), signed_in("approver")
    approval = asked(made)
    page = text(approver.get("/approvals/"))
    assert "1 request waits for you" in page
    assert "two clean nights" in page
    answer = approver.post(f"/approvals/{approval.pk}/approve/", {"reason": "looks right"})
    assert answer["Location"] == "/approvals/"
    posted = {"reason": "approved", "version": version(made), "confirm": f"{made.slug} 5"}
    assert signed_in("operator").post(f"/m/{made.slug}/promote/", posted).status_code == 302
    assert fresh(made).weight == 5


def test_nobody_approves_what_they_asked_for_themselves():
    made = guided()
    services.request_approval(
        slug=made.slug,
        action=Action.PROMOTE,
        version=made.version,
        reason="mine",
        actor=person("approver", "approver"),
        now=timezone.now(),
    )
    approval = Approval.objects.get()
    answer = signed_in("approver").post(f"/approvals/{approval.pk}/approve/", {"reason": ""})
    assert answer.status_code == 403
    assert "Somebody else approves it." in text(answer)
    assert Approval.objects.get().state == "requested"


def test_declining_needs_words_and_withdrawing_does_not():
    made, approver = guided(), signed_in("approver")
    approval = asked(made)
    silent = approver.post(f"/approvals/{approval.pk}/decline/", {"reason": " "})
    assert silent.status_code == 422
    assert "Say why not." in text(silent)
    assert signed_in("operator").post(f"/approvals/{approval.pk}/withdraw/", {}).status_code == 302
    assert Approval.objects.get().state == "withdrawn"


def test_an_operator_is_told_who_overrides():
    made = guided()
    page = text(signed_in("operator").get(f"/m/{made.slug}/override/"))
    assert "Operators can’t override. Ask a lead in" in page


def test_an_override_is_asked_for_by_a_lead_approved_by_another_and_leaves_a_review(open_gates):
    made, lead = guided(), signed_in("lead")
    open_gates.say("latency", Verdict.INCONCLUSIVE)
    confirm = f"{made.slug} 5 override"
    posted = {
        "reason": "legacy dies",
        "version": version(made),
        "gates": ["latency"],
        "incident": "INC-1",
        "expires_in_s": "3600",
        "confirm": confirm,
    }
    without = lead.post(f"/m/{made.slug}/override/", {**posted, "gates": []})
    assert (without.status_code, Approval.objects.count()) == (422, 0)
    assert lead.post(f"/m/{made.slug}/override/", posted).status_code == 302
    approval = Approval.objects.get()
    assert approval.terms["gates"] == ["latency"]
    assert signed_in("approver").post(f"/approvals/{approval.pk}/approve/", {}).status_code == 302
    move = {"reason": "approved", "version": version(made), "confirm": confirm}
    assert lead.post(f"/m/{made.slug}/override/", move).status_code == 302
    assert fresh(made).weight == 5
    review = Review.objects.get()
    page = text(signed_in("approver").get("/approvals/"))
    assert "review of entry" in page
    closed = signed_in("approver").post(f"/reviews/{review.pk}/close/", {"reason": "fine"})
    assert closed.status_code == 302
    assert Review.objects.get().closed_by == "approver"


def test_a_lead_waives_an_item_and_asks_for_it_again():
    made, lead = started(now=timezone.now()), signed_in("lead")
    posted = {"reason": "next week", "version": version(made), "expires_in_s": "3600"}
    assert lead.post(f"/m/{made.slug}/checklist/log_format/waive/", posted).status_code == 302
    assert Waiver.objects.get().item == "log_format"
    page = text(lead.get(f"/m/{made.slug}/checklist/?open=log_format"))
    assert "Waived" in page
    assert "next week" in page
    again = {"reason": "fixed", "version": version(made)}
    assert lead.post(f"/m/{made.slug}/checklist/log_format/ask/", again).status_code == 302
    assert Waiver.objects.get().ended_by == "lead"


def test_an_operator_tightens_a_policy_after_a_preview_and_cannot_loosen_it():
    made, operator = started(now=timezone.now()), signed_in("operator")
    looser = {"discrepancy.limit": "0.01", "do": "preview", "version": version(made)}
    page = text(operator.post(f"/m/{made.slug}/settings/", looser))
    assert "looser" in page
    assert "Loosening needs a lead." in page
    refused = operator.post(
        f"/m/{made.slug}/settings/", {**looser, "do": "save", "reason": "easier"}
    )
    assert refused.status_code == 403
    stricter = {**looser, "discrepancy.limit": "0.0005", "do": "save", "reason": "we can do better"}
    assert operator.post(f"/m/{made.slug}/settings/", stricter).status_code == 302
    assert Policy.from_dict(fresh(made).policy).discrepancy.limit == 0.0005


@pytest.mark.parametrize("typed", ["", "nan", "much", "-1", "1e999"])
def test_a_setting_that_is_no_number_is_named_and_nothing_is_saved(typed):
    made = started(now=timezone.now())
    posted = {"discrepancy.limit": typed, "do": "save", "reason": "x", "version": version(made)}
    answer = signed_in("lead").post(f"/m/{made.slug}/settings/", posted)
    assert answer.status_code == 422
    assert "discrepancy.limit" in text(answer)
    assert fresh(made).version == made.version


def test_the_last_step_asks_for_typed_words_and_a_second_person():
    now = timezone.now()
    made = in_effect(at_weight(100, full=True, now=now), at=now - timedelta(seconds=60))
    traffic_of(made, at=now, candidate=100)
    Proxy.objects.update(last_seen_at=now)
    operator = signed_in("operator")
    assert "Ask for it first" in text(operator.get(f"/m/{made.slug}/decommission/"))
    asked(made)
    approval = Approval.objects.latest("pk")
    assert signed_in("approver").post(f"/approvals/{approval.pk}/approve/", {}).status_code == 302
    wrong = {"reason": "drained", "version": version(made), "confirm": "yes"}
    assert operator.post(f"/m/{made.slug}/decommission/", wrong).status_code == 422
    right = {**wrong, "confirm": f"{made.slug} decommission"}
    assert operator.post(f"/m/{made.slug}/decommission/", right).status_code == 302
    assert fresh(made).phase == Phase.DECOMMISSIONED
    assert "Decommissioned legacy" in text(operator.get(f"/m/{made.slug}/report/"))


def test_a_dual_run_is_given_up_from_its_settings():
    made, operator = started(now=timezone.now()), signed_in("operator")
    assert f"/m/{made.slug}/abandon/" in operator.get(f"/m/{made.slug}/settings/").content.decode()
    posted = {"reason": "other plans", "version": version(made)}
    assert operator.post(f"/m/{made.slug}/abandon/", posted).status_code == 302
    assert fresh(made).phase == Phase.ABANDONED
