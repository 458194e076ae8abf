"""Rows 24 to 28: versions that moved on, moves that meet, roll back that is never refused."""

from datetime import timedelta

import pytest

from audit import queries as ledger
from rollout import services
from rollout.models import Approval, ServiceMigration
from tests.bad_input.conftest import assert_refused, nothing_changes, row
from tests.rollout.builders import NOW, fresh, make_migration, ready_for_canary
from tests.rollout.life import (
    LENA,
    OLGA,
    approved,
    assert_ledger_holds,
    at_weight,
    open_gates,
    set_builds,
    started,
)

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]
ONE = "/api/v1/migrations/embeddings/"

STALE = [
    row(24, "promote", "promote/", {}, "operator"),
    row(24, "override", "override/", {}, "lead"),
    row(24, "hold", "hold/", {}, "operator"),
    row(24, "resume", "resume/", {}, "operator"),
    row(24, "abandon", "abandon/", {}, "operator"),
    row(24, "decommission", "decommission/", {"confirm": "embeddings decommission"}, "operator"),
    row(24, "reset", "reset/", {"gate": "errors"}, "lead"),
    row(24, "waive", "waivers/", {"item": "load", "expires_in_s": 60}, "lead"),
    row(24, "end-waiver", "waivers/load/end/", {}, "lead"),
    row(24, "approval", "approvals/", {"action": "promote"}, "operator"),
]


@pytest.mark.parametrize("of", [-1, 1], ids=["older", "newer"])
@pytest.mark.parametrize(("path", "more", "role"), STALE)
def test_another_version_is_409_with_the_present_one_and_who_moved(
    send, open_gates, path, more, role, of
):
    made = at_weight(5)
    with nothing_changes():
        sent = {"reason": "x", "version": made.version + of, **more}
        answer = send("POST", ONE + path, sent, role=role)
        problem = assert_refused(answer, 409, "stale_version")
    assert (problem["version"], problem["moved_by"]) == (made.version, "olga")
    assert (problem["action"], problem["moved_at"]) == ("promote", NOW.isoformat())


MATCHES = [
    row(24, "any", "*"),
    row(24, "weak", 'W/"1"'),
    row(24, "list", '"1", "2"'),
    row(24, "text", '"one"'),
    row(24, "minus", '"-1"'),
    row(24, "huge", f'"{"9" * 5000}"'),
    row(24, "full-width", '"１"'),
    row(24, "one-quote-too-many", '""1""'),
]


@pytest.mark.parametrize("header", MATCHES)
def test_an_if_match_that_is_no_version_is_400(send, header):
    ready_for_canary()
    with nothing_changes():
        answer = send("POST", f"{ONE}promote/", {"reason": "x"}, if_match=header)
        assert_refused(answer, 400, "invalid", "If-Match")


def test_if_match_and_version_that_differ_are_400(send):
    """Row 24: nobody guesses which of the two was meant."""
    made = ready_for_canary()
    with nothing_changes():
        sent = {"reason": "x", "version": made.version}
        answer = send("POST", f"{ONE}promote/", sent, if_match=f'"{made.version + 1}"')
        assert_refused(answer, 400, "invalid", "version")


def test_a_promote_after_a_roll_back_hears_of_it(send):
    """Row 25; the races themselves are in test_races.py and `python -m tests.storm`."""
    made = ready_for_canary()
    sent = {"reason": "x", "version": made.version}
    assert send("POST", f"{ONE}rollback/", {"reason": "stop"}).status_code == 200
    with nothing_changes():
        problem = assert_refused(send("POST", f"{ONE}promote/", sent), 409, "stale_version")
    assert problem["action"] == "roll_back"


def test_a_roll_back_at_0_is_200_changes_nothing_and_is_recorded(send):
    """Row 26."""
    ready_for_canary()
    assert send("POST", f"{ONE}rollback/", {"reason": "stop"}).json()["changed"]
    before, head = fresh_row(), ledger.head().seq
    answer = send("POST", f"{ONE}rollback/", {"reason": "still"})
    assert (answer.status_code, answer.json()["changed"]) == (200, False)
    assert fresh_row() == before
    noted = ledger.get(ledger.head().seq).data
    assert ledger.head().seq == head + 1
    assert (noted["action"], noted["attempt"]) == ("migration:repeated", "roll_back")
    assert noted["reason"] == "still"
    assert_ledger_holds()


def fresh_row():
    return ServiceMigration.objects.values().get()


@pytest.mark.parametrize(
    "sent",
    [
        row(27, "nothing", {}),
        row(27, "empty", {"reason": ""}),
        row(27, "spaces", {"reason": "  "}),
    ],
)
def test_a_roll_back_without_a_reason_is_done_and_leaves_a_review(send, open_gates, sent):
    made = at_weight(5)
    assert send("POST", f"{ONE}rollback/", sent).status_code == 200
    after = fresh(made)
    assert (after.weight, after.held) == (0, True)
    (review,) = made.reviews.all()
    assert review.cause == "empty_reason"
    assert made.decisions.first().reason == "not given"
    assert_ledger_holds()


def test_a_roll_back_without_any_body_is_done(send, open_gates):
    """Row 27: in an emergency nobody looks up what a body should hold."""
    made = at_weight(5)
    assert send("POST", f"{ONE}rollback/", raw="").status_code == 200
    assert fresh(made).weight == 0


def test_a_roll_back_of_a_draft_is_409(send):
    """Row 26: there is nothing to go back from."""
    make_migration()
    with nothing_changes():
        assert_refused(send("POST", f"{ONE}rollback/", {}), 409, "not_allowed_here")


def expire(made):
    Approval.objects.update(requested_at=NOW - timedelta(hours=1), expires_at=NOW)


def new_candidate(made):
    set_builds(made, candidate="candidate-2")


def new_legacy(made):
    set_builds(made, candidate="candidate-1", legacy="legacy-2")


def other_plan(made):
    services.change_addresses(
        slug=made.slug,
        legacy_url="http://127.0.0.1:9001",
        candidate_url="http://127.0.0.1:9009",
        actor=OLGA,
        now=NOW,
    )


def decline(made):
    Approval.objects.update(state="declined")


UNFIT = [
    row(28, "expired", expire, "approval_expired"),
    row(28, "candidate-build", new_candidate, "build_changed"),
    row(28, "legacy-build", new_legacy, "build_changed"),
    row(28, "plan", other_plan, "plan_changed"),
    row(28, "declined", decline, "approval_needed"),
]


@pytest.mark.parametrize(("spoil", "code"), UNFIT)
def test_an_approval_that_no_longer_fits_is_409_naming_why(send, open_gates, spoil, code):
    made = started(policy="guide")
    approved(made)
    spoil(made)
    answer = send("POST", f"{ONE}promote/", {"version": made.version, "reason": "go"})
    assert_refused(answer, 409, code)
    assert (fresh(made).weight, fresh(made).version) == (0, made.version)


@pytest.mark.parametrize(("spoil", "code"), UNFIT[:4])
def test_a_request_that_no_longer_fits_is_not_granted(send, open_gates, spoil, code):
    made = started(policy="guide")
    sent = {"action": "promote", "version": made.version, "reason": "please"}
    asked = send("POST", f"{ONE}approvals/", sent, name="olga").json()["id"]
    spoil(made)
    answer = send("POST", f"/api/v1/approvals/{asked}/grant/", role="approver")
    assert_refused(answer, 409, code)
    assert made.approvals.get().state in ("requested", "expired")
    assert fresh(made).version == made.version


def test_an_approval_is_used_once(send, open_gates):
    """Row 28."""
    made = started(policy="guide")
    approved(made, by=LENA)
    sent = {"version": made.version, "reason": "go"}
    assert send("POST", f"{ONE}promote/", sent).status_code == 200
    with nothing_changes():
        sent = {"version": fresh(made).version, "reason": "go on"}
        assert_refused(send("POST", f"{ONE}promote/", sent), 409, "approval_needed")
