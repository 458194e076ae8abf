"""REST: every refusal is one problem document, and nothing changed."""

import json

import pytest
from django.contrib.auth.models import Group, User

from audit import queries as ledger
from controlplane.tokens import issue_token
from rollout.models import ServiceMigration
from rollout.permissions import Role
from tests.rollout.builders import NOW, fresh, in_dual_run, make_migration, ready_for_canary

pytestmark = pytest.mark.django_db

PROBLEM = {"type", "title", "status", "detail", "code", "field", "request_id"}


def person(role: Role) -> User:
    user = User.objects.create_user(username=f"{role.value}-person")
    user.groups.add(Group.objects.get_or_create(name=role.value)[0])
    return user


@pytest.fixture
def call(client):
    tokens = {}

    def request(method, path, *, body=None, role="operator", raw=None, **headers):
        if role and role not in tokens:
            user = person(Role(role))
            tokens[role] = issue_token(user=user, name="t", role=role, now=NOW, lifetime=None)
        if role:
            headers["authorization"] = f"Bearer {tokens[role]}"
        data = raw if raw is not None else json.dumps(body or {})
        return client.generic(
            method, f"/api/v1{path}", data, content_type="application/json", headers=headers
        )

    return request


@pytest.fixture
def now(monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


def assert_problem(answer, status, code):
    body = answer.json()
    assert answer.status_code == status, body
    assert answer["Content-Type"] == "application/problem+json"
    assert body.keys() >= PROBLEM
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer["X-Request-Id"]
    return body


NEW = {
    "slug": "ranker",
    "team": "search",
    "legacy_url": "http://127.0.0.1:9001",
    "candidate_url": "http://127.0.0.1:9002",
    "routes": [{"method": "POST", "path": "/infer", "safe_to_duplicate": True}],
    "policy": "demo",
}


def test_an_operator_promotes_over_rest(call, now):
    migration = ready_for_canary()
    answer = call(
        "POST",
        f"/migrations/{migration.slug}/promote/",
        body={"version": migration.version, "reason": "ready", "to": 5},
    )
    assert answer.status_code == 200, answer.json()
    assert answer.json()["to"]["weight"] == 5
    assert fresh(migration).weight == 5


def test_if_match_is_as_good_as_a_version_in_the_body(call, now):
    migration = ready_for_canary()
    answer = call(
        "POST",
        f"/migrations/{migration.slug}/promote/",
        body={"reason": "ready"},
        **{"if-match": f'"{migration.version}"'},
    )
    assert answer.status_code == 200, answer.json()


def test_the_second_of_two_promotes_is_told_who_won(call, now):
    migration = ready_for_canary()
    body = {"version": migration.version, "reason": "ready"}
    assert call("POST", f"/migrations/{migration.slug}/promote/", body=body).status_code == 200
    problem = assert_problem(
        call("POST", f"/migrations/{migration.slug}/promote/", body=body), 409, "stale_version"
    )
    assert problem["moved_by"] == "operator-person"
    assert problem["version"] == migration.version + 1


def test_a_closed_gate_answers_409_with_the_gates_and_changes_nothing(call, now):
    migration = in_dual_run()
    problem = assert_problem(
        call(
            "POST",
            f"/migrations/{migration.slug}/promote/",
            body={"version": migration.version, "reason": "early"},
        ),
        409,
        "gates_closed",
    )
    assert {g["gate"] for g in problem["gates"]} >= {"discrepancy"}
    assert fresh(migration).version == migration.version


@pytest.mark.parametrize("verb", ["start", "promote", "hold", "resume", "rollback"])
def test_a_viewer_moves_nothing_and_the_attempt_is_recorded(call, verb, now):
    migration = in_dual_run()
    before = ledger.head().seq
    body = {"reason": "let me"} | ({"version": 1} if verb == "promote" else {})
    assert_problem(
        call("POST", f"/migrations/{migration.slug}/{verb}/", body=body, role="viewer"),
        403,
        "forbidden",
    )
    assert fresh(migration).version == migration.version
    assert ledger.get(before + 1).data["action"] == "migration:denied"


def test_roll_back_needs_neither_reason_nor_version(call, now):
    migration = ready_for_canary()
    answer = call("POST", f"/migrations/{migration.slug}/rollback/", body={})
    assert answer.status_code == 200, answer.json()
    assert fresh(migration).held


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic Zm9v"])
def test_bad_credentials_all_get_the_same_401(client, header):
    answer = client.get("/api/v1/migrations/", headers={"authorization": header})
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


BAD_BODIES = [
    ('{"reason": "x", "version": 1, "version": 2}', "duplicate_key"),
    ('{"reason": "x", "version": 1, "weight": 100}', "unknown_field"),
    ('{"reason": "x", "version": NaN}', "not_finite"),
    ('{"reason": "x", "version": 1e400}', "not_finite"),
    ('{"reason": "x", "version": 1.0}', "invalid"),
    ('{"reason": "x", "version": "1"}', "invalid"),
    ('{"reason": "x", "version": true}', "invalid"),
    ('{"reason": "x", "version": -1}', "range"),
    ('{"reason": "x", "version": ' + "9" * 4000 + "}", "range"),
    ('{"reason": "x", "version": 9223372036854775808}', "range"),
    ('{"reason": "x", "version": 1', "malformed_json"),
    ("", "required"),
    ("null", "not_an_object"),
    ("[]", "not_an_object"),
    ("[" * 50_000, "too_deep"),
    (b'{"reason": "\xff"}', "invalid_utf8"),
    ('{"reason": "a\\u202eb", "version": 1}', "bad_characters"),
    ('{"reason": "a\\u0000b", "version": 1}', "bad_characters"),
    ('{"reason": "a\\ud800b", "version": 1}', "bad_characters"),
    ('{"reason": 5, "version": 1}', "invalid"),
    ('{"version": 1}', "required"),
    ('{"reason": "x"}', "version_required"),
]


@pytest.mark.parametrize(("raw", "code"), BAD_BODIES)
def test_a_bad_body_is_a_clear_400_and_changes_nothing(call, raw, code, now):
    migration = ready_for_canary()
    answer = call("POST", f"/migrations/{migration.slug}/promote/", raw=raw)
    assert_problem(answer, 400, code)
    assert fresh(migration).version == migration.version


def test_a_body_over_the_cap_is_413(call, now):
    migration = ready_for_canary()
    raw = json.dumps({"reason": "x" * 1_100_000})
    assert_problem(
        call("POST", f"/migrations/{migration.slug}/promote/", raw=raw), 413, "body_too_large"
    )


def test_a_body_that_is_not_json_is_415(client, call):
    call("GET", "/me/")
    user = person(Role.LEAD)
    token = issue_token(user=user, name="t", role="lead", now=NOW, lifetime=None)
    answer = client.post(
        "/api/v1/migrations/", {"slug": "x"}, headers={"authorization": f"Bearer {token}"}
    )
    assert_problem(answer, 415, "unsupported_media_type")


def test_unknown_things_are_404_problems(call):
    assert_problem(call("GET", "/migrations/nobody/"), 404, "not_found")
    assert_problem(call("POST", "/migrations/nobody/hold/", body={"reason": "x"}), 404, "not_found")
    assert_problem(call("GET", "/audit/999999/"), 404, "not_found")


def test_a_wrong_method_is_a_405_problem(call):
    assert_problem(call("DELETE", "/migrations/"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"legacy_url": "gopher://x"}, "legacy_url", "bad_address"),
        ({"candidate_url": "http://127.0.0.1:9001"}, "candidate_url", "same_upstream"),
        ({"policy": "yolo"}, "policy", "invalid"),
        ({"routes": []}, "routes", "empty"),
        ({"slug": "../etc"}, "slug", "invalid"),
        ({"phase": "full"}, "phase", "unknown_field"),
        ({"weight": 100}, "weight", "unknown_field"),
        ({"group": "nowhere"}, "group", "invalid"),
    ],
)
def test_a_migration_that_cannot_be_is_refused_by_field(call, change, field, code, now):
    make_migration()
    problem = assert_problem(call("POST", "/migrations/", body={**NEW, **change}), 400, code)
    assert problem["field"].split(".")[0] == field
    assert ServiceMigration.objects.count() == 1


@pytest.mark.enable_socket
def test_starting_what_does_not_answer_is_refused_with_the_side_named(call):
    migration = make_migration()
    problem = assert_problem(
        call("POST", f"/migrations/{migration.slug}/start/", body={}), 409, "not_reachable"
    )
    assert "Legacy does not answer" in problem["detail"]
    assert fresh(migration).phase == "draft"


def test_the_openapi_document_is_3_1_and_knows_every_route(client):
    answer = client.get("/api/schema/", headers={"accept": "application/json"})
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "3.1" in text[:40]
    assert "/api/v1/migrations/{slug}/promote/" in text
