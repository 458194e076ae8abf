"""REST of checks: everybody reads, operators run and stop, and settings stand in the ledger."""

import pytest

from audit import queries as ledger
from shadow import services as shadow
from shadow.models import CheckRun
from tests.rollout.builders import NOW, in_dual_run, make_migration
from tests.rollout.test_api import assert_problem, call, now
from tests.shadow.checks.fakes import PASSING, FakeCheck, install

__all__ = ["call", "now"]

pytestmark = pytest.mark.django_db
CHECK = "/migrations/embeddings/checks/schema/"


@pytest.fixture
def live(monkeypatch, now):
    install(monkeypatch, schema=FakeCheck(), health=FakeCheck())
    return in_dual_run()


def carry_out():
    run = shadow.claim_next(now=NOW, claim="worker")
    assert shadow.finish(run=run, result=PASSING, now=NOW)


def test_all_checks_are_listed_before_any_ran(call, live):
    found = call("GET", "/migrations/embeddings/checks/", role="viewer").json()["checks"]
    assert [check["item"] for check in found] == ["schema", "health"]
    assert found[0]["latest"] is None
    assert found[0]["counts"] is False


def test_a_run_is_asked_for_once_and_its_findings_can_be_read(call, live):
    first = call("POST", f"{CHECK}run/")
    again = call("POST", f"{CHECK}run/")
    assert (first.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert first.json()["state"] == "queued"
    assert call("GET", CHECK).json()["open"]["id"] == first.json()["id"]
    carry_out()
    found = call("GET", CHECK, role="viewer").json()
    assert found["counts"] is True
    assert found["latest"]["verdict"] == "PASS"
    assert found["latest"]["findings"] == []
    assert found["open"] is None
    assert [run["state"] for run in found["history"]] == ["done"]


def test_a_run_is_stopped(call, live):
    call("POST", f"{CHECK}run/")
    assert call("POST", f"{CHECK}stop/").json()["state"] == "stopped"
    assert call("POST", f"{CHECK}stop/").json() == {"changed": False}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{CHECK}run/", {}),
        ("POST", f"{CHECK}stop/", {}),
        ("PUT", f"{CHECK}settings/", {"settings": {"depth": 1}}),
    ],
)
def test_a_viewer_changes_nothing(call, live, method, path, body):
    assert_problem(call(method, path, body=body, role="viewer"), 403, "forbidden")
    assert not CheckRun.objects.exists()


def test_settings_are_recorded_and_measured_anew(call, live):
    call("POST", f"{CHECK}run/")
    carry_out()
    body = {"settings": {"depth": 2}, "reason": "deeper"}
    changed = call("PUT", f"{CHECK}settings/", body=body)
    assert changed.status_code == 200, changed.json()
    assert changed.json()["settings"] == {"depth": 2}
    assert changed.json()["counts"] is False
    assert changed.json()["open"]["state"] == "queued"
    entry = ledger.get(ledger.head().seq).data
    assert entry["action"] == "migration:change_check"
    assert (entry["before"], entry["after"]) == ({}, {"depth": 2})
    assert (entry["item"], entry["reason"]) == ("schema", "deeper")


REFUSED = [
    ("PUT", f"{CHECK}settings/", {"settings": {"dept": 2}}, 400, "settings.dept"),
    ("PUT", f"{CHECK}settings/", {"settings": {"depth": "2"}}, 400, "settings.depth"),
    ("PUT", f"{CHECK}settings/", {"settings": []}, 400, "settings"),
    ("PUT", f"{CHECK}settings/", {}, 400, "settings"),
    ("POST", f"{CHECK}run/", {"now": True}, 400, "now"),
    ("POST", "/migrations/embeddings/checks/taste/run/", {}, 404, None),
    ("GET", f"{CHECK}?limit=0", {}, 400, "limit"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "field"), REFUSED)
def test_what_cannot_be_done_is_refused_by_the_field(call, live, method, path, body, status, field):
    answer = call(method, path, body=body)
    assert answer.status_code == status, answer.json()
    assert answer.json()["field"] == field


def test_a_draft_has_no_runs(call, monkeypatch, now):
    install(monkeypatch, schema=FakeCheck())
    make_migration()
    assert_problem(call("POST", f"{CHECK}run/"), 409, "not_allowed_here")
