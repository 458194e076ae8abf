"""REST over the whole life: who may, what is refused and how, and two people in two requests."""

import json

import pytest

from audit import queries as ledger
from judge.verdict import Verdict
from rollout import services
from rollout.lifecycle import Action
from tests.rollout.builders import NOW, fresh
from tests.rollout.life import (
    LENA,
    OLGA,
    approved,
    assert_ledger_holds,
    at_weight,
    evidence,
    in_effect,
    open_gates,
    started,
    traffic_of,
)
from tests.rollout.test_api import assert_problem, call, now
from traffic.models import Proxy

__all__ = ["call", "now", "open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_gates", "now")]


def body(made, **more):
    return {"version": fresh(made).version, "reason": "because"} | more


def test_two_people_promote_over_rest(call):
    made = started(policy="guide")
    path = f"/migrations/{made.slug}"
    assert_problem(call("POST", f"{path}/promote/", body=body(made)), 409, "approval_needed")
    asked = call("POST", f"{path}/approvals/", body=body(made, action="promote"))
    assert asked.status_code == 201, asked.json()
    number = asked.json()["id"]
    waiting = call("GET", "/approvals/?waiting=me", role="approver").json()["approvals"]
    assert [row["id"] for row in waiting] == [number]
    assert call("GET", "/approvals/?waiting=me").json()["approvals"] == []
    assert call("GET", f"{path}/").json()["why_closed"].startswith("Waiting for an answer")
    granted = call("POST", f"/approvals/{number}/grant/", body={}, role="approver")
    assert (granted.status_code, granted.json()["approver"]) == (200, "approver-person")
    assert call("GET", f"{path}/").json()["can_promote"]
    assert call("POST", f"{path}/promote/", body=body(made, to=5)).status_code == 200
    assert call("GET", f"/approvals/{number}/").json()["state"] == "used"
    assert call("GET", f"{path}/approvals/").json()["approvals"][0]["state"] == "used"
    assert len(call("GET", "/approvals/").json()["approvals"]) == 1
    assert_ledger_holds()


def test_why_promote_is_closed_follows_the_approval(call):
    made = started(policy="guide")
    where = f"/migrations/{made.slug}/"
    assert "Ask a second person" in call("GET", where).json()["why_closed"]
    approved(made)
    services.change_addresses(
        slug=made.slug,
        legacy_url="http://127.0.0.1:9001",
        candidate_url="http://127.0.0.1:9009",
        actor=OLGA,
        now=NOW,
    )
    assert "no longer fits" in call("GET", where).json()["why_closed"]


def test_nobody_approves_what_he_asked_for(call):
    made = started(policy="guide")
    asked = call(
        "POST",
        f"/migrations/{made.slug}/approvals/",
        body=body(made, action="promote"),
        role="approver",
    ).json()
    before = ledger.head().seq
    problem = assert_problem(
        call("POST", f"/approvals/{asked['id']}/grant/", body={}, role="approver"),
        403,
        "own_approval",
    )
    assert problem["rule"] == "two_people"
    assert ledger.get(before + 1).data["action"] == "migration:denied"


def test_an_override_over_rest_from_terms_to_review(call, open_gates):
    made = started()
    open_gates.say("discrepancy", Verdict.ERROR)
    path = f"/migrations/{made.slug}"
    terms = {"gates": ["discrepancy"], "incident": "INC-1", "expires_in_s": 600}
    asked = call(
        "POST",
        f"{path}/approvals/",
        body=body(made, action="override", **terms),
        role="lead",
    )
    assert asked.status_code == 201, asked.json()
    number = asked.json()["id"]
    assert call("POST", f"/approvals/{number}/grant/", body={}, role="approver").status_code == 200
    moved = call("POST", f"{path}/override/", body=body(made, to=5), role="lead")
    assert moved.status_code == 200, moved.json()
    (review,) = call("GET", "/reviews/?state=open").json()["reviews"]
    assert review["cause"] == "override"
    closed = call(
        "POST", f"/reviews/{review['id']}/close/", body={"text": "was right"}, role="approver"
    )
    assert closed.json()["closed_by"] == "approver-person"
    rows = call("GET", f"/reviews/?state=closed&migration={made.slug}").json()["reviews"]
    assert len(rows) == 1
    assert_ledger_holds()


def test_declining_and_withdrawing_over_rest(call):
    made = started(policy="guide")
    path = f"/migrations/{made.slug}/approvals/"
    first = call("POST", path, body=body(made, action="promote")).json()["id"]
    assert_problem(
        call("POST", f"/approvals/{first}/decline/", body={}, role="approver"), 400, "invalid"
    )
    said = call("POST", f"/approvals/{first}/decline/", body={"reason": "no"}, role="approver")
    assert said.json()["state"] == "declined"
    second = call("POST", path, body=body(made, action="promote")).json()["id"]
    assert call("POST", f"/approvals/{second}/withdraw/", body={}).json()["state"] == "withdrawn"


def test_waivers_over_rest(call, open_gates):
    made = started()
    open_gates.say("discrepancy", Verdict.INCONCLUSIVE)
    path = f"/migrations/{made.slug}"
    sent = body(made, item="discrepancy", expires_in_s=3600)
    assert_problem(call("POST", f"{path}/waivers/", body=sent), 403, "forbidden")
    assert call("POST", f"{path}/waivers/", body=sent, role="lead").status_code == 200
    assert call("GET", f"{path}/").json()["waivers"][0]["by"] == "lead-person"
    assert call("GET", f"{path}/gates/").json()["can_promote"]
    ended = call(
        "POST",
        f"{path}/waivers/discrepancy/end/",
        body={"version": fresh(made).version},
        role="lead",
    )
    assert ended.status_code == 200, ended.json()
    assert call("GET", f"{path}/waivers/").json()["waivers"][0]["ended_by"] == "lead-person"


def test_a_policy_over_rest(call):
    made = started()
    path = f"/migrations/{made.slug}/policy/"
    read = call("GET", path)
    assert read["ETag"] == f'"{made.version}"'
    policy = {**read.json()["policy"], "name": "ours", "evidence_max_age_s": 30}
    changed = call(
        "PUT", path, body={"policy": policy, "reason": "x"}, **{"if-match": read["ETag"]}
    )
    assert changed.status_code == 200, changed.json()
    looser = {**policy, "evidence_max_age_s": 600}
    problem = assert_problem(call("PUT", path, body=body(made, policy=looser)), 403, "forbidden")
    assert problem["loosened"] == ["evidence_max_age_s"]
    assert_problem(
        call("PUT", path, body={"policy": policy, "reason": "x"}), 400, "version_required"
    )


def test_the_latch_is_shown_and_a_lead_resets_it(call):
    made = started()
    services.on_gate_fail(
        migration=made, gate="discrepancy", evidence=evidence("discrepancy"), now=NOW
    )
    path = f"/migrations/{made.slug}"
    assert call("GET", f"{path}/").json()["latched"][0]["gate"] == "discrepancy"
    assert "reset the verdict" in call("GET", f"{path}/gates/").json()["why_closed"]
    sent = body(made, gate="discrepancy")
    assert_problem(call("POST", f"{path}/reset/", body=sent), 403, "forbidden")
    assert call("POST", f"{path}/reset/", body=sent, role="lead").status_code == 200
    assert call("GET", f"{path}/gates/").json()["can_promote"]


def test_the_ends_over_rest(call):
    made = in_effect(at_weight(100, full=True), at=NOW)
    type(made).objects.update(in_effect_at=NOW.replace(year=2025))
    traffic_of(made, at=NOW, candidate=10)
    Proxy.objects.update(last_seen_at=NOW)
    path = f"/migrations/{made.slug}/decommission/"
    sent = body(made, confirm=f"{made.slug} decommission")
    assert_problem(call("POST", path, body=sent), 409, "approval_needed")
    approved(made, Action.DECOMMISSION, by=LENA)
    assert_problem(call("POST", path, body=sent | {"confirm": "yes"}), 400, "confirmation")
    assert call("POST", path, body=sent).json()["to"]["phase"] == "decommissioned"


def test_giving_up_over_rest(call):
    made = started()
    answer = call("POST", f"/migrations/{made.slug}/abandon/", body=body(made))
    assert answer.json()["to"]["phase"] == "abandoned"


WRONG = [
    # verb, path, role, body, status, code
    ("POST", "approvals/", "operator", {"action": "hold"}, 400, "invalid_choice"),
    ("POST", "approvals/", "operator", {"action": "promote", "weight": 5}, 400, "unknown_field"),
    ("POST", "approvals/", "operator", {"action": "promote", "version": 0}, 409, "stale_version"),
    ("POST", "approvals/", "operator", {"action": "override"}, 400, "required"),
    ("POST", "approvals/", "operator", {"action": "decommission"}, 409, "not_allowed_here"),
    ("POST", "approvals/", "viewer", {"action": "promote"}, 403, "forbidden"),
    ("POST", "override/", "operator", {}, 403, "forbidden"),
    ("POST", "override/", "lead", {"to": 25}, 409, "not_allowed_step"),
    ("POST", "override/", "lead", {}, 409, "approval_needed"),
    ("POST", "decommission/", "operator", {}, 400, "required"),
    ("POST", "decommission/", "viewer", {"confirm": "x"}, 403, "forbidden"),
    ("POST", "abandon/", "viewer", {}, 403, "forbidden"),
    ("POST", "abandon/", "operator", {"reason": ""}, 400, "blank"),
    ("POST", "abandon/", "operator", {"version": 7}, 409, "stale_version"),
    ("POST", "reset/", "lead", {"gate": "errors"}, 409, "not_latched"),
    ("POST", "reset/", "lead", {"gate": "luck"}, 400, "invalid"),
    ("POST", "reset/", "lead", {}, 400, "required"),
    ("POST", "waivers/", "lead", {"item": "load"}, 400, "required"),
    ("POST", "waivers/", "lead", {"item": "load", "expires_in_s": 0}, 400, "range"),
    ("POST", "waivers/", "lead", {"item": "load", "expires_in_s": 604801}, 400, "range"),
    ("POST", "waivers/", "lead", {"item": "load", "expires_in_s": 1.5}, 400, "invalid"),
    ("POST", "waivers/", "lead", {"item": "split", "expires_in_s": 60}, 400, "invalid"),
    ("POST", "waivers/load/end/", "lead", {}, 409, "not_waived"),
    ("PUT", "policy/", "lead", {"policy": []}, 400, "not_a_dict"),
    ("PUT", "policy/", "lead", {"policy": {}}, 400, "bad_policy"),
    ("PUT", "policy/", "lead", {}, 400, "required"),
    ("PUT", "policy/", "viewer", {"policy": {}}, 403, "forbidden"),
]


@pytest.mark.parametrize(("verb", "path", "role", "sent", "status", "code"), WRONG)
def test_a_wrong_request_is_a_clear_refusal_and_changes_nothing(
    call, verb, path, role, sent, status, code
):
    made = started()
    answer = call(verb, f"/migrations/{made.slug}/{path}", body=body(made) | sent, role=role)
    assert_problem(answer, status, code)
    after = fresh(made)
    assert (after.version, after.phase) == (made.version, "dual_run")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/approvals/?waiting=you", "invalid"),
        ("/approvals/?state=open", "unknown_filter"),
        ("/reviews/?state=lost", "invalid"),
        ("/reviews/?page=-1", "unknown_filter"),
    ],
)
def test_a_filter_that_is_not_known_is_refused(call, path, code):
    assert_problem(call("GET", path), 400, code)


BIG = "9" * 30


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/approvals/999/"),
        ("GET", f"/approvals/{BIG}/"),
        ("POST", "/approvals/999/grant/"),
        ("POST", "/approvals/999/decline/"),
        ("POST", "/approvals/999/withdraw/"),
        ("POST", "/reviews/999/close/"),
        ("POST", f"/reviews/{BIG}/close/"),
        ("GET", "/migrations/nobody/policy/"),
        ("GET", "/migrations/nobody/waivers/"),
        ("GET", "/migrations/nobody/approvals/"),
    ],
)
def test_what_is_not_there_is_404(call, verb, path):
    sent = json.dumps({"text": "x"} if "reviews" in path else {})
    assert_problem(call(verb, path, raw=sent, role="approver"), 404, "not_found")
