"""Refused attempts stand in the ledger, also to describe; and who took a place up is named."""

import json

import pytest

from audit.models import LedgerEntry
from rollout import services
from tests.rollout.builders import NOW, in_dual_run, make_migration
from tests.rollout.life import assert_ledger_holds, newest
from tests.rollout.test_api import call

__all__ = ["call"]
pytestmark = pytest.mark.django_db

DESCRIBED = {
    "slug": "next",
    "team": "inference",
    "legacy_url": "http://127.0.0.1:9001",
    "candidate_url": "http://127.0.0.1:9002",
    "policy": "demo",
    "routes": [{"method": "POST", "path": "/infer", "safe_to_duplicate": True}],
}


def denied():
    return [row.data for row in LedgerEntry.objects.filter(action="migration:denied")]


def test_a_viewer_who_describes_a_migration_is_in_the_ledger(call):
    make_migration()
    assert call("POST", "/migrations/", body=DESCRIBED, role="viewer").status_code == 403
    (entry,) = denied()
    assert (entry["attempt"], entry["code"]) == ("create", "forbidden")
    assert entry["actor"]["role"] == "viewer"
    assert "place" not in entry
    assert_ledger_holds()


def test_a_migration_that_finds_its_group_taken_is_in_the_ledger(call):
    make_migration()
    answer = call("POST", "/migrations/", body=DESCRIBED)
    assert answer.status_code == 409, json.dumps(answer.json())
    (entry,) = denied()
    assert (entry["migration"], entry["code"]) == ("next", "group_taken")
    assert_ledger_holds()


def test_who_took_a_place_up_is_named_when_it_is_in_effect():
    made = in_dual_run()
    services.mark_in_effect(migration=made, share="0", keys=400, now=NOW, accepted=["edge-1"])
    assert newest()["action"] == "migration:in_effect"
    assert newest()["accepted"] == ["edge-1"]
