"""Processes are killed while they append; the ledger and what it records stay one."""

import os

import pytest
from django.contrib.auth.models import Group
from django.db import transaction

from audit import queries
from audit.chain import Actor
from audit.models import LedgerEntry, LedgerHead
from audit.services import append
from tests.audit.builders import NOW
from tests.storm.kills import storm

KILLS = int(os.environ.get("BANYAN_STORM_KILLS", "250"))
SEED = int(os.environ.get("BANYAN_SEED", "20260131"))
WRITER = Actor("user", "writer", "operator")


def act(number):
    with transaction.atomic():
        Group.objects.create(name=f"group {number}")
        append(actor=WRITER, action="note:write", body={"subject": f"group {number}"}, now=NOW)


def check(number):
    """Both are there, or neither is."""
    name = f"group {number}"
    with transaction.atomic():
        LedgerHead.objects.select_for_update().get()
        entries = LedgerEntry.objects.filter(subject=name).count()
        assert entries == Group.objects.filter(name=name).count() <= 1


@pytest.mark.django_db(transaction=True)
def test_killed_appends_leave_no_half_state_and_a_ledger_that_verifies():
    fallen = storm(lambda _number: None, act, check, kills=KILLS, seed=SEED)
    recorded = LedgerEntry.objects.filter(action="note:write").values_list("subject", flat=True)
    assert sorted(recorded) == sorted(Group.objects.values_list("name", flat=True))
    report = queries.verify()
    assert report.verified, f"{fallen}: {report.text}"
    assert report.entries == len(recorded) + 1
    # Else the storm hit nothing: it must catch the operation at work.
    assert fallen.inside > KILLS // 10, fallen
