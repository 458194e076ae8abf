"""How far the anchor reaches is told at once, and often enough, whatever hangs."""

import json
import time
from datetime import timedelta

import pytest

from audit import anchoring, anchors, conf
from audit.anchors import FileAnchor
from audit.chain import Actor
from audit.checkpoints import checkpoint_now
from audit.queries import anchored, glance
from audit.services import append
from tests.audit.builders import NOW

pytestmark = pytest.mark.django_db
ADA = Actor("user", "ada", "operator")
SOON = NOW + timedelta(seconds=30)


@pytest.fixture(autouse=True)
def _no_glimpse():
    anchoring._glimpses.clear()


def entry():
    append(actor=ADA, action="token:issue", body={"subject": "pipeline"}, now=NOW)


def test_a_glance_says_what_the_whole_look_says():
    entry()
    checkpoint_now(now=NOW)
    assert glance(now=SOON) == anchored(now=SOON)
    assert glance(now=SOON).words(SOON) == "anchored up to seq 2, 30 s ago"
    assert glance(now=SOON).to_dict(SOON) == {
        "state": "anchored",
        "text": "anchored up to seq 2, 30 s ago",
        "anchored_seq": 2,
        "entries": 2,
        "anchored_age_s": 30.0,
        "unanchored_s": 0.0,
        "limit_s": 300,
        "reason": "",
        "promotion_closed": False,
    }


def test_before_the_first_checkpoint_nothing_is_anchored():
    entry()
    assert glance(now=SOON).words(SOON) == "nothing is anchored yet"
    assert glance(now=SOON).to_dict(SOON)["anchored_age_s"] is None


def test_a_disk_that_hangs_is_waited_for_once_and_shortly(monkeypatch):
    entry()
    checkpoint_now(now=NOW)
    entry()
    looked = []

    def hangs(self):
        looked.append(1)
        time.sleep(3)

    monkeypatch.setattr(FileAnchor, "newest", hangs)
    monkeypatch.setattr(conf, "GLANCE_SECONDS", 0.05)
    began = time.monotonic()
    found = [glance(now=NOW + timedelta(seconds=400)) for _ in range(5)]
    assert time.monotonic() - began < 1
    assert len(looked) == 1
    assert (found[0].state, found[0].size, found[0].unanchored_s) == ("unanchored", 2, 400)
    assert "no answer" in found[0].promotion_closed


def test_the_limit_is_a_setting(settings):
    entry()
    checkpoint_now(now=NOW)
    entry()
    at = NOW + timedelta(seconds=200)
    assert anchored(now=at).promotion_closed == ""
    settings.BANYAN_LEDGER_UNANCHORED_LIMIT_S = 60
    assert anchored(now=at).promotion_closed.startswith("unanchored for 200 s")


def test_further_files_get_every_checkpoint_and_one_that_fails_is_named(settings, tmp_path):
    second, third = tmp_path / "second", tmp_path / "no" / "third"
    settings.BANYAN_LEDGER_ANCHORS = [str(second), str(third)]
    assert [each.name for each in anchors.further_anchors()] == [f"file {second}", f"file {third}"]
    entry()
    checkpoint_now(now=NOW)
    for place in (second, third):
        assert FileAnchor(place).newest().size == 2
    (tmp_path / "no" / "third").unlink()
    (tmp_path / "no" / "third").mkdir()
    entry()
    state = checkpoint_now(now=SOON)
    assert "third" in state.reason
    assert (FileAnchor(second).newest().size, state.size) == (3, 3)
    assert json.loads(second.read_text().splitlines()[0])["checkpoint"]
