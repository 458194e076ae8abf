"""Rows 16 to 18: who calls, and what is named in the path."""

import uuid
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group, User

from audit import queries as ledger
from controlplane.models import ApiToken
from controlplane.tokens import REFUSED, issue_token
from rollout import services
from tests.bad_input.conftest import assert_refused, nothing_changes, row
from tests.rollout.builders import NOW, OPERATOR, in_dual_run, ready_for_canary
from tests.rollout.life import approved, open_gates, started

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]
ONE = "/api/v1/migrations/embeddings/"


def made_token(**changes):
    user, _ = User.objects.get_or_create(username="tom", defaults=changes.pop("user", {}))
    user.groups.add(Group.objects.get_or_create(name="operator")[0])
    values = {"user": user, "name": "t", "role": "operator", "now": NOW}
    token = issue_token(**{**values, "lifetime": timedelta(hours=1)})
    ApiToken.objects.update(**changes)
    return token


def expired():
    return f"Bearer {made_token(expires_at=NOW)}"


def revoked():
    return f"Bearer {made_token(revoked_at=NOW - timedelta(days=1))}"


def of_a_deactivated_user():
    return f"Bearer {made_token(user={'is_active': False})}"


def of_a_deleted_user():
    token = made_token()
    User.objects.get(username="tom").delete()
    return f"Bearer {token}"


def cut():
    return f"Bearer {made_token()[:-1]}"


def twice():
    token = made_token()
    return f"Bearer {token} {token}"


TOKENS = [
    row(16, "unknown", lambda: "Bearer banyan_nobody"),
    row(16, "empty", lambda: "Bearer "),
    row(16, "no-space", lambda: "Bearer"),
    row(16, "garbled", lambda: "Bearer \x01\x02"),
    row(16, "not-ascii", lambda: "Bearer tökén"),
    row(16, "huge", lambda: "Bearer " + "x" * 10_000),
    row(16, "sql", lambda: "Bearer ' OR 1=1 --"),
    row(16, "hash-instead-of-token", lambda: f"Bearer {'0' * 64}"),
    row(16, "cut", cut),
    row(16, "twice", twice),
    row(16, "expired", expired),
    row(16, "revoked", revoked),
    row(16, "user-deactivated", of_a_deactivated_user),
    row(16, "user-deleted", of_a_deleted_user),
]


@pytest.mark.parametrize("header", TOKENS)
def test_every_bad_token_gets_the_same_401_and_changes_nothing(send, header):
    ready_for_canary()
    authorization = header()
    with nothing_changes():
        sent = {"reason": "x", "version": 1}
        answer = send("POST", f"{ONE}promote/", sent, authorization=authorization)
        problem = assert_refused(answer, 401, "unauthenticated")
        assert problem["detail"] == REFUSED
        assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "authorization",
    [row(16, "missing", ""), row(16, "basic", "Basic Zm9vOmJhcg=="), row(16, "digest", "Digest x")],
)
def test_no_token_is_401_and_changes_nothing(send, authorization):
    ready_for_canary()
    with nothing_changes():
        answer = send("POST", f"{ONE}rollback/", {}, authorization=authorization)
        assert_refused(answer, 401)
        assert answer["WWW-Authenticate"] == "Bearer"


def test_a_token_gives_no_more_than_its_own_role(send):
    """Row 16: an operator's viewer token views."""
    ready_for_canary()
    user = User.objects.create_user(username="tom")
    user.groups.add(Group.objects.get_or_create(name="operator")[0])
    token = issue_token(user=user, name="t", role="viewer", now=NOW)
    with nothing_changes():
        answer = send("POST", f"{ONE}hold/", {"reason": "x"}, authorization=f"Bearer {token}")
        assert assert_refused(answer, 403, "forbidden")["rule"] == "role"


VERBS = ("start", "promote", "hold", "resume", "rollback", "abandon", "override", "decommission")
MORE = {
    "override": {"version": 1},
    "promote": {"version": 1},
    "abandon": {"version": 1},
    "decommission": {"version": 1, "confirm": "embeddings decommission"},
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_viewer_moves_nothing_and_the_attempt_is_in_the_ledger(send, verb):
    """Row 17."""
    in_dual_run()
    with nothing_changes():
        sent = {"reason": "let me", **MORE.get(verb, {})}
        answer = send("POST", f"{ONE}{verb}/", sent, role="viewer")
        assert assert_refused(answer, 403, "forbidden")["rule"] == "role"
    denied = ledger.get(ledger.head().seq).data
    assert (denied["action"], denied["code"]) == ("migration:denied", "forbidden")
    assert denied["actor"]["name"] == "viewer-person"


def test_nobody_approves_what_he_asked_for_whatever_his_role(send, open_gates):
    """Row 17."""
    made = started(policy="guide")
    sent = {"action": "promote", "version": made.version, "reason": "please"}
    for role in ("approver", "lead", "admin"):
        asked = send("POST", f"{ONE}approvals/", sent, role=role).json()["id"]
        with nothing_changes():
            answer = send("POST", f"/api/v1/approvals/{asked}/grant/", role=role)
            assert assert_refused(answer, 403, "own_approval")["rule"] == "two_people"
        assert send("POST", f"/api/v1/approvals/{asked}/withdraw/", role=role).status_code == 200


def test_an_operator_grants_nothing(send, open_gates):
    """Row 17."""
    made = started(policy="guide")
    sent = {"action": "promote", "version": made.version, "reason": "please"}
    asked = send("POST", f"{ONE}approvals/", sent).json()["id"]
    with nothing_changes():
        answer = send("POST", f"/api/v1/approvals/{asked}/grant/", name="another-operator")
        assert assert_refused(answer, 403, "forbidden")["rule"] == "role"


def test_who_granted_does_not_make_the_move(send, open_gates):
    """Row 17: two people have looked."""
    made = started(policy="guide")
    approved(made)
    with nothing_changes():
        sent = {"version": made.version, "reason": "go"}
        answer = send("POST", f"{ONE}promote/", sent, role="approver", name="anna")
        assert assert_refused(answer, 403, "own_approval")["rule"] == "two_people"


def test_what_was_approved_before_the_plan_was_edited_is_not_approved(send, open_gates):
    """Row 17 and 28: an edit voids the approval."""
    made = started(policy="guide")
    approved(made)
    services.change_addresses(
        slug=made.slug,
        legacy_url="http://127.0.0.1:9001",
        candidate_url="http://127.0.0.1:9009",
        actor=OPERATOR,
        now=NOW,
    )
    with nothing_changes():
        answer = send("POST", f"{ONE}promote/", {"version": made.version, "reason": "go"})
        problem = assert_refused(answer, 409, "plan_changed")
        assert problem["rule"] == "approval"


SLUGS = [
    row(18, "unknown", "nobody"),
    row(18, "uuid", str(uuid.UUID(int=7))),
    row(18, "up", ".."),
    row(18, "up-escaped", "%2e%2e%2fembeddings"),
    row(18, "slash-escaped", "%2fembeddings"),
    row(18, "sql", "embeddings'%20OR%20'1'='1"),
    row(18, "sql-comment", "embeddings';--"),
    row(18, "10000-characters", "e" * 10_000),
    row(18, "nul", "embeddings%00"),
    row(18, "newline", "embeddings%0a"),
    row(18, "bad-utf8", "%ff"),
    row(18, "upper-case", "EMBEDDINGS"),
    row(18, "full-width", "%EF%BD%85mbeddings"),
    row(18, "number", "1"),
]


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize(("method", "verb"), [("GET", ""), ("POST", "rollback/")])
def test_what_is_not_there_is_404_and_changes_nothing(send, slug, method, verb):
    ready_for_canary()
    with nothing_changes():
        answer = send(method, f"/api/v1/migrations/{slug}/{verb}", {})
        assert_refused(answer, 404, "not_found")


NUMBERS = [
    row(18, "unknown", "999999"),
    row(18, "zero", "0"),
    row(18, "minus", "-1"),
    row(18, "2-to-63", str(2**63)),
    row(18, "5000-digits", "9" * 5000),
    row(18, "full-width", "%EF%BC%91"),
    row(18, "float", "1.0"),
    row(18, "text", "one"),
]
THINGS = (
    ("GET", "/api/v1/audit/{}/"),
    ("GET", "/api/v1/approvals/{}/"),
    ("POST", "/api/v1/approvals/{}/grant/"),
    ("POST", "/api/v1/reviews/{}/close/"),
    ("GET", "/api/v1/migrations/embeddings/mismatches/{}/"),
)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_of_nothing_is_404_and_changes_nothing(send, number):
    ready_for_canary()
    with nothing_changes():
        for method, path in THINGS:
            sent = {"text": "x"} if "reviews" in path else {}
            answer = send(method, path.format(number), sent, role="approver")
            if "mismatches" in path and answer.status_code == 200:
                assert answer.json() == {"examples": []}
                continue
            assert_refused(answer, 404, "not_found")


QUERIES = [
    row(29, "unknown", "audit/?page=-1", "unknown_filter"),
    row(29, "limit-huge", "audit/?limit=1000000000", "invalid"),
    row(29, "limit-zero", "audit/?limit=0", "invalid"),
    row(29, "limit-minus", "audit/?limit=-1", "invalid"),
    row(29, "limit-5000-digits", f"audit/?limit=1{'0' * 5000}", "invalid"),
    row(29, "limit-zeros-first", f"audit/?limit={'0' * 8}1{'0' * 5000}", "invalid"),
    row(29, "before-text", "audit/?before=now", "invalid"),
    row(29, "before-huge", f"audit/?before={2**64}", "invalid"),
    row(29, "before-full-width", "audit/?before=%EF%BC%91", "invalid"),
    row(18, "nul-in-a-search", "audit/?q=%00", "bad_characters"),
    row(18, "nul-in-an-actor", "audit/?actor=a%00b", "bad_characters"),
    row(18, "nul-in-a-slug", "reviews/?migration=%00", "bad_characters"),
]


@pytest.mark.parametrize(("path", "code"), QUERIES)
def test_a_filter_that_is_wrong_is_400(send, path, code):
    ready_for_canary()
    assert_refused(send("GET", f"/api/v1/{path}"), 400, code)


@pytest.mark.parametrize("text", ["'; DROP TABLE audit_ledgerentry; --", "%", "\\", "é" * 300])
def test_a_search_is_a_text_whatever_it_holds(send, text):
    """Row 18."""
    ready_for_canary()
    answer = send("GET", "/api/v1/audit/?q=" + quote(text))
    assert answer.status_code == 200
    assert answer.json()["entries"] == []
