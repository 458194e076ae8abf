"""A new build starts evidence anew and holds a canary."""

import sys
from datetime import timedelta

import pytest

from rollout import services
from rollout.exceptions import ConflictError, StaleVersionError
from tests.rollout.builders import NOW, fresh, make_migration
from tests.rollout.life import (
    OLGA,
    approved,
    assert_ledger_holds,
    at_weight,
    newest,
    open_gates,
    promoted,
    set_builds,
    started,
)

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_gates")]
LATER = NOW + timedelta(minutes=3)


def test_starting_notes_the_builds_and_when_evidence_begins():
    made = started()
    assert (made.builds, made.evidence_since) == ("legacy-1|candidate-1", NOW)


def test_a_new_candidate_build_holds_the_canary():
    made = at_weight(25)
    set_builds(made, candidate="candidate-2")
    decision = services.notice_build(fresh(made), now=LATER)
    after = fresh(made)
    assert (after.weight, after.held, after.held_by) == (25, True, "banyan")
    assert "from candidate-1 to candidate-2" in after.held_reason
    assert (after.builds, after.evidence_since) == ("legacy-1|candidate-2", LATER)
    assert decision.entry.data["builds_before"]["candidate"] == "candidate-1"
    assert services.notice_build(after, now=LATER) is None
    assert_ledger_holds()


def test_in_dual_run_it_only_begins_anew():
    made = started(policy="guide")
    asked = approved(made)
    set_builds(made, candidate="candidate-2")
    assert services.notice_build(fresh(made), now=LATER) is None
    after = fresh(made)
    assert (after.held, after.version, after.evidence_since) == (False, made.version, LATER)
    assert newest()["action"] == "migration:new_build"
    asked.refresh_from_db()
    assert (asked.state, asked.ended_because) == ("expired", "build_changed")
    assert_ledger_holds()


@pytest.mark.parametrize(
    "builds",
    [{"candidate": "candidate-1", "legacy": "legacy-2"}, {"candidate": "candidate-2"}],
)
def test_a_new_legacy_build_or_one_while_held_is_noted(builds):
    made = at_weight(25)
    if builds["candidate"] != "candidate-1":
        services.hold(slug=made.slug, reason="pager", actor=OLGA, now=NOW)
    version = fresh(made).version
    set_builds(made, **builds)
    assert services.notice_build(fresh(made), now=LATER) is None
    assert fresh(made).version == version
    assert fresh(made).evidence_since == LATER
    assert_ledger_holds()


def test_nothing_new_is_nothing():
    made = at_weight(25)
    assert services.notice_build(made, now=LATER) is None
    draft = make_migration_elsewhere()
    assert services.notice_build(draft, now=LATER) is None


def make_migration_elsewhere():
    from traffic import services as traffic

    traffic.create_group(name="other", now=NOW)
    return make_migration(
        slug="other", group="other", legacy_url="http://127.0.0.1:9101",
        candidate_url="http://127.0.0.1:9102",
    )  # fmt: skip


def test_two_workers_notice_it_once():
    made = at_weight(25)
    set_builds(made, candidate="candidate-2")
    first, second = fresh(made), fresh(made)
    assert services.notice_build(first, now=LATER).action == "hold"
    assert services.notice_build(second, now=LATER) is None


def test_promoting_over_a_new_build_holds_instead():
    made = at_weight(25)
    set_builds(made, candidate="candidate-2")
    with pytest.raises(StaleVersionError) as refused:
        promoted(made)
    assert "banyan decided hold" in refused.value.detail
    assert (fresh(made).weight, fresh(made).held) == (25, True)


def test_a_build_that_changes_between_the_look_and_the_lock_is_refused(monkeypatch):
    made = started()
    set_builds(made, candidate="candidate-2")
    promoting = sys.modules["rollout.services.promote"]
    monkeypatch.setattr(promoting, "notice_build", lambda *a, **k: None)
    with pytest.raises(ConflictError) as refused:
        promoted(made)
    assert refused.value.code == "build_changed"
