"""REST of the corpus: lines in, by number when they are bad; out again as they came."""

import json

import pytest
from django.contrib.auth.models import Group, User

from audit import queries as ledger
from controlplane.tokens import issue_token
from shadow.models import CorpusRequest
from tests.rollout.builders import NOW, in_dual_run
from tests.rollout.test_api import assert_problem, call, now

__all__ = ["call", "now"]

pytestmark = pytest.mark.django_db
CORPUS = "/migrations/embeddings/corpus/"
LINE = {"method": "POST", "path": "/infer", "json": {"input": [1]}}


@pytest.fixture
def live(now):
    return in_dual_run()


@pytest.fixture
def send(client, live):
    def post(*lines, query="", role="operator"):
        user, made = User.objects.get_or_create(username=f"sender-{role}")
        if made:
            user.groups.add(Group.objects.get_or_create(name=role)[0])
        token = issue_token(user=user, name="c", role=role, now=NOW, lifetime=None)
        raw = b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines)
        return client.generic(
            "POST",
            f"/api/v1{CORPUS}{query}",
            raw,
            content_type="application/x-ndjson",
            headers={"authorization": f"Bearer {token}"},
        )

    return post


def test_requests_are_imported_listed_exported_and_deleted(send, call):
    answer = send(LINE, {**LINE, "headers": {"cookie": "a=b"}}, {**LINE, "path": "/other"})
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert (body["added"], body["duplicates"], body["redacted"], body["blocked"]) == (2, 1, 1, 1)
    assert ledger.get(ledger.head().seq).data["item"] == "corpus"
    found = call("GET", CORPUS, role="viewer").json()["requests"]
    assert [row["route"] for row in found] == ["other", "POST /infer"]
    exported = b"".join(call("GET", f"{CORPUS}export/")).decode().splitlines()
    again = send(*(line.encode() for line in exported))
    assert (again.json()["added"], again.json()["duplicates"]) == (0, 2)
    assert call("DELETE", f"{CORPUS}{found[0]['id']}/").json() == {"deleted": 1}
    assert_problem(call("DELETE", f"{CORPUS}{found[0]['id']}/"), 404, "not_found")
    assert call("DELETE", f"{CORPUS}?source=written").json() == {"deleted": 1}


def test_a_bad_line_refuses_all_with_number_and_reason(send):
    body = assert_problem(send(LINE, b"{", LINE, b"[]"), 400, "bad_lines")
    assert body["field"] == "line 2"
    assert [line["line"] for line in body["lines"]] == [2, 4]
    assert not CorpusRequest.objects.exists()


def test_good_lines_are_kept_when_asked(send):
    body = send(LINE, b"{", query="?keep_good=true").json()
    assert body["added"] == 1
    assert body["refused"][0]["line"] == 2


@pytest.mark.parametrize(("lines", "code"), [((), "no_lines"), ((b"", b"\n"), "no_lines")])
def test_nothing_is_refused_by_name(send, lines, code):
    assert_problem(send(*lines), 400, code)


def test_a_viewer_changes_nothing(send, call):
    assert_problem(send(LINE, role="viewer"), 403, "forbidden")
    assert_problem(call("DELETE", CORPUS, role="viewer"), 403, "forbidden")
    assert_problem(
        call("PUT", "/migrations/embeddings/replay/", body={"settings": {}}, role="viewer"),
        403,
        "forbidden",
    )


def test_replay_is_shown_by_route_and_its_settings_are_recorded(send, call):
    send(LINE)
    body = {"settings": {"per_second": 2}}
    answer = call("PUT", "/migrations/embeddings/replay/", body=body)
    assert answer.status_code == 200, answer.json()
    assert answer.json()["settings"] == {"per_second": 2}
    assert answer.json()["routes"][0]["requests"] == {"written": 1}
    assert ledger.get(ledger.head().seq).data["item"] == "replay"
    bad = call("PUT", "/migrations/embeddings/replay/", body={"settings": {"per_second": 0}})
    assert assert_problem(bad, 400, "invalid")["field"] == "settings.per_second"


@pytest.mark.parametrize("query", ["?source=x", "?limit=0", "?before=x", "?colour=red"])
def test_filters_are_read_strictly(call, live, query):
    assert call("GET", f"{CORPUS}{query}").status_code == 400
