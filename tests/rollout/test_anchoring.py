"""The signer away: decisions and roll back go on, promotion closes after a while and says why."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest

from audit import anchoring
from audit import queries as ledger
from audit.checkpoints import checkpoint_now
from rollout import services
from rollout.exceptions import ConflictError
from tests.rollout.builders import NOW, fresh
from tests.rollout.life import OLGA, at_weight, open_gates, promoted

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_gates")]
LONG_AFTER = NOW + timedelta(seconds=400)


@pytest.fixture
def made(settings, tmp_path):
    """At 5 %, with a ledger that has its own key and anchor."""
    settings.BANYAN_LEDGER_KEY = str(tmp_path / "ledger.key")
    settings.BANYAN_LEDGER_ANCHOR = str(tmp_path / "ledger.anchor")
    anchoring._glimpses.clear()
    return at_weight(5)


def lose_key(settings, how):
    path = Path(settings.BANYAN_LEDGER_KEY)
    path.unlink()
    if how == "unreadable":
        path.mkdir()


def test_a_promotion_is_anchored_at_once_its_own_entry_included(made):
    made = promoted(made)
    found = ledger.anchored(now=NOW)
    assert (found.state, found.size, found.entries) == (
        "anchored",
        ledger.head().seq,
        ledger.head().seq,
    )
    assert made.decisions.first().entry_id == ledger.head().seq


@pytest.mark.parametrize("how", ["missing", "unreadable"])
def test_without_the_key_decisions_go_on_and_promotion_closes_after_the_limit(made, settings, how):
    lose_key(settings, how)
    made = promoted(made)
    assert made.weight == 25
    services.hold(slug=made.slug, reason="think", actor=OLGA, now=LONG_AFTER)
    services.resume(slug=made.slug, reason="thought", actor=OLGA, now=LONG_AFTER)
    made = fresh(made)
    with pytest.raises(ConflictError) as refused:
        services.promote(
            slug=made.slug, version=made.version, reason="read", actor=OLGA, now=LONG_AFTER
        )
    assert refused.value.code == "ledger_not_anchored"
    assert "not anchored, so nothing moves toward the candidate" in refused.value.detail
    assert "unanchored for 400 s" in refused.value.detail
    assert "key" in refused.value.detail
    assert services.roll_back(slug=made.slug, actor=OLGA, now=LONG_AFTER, reason="x") is not None
    assert fresh(made).weight == 0


def test_a_failure_after_the_commit_never_fails_the_promotion(made, monkeypatch, caplog):
    calls = []

    def once(*, now):
        calls.append(now)
        if len(calls) == 2:
            raise RuntimeError("the disk is gone")
        return checkpoint_now(now=now)

    # The package's `promote` is the verb; its module has the same name.
    monkeypatch.setattr(sys.modules["rollout.services.promote"], "checkpoint_now", once)
    assert promoted(made).weight == 25
    assert "not anchored yet" in caplog.text
    assert ledger.anchored(now=NOW).size < ledger.head().seq
