"""What each table needs: a caller, and proof that a refused request left no trace but its refusal.

The tables are those of the reliability page: what comes in wrong, and the clear result expected.
Each case's id begins with the number of its row there.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import Group, User
from django.forms.models import model_to_dict

from audit.models import LedgerEntry
from controlplane.tokens import issue_token
from rollout.models import Approval, Decision, GateLatch, Review, ServiceMigration, Waiver
from shadow.models import PairBlock, RouteRule, ServicePair
from tests.rollout.builders import NOW
from traffic.models import Acknowledgement, ProxyGroup, RoutingBlock, Snapshot, Split, TrafficBlock

PROBLEM = {"type", "title", "status", "detail", "code", "field", "request_id"}
STATE = (
    ServiceMigration,
    Decision,
    Approval,
    Waiver,
    Review,
    GateLatch,
    ServicePair,
    RouteRule,
    PairBlock,
    ProxyGroup,
    Split,
    Snapshot,
    Acknowledgement,
    TrafficBlock,
    RoutingBlock,
)


def state() -> dict[str, list[str]]:
    """Every row that a request could have changed; a refusal itself may be recorded."""
    rows = {
        model.__name__: [repr(model_to_dict(row)) for row in model.objects.order_by("pk")]
        for model in STATE
    }
    entries = LedgerEntry.objects.exclude(action="migration:denied").order_by("seq")
    # Who was refused is written down: the number of an entry says nothing, its body does.
    return {**rows, "entries": [bytes(entry.body).decode() for entry in entries]}


@contextmanager
def nothing_changes() -> Iterator[None]:
    before = state()
    yield
    assert state() == before


def assert_refused(answer, status, code=None, field=None):
    """One problem document, of this status, code and field, and nothing else."""
    body = answer.json()
    assert answer.status_code == status, body
    assert answer["Content-Type"] == "application/problem+json"
    assert body.keys() >= PROBLEM
    assert body["status"] == status
    assert body["type"] == f"urn:banyan:problem:{body['code']}"
    assert body["request_id"] == answer["X-Request-Id"]
    assert body["detail"].strip()
    if code is not None:
        assert body["code"] == code, body
    if field is not None:
        assert body["field"] == field, body
    return body


@pytest.fixture
def now(monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    return NOW


@pytest.fixture
def token():
    """Make people on demand: a role, or a role and a name, to a token."""
    made = {}

    def get(role="operator", name=""):
        name = name or f"{role}-person"
        if name not in made:
            user = User.objects.create_user(username=name)
            user.groups.add(Group.objects.get_or_create(name=role)[0])
            made[name] = issue_token(user=user, name="t", role=role, now=NOW, lifetime=None)
        return made[name]

    return get


@pytest.fixture
def send(client, token):
    """Send anything as anybody: a document, or raw bytes with any content type and headers."""

    def request(method, path, body=None, *, role="operator", name="", raw=None, **headers):
        headers.setdefault("authorization", f"Bearer {token(role, name)}")
        kind = headers.pop("content_type", "application/json")
        data = raw if raw is not None else json.dumps(body if body is not None else {})
        names = {key.replace("_", "-"): value for key, value in headers.items()}
        return client.generic(method, path, data, content_type=kind, headers=names)

    return request


def row(number, what, *values, marks=()):
    """A case of the table: the row's number first in its id, then what is wrong."""
    return pytest.param(*values, id=f"{number}-{what}", marks=marks)
