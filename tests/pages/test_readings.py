"""What pages read beside the queries: the measured share, and series with gaps."""

from datetime import timedelta

import pytest
from django.utils import timezone

from rollout import readings
from tests.pages import world
from traffic.models import RoutingBlock, Split

pytestmark = pytest.mark.django_db


def routed(made, *, epoch, start, candidate, legacy):
    RoutingBlock.objects.create(
        proxy=world.proxy_of(made),
        boot="b",
        split=made.split.name,
        epoch=epoch,
        start=start,
        seconds=2,
        arms={"candidate": candidate, "legacy": legacy},
    )


def test_the_measured_share_is_that_of_the_newest_step_alone():
    now = timezone.now()
    made = world.make("embeddings", now=now)
    at = int(now.timestamp())
    routed(made, epoch="old", start=at - 10, candidate=100, legacy=0)
    routed(made, epoch="new", start=at - 6, candidate=1, legacy=99)
    share, rps = readings.recent_shares([made.split.name], now=now)[made.split.name]
    assert (share, rps) == (1.0, 50.0)


def test_a_split_that_no_proxy_reported_of_late_has_no_share():
    now = timezone.now()
    made = world.make("embeddings", now=now)
    routed(made, epoch="a", start=int(now.timestamp()) - 60, candidate=5, legacy=95)
    assert readings.recent_shares([made.split.name], now=now) == {}


def test_slots_without_traffic_are_gaps_and_not_zero():
    now = timezone.now()
    made = world.make("embeddings", now=now)
    Split.objects.filter(pk=made.split_id).update(mode="dual_run")
    world.traffic_history(made, now=now - timedelta(minutes=3), weight=0, minutes=1)
    series = readings.traffic_series(split=made.split.name, now=now)
    assert None in series["legacy"].rps
    assert any(series["legacy"].rps)
    assert "candidate" not in series


def test_the_pulse_moves_with_a_decision():
    now = timezone.now()
    world.ready(now)
    before = readings.read_pulse()
    world.decide("search-embedder", world.Action.HOLD, now=now, reason="stop")
    after = readings.read_pulse()
    assert after.ledger_seq == before.ledger_seq + 1
    version = [p.migrations["search-embedder"]["version"] for p in (before, after)]
    assert version[1] == version[0] + 1
