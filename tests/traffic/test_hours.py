"""Hours of traffic say what their blocks say, grow, and are built anew for a late block."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from judge.histogram import hist_bucket
from tests.rollout.builders import make_migration
from traffic import hours, services
from traffic.blocks import read_blocks
from traffic.models import Proxy, RoutingBlock, RoutingHour, Split, TrafficBlock, TrafficHour
from traffic.reference import design_effects, reference
from traffic.reports import parse_report
from traffic.routing import observed

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
ROUTES = ("POST /infer", "POST /v1/infer")
SINCE = START + timedelta(minutes=10)


@pytest.fixture
def split():
    make_migration(now=START)
    return Split.objects.get()


def block(split, at, *, route=ROUTES[0], arm="candidate", boot="b", **counts):
    values = {"requests": 20, "errors": 1, "slow": {"p50": 9, "p95": 2, "p99": 1}, "warming": 0}
    return TrafficBlock(
        proxy=Proxy.objects.get(),
        boot=boot,
        split=split.name,
        route=route,
        arm=arm,
        start=int(at.timestamp()),
        seconds=10,
        **(values | counts),
    )


def filled(split, *, minutes=150):
    """Two arms, two routes, two runs of an edge: a block every half minute from START on."""
    rows = []
    for number in range(2 * minutes):
        at = START + timedelta(seconds=30 * number)
        for route in ROUTES:
            for arm, boot in (("candidate", "b"), ("candidate", "c"), ("legacy", "b")):
                user = f"{number % 7:016x}"
                latency = {str(100 + number % 5): 10, str(300): number % 3}
                rows.append(
                    block(
                        split,
                        at,
                        route=route,
                        arm=arm,
                        boot=boot,
                        requests=20 + number % 3,
                        warming=number % 2,
                        keys={"errors": user} if arm == "candidate" else {},
                        latency={"all": latency, "even": latency, "odd": {"5": 1}},
                    )
                )
    TrafficBlock.objects.bulk_create(rows)
    return START + timedelta(minutes=minutes)


def read(split, since=SINCE):
    found = read_blocks(split=split.name, since=since)
    pairs = hours.latencies(split=split.name, since=since, arms=("candidate", "legacy"))
    return found, pairs


def assert_same(first, second):
    for route in ("", *ROUTES):
        for arm in ("candidate", "legacy"):
            one, other = first[0].arm(arm, route), second[0].arm(arm, route)
            for name in ("starts", "requests", "errors", "warming"):
                assert np.array_equal(getattr(one, name), getattr(other, name)), (route, arm, name)
            assert all(np.array_equal(one.slow[name], other.slow[name]) for name in one.slow)
            assert one.users("errors") == other.users("errors")
    assert first[1] == second[1]


@pytest.mark.parametrize("steps", [1, 9])
def test_hours_say_what_their_blocks_say_however_often_they_grew(split, steps):
    end = filled(split)
    before = read(split)
    for step in range(1, steps + 1):
        hours.settle(now=START + (end - START) * step / steps + timedelta(minutes=step == steps))
    assert TrafficHour.objects.exclude(route="").count() == 3 * 2 * 2
    assert hours.settle(now=end + timedelta(minutes=1)) == 0
    assert_same(read(split), before)
    assert before[0].arm("candidate").users("errors") == 7


def test_a_window_of_whole_hours_needs_no_blocks(split):
    end = filled(split)
    hours.settle(now=end + timedelta(hours=2))
    since = START.replace(hour=11, minute=0)
    before = read(split, since)
    TrafficBlock.objects.all().delete()
    assert_same(read(split, since), before)


def report(split, *, at, **changes):
    row = {
        "split": split.name,
        "start": int(at.timestamp()),
        "seconds": 10,
        "route": ROUTES[0],
        "arm": "candidate",
        "requests": 7,
        "errors": 7,
        "keys": {"errors": ["00000000000000ff"]},
    }
    return parse_report(
        {
            "proxy": "edge-1",
            "boot": "late",
            "seq": 1,
            "generation": 0,
            "state": "accepted",
            "blocks": [row | changes],
        }
    )


def test_a_late_block_reopens_its_hour_and_is_counted(split):
    end = filled(split)
    hours.settle(now=end)
    before = read(split)[0].arm("candidate")
    late = SINCE + timedelta(minutes=3)
    proxy = Proxy.objects.select_related("group").get()
    services.record_report(proxy=proxy, report=report(split, at=late), now=end)
    for now in (None, end):
        if now is not None:
            hours.settle(now=now)
        after = read(split)[0].arm("candidate")
        assert after.requests.sum() == before.requests.sum() + 7
        assert after.users("errors") == before.users("errors") + 1


def test_a_block_of_now_reopens_nothing(split):
    end = filled(split)
    hours.settle(now=end)
    known = TrafficHour.objects.count()
    proxy = Proxy.objects.select_related("group").get()
    services.record_report(proxy=proxy, report=report(split, at=end), now=end)
    assert TrafficHour.objects.count() == known


def routing(split, at, *, epoch="step", boot="b", candidate=(), legacy=(), **counts):
    def packed(keys):
        return b"".join(key.to_bytes(8, "big") for key in sorted(keys))

    return RoutingBlock.objects.create(
        proxy=Proxy.objects.get(),
        boot=boot,
        split=split.name,
        epoch=epoch,
        start=int(at.timestamp()),
        seconds=10,
        arms={"candidate": len(candidate), "legacy": len(legacy)},
        candidate_keys=packed(candidate),
        legacy_keys=packed(legacy),
        **counts,
    )


def test_routing_hours_say_what_their_blocks_say(split):
    TrafficBlock.objects.bulk_create([block(split, START)])
    for number in range(200):
        at = START + timedelta(seconds=60 * number)
        flips = {"flip_count": 1, "flips": [f"key {number}"]} if number in (50, 52) else {}
        routing(split, at, candidate={number}, legacy={1000 + number, 7000}, **flips)
    routing(split, START, epoch="before", boot="o", candidate={5000})
    before = observed(split=split.name, epoch="step")
    hours.settle(now=START + timedelta(minutes=195))
    assert RoutingHour.objects.filter(epoch="step").count() > 2
    assert observed(split=split.name, epoch="step") == before
    assert (before.candidate_keys, before.legacy_keys) == (200, 201)
    assert (before.flip_count, before.flips_for_s) == (2, 130)
    assert before.minutes[:2] == ((1, 3), (1, 3))


def test_a_key_that_proxies_disagree_about_is_a_flip_and_counts_where_it_was_first(split):
    routing(split, START, candidate={1, 2}, legacy={3})
    routing(split, START + timedelta(seconds=60), boot="other", legacy={1, 4})
    found = observed(split=split.name, epoch="step")
    assert (found.candidate_keys, found.legacy_keys, found.flip_count) == (2, 2, 1)
    assert found.flips_for_s == 10


def test_a_step_freezes_legacys_thresholds_and_counts(split):
    Split.objects.update(asked_at=SINCE)
    split.refresh_from_db()
    TrafficBlock.objects.bulk_create(
        block(
            split,
            SINCE + timedelta(minutes=minute),
            arm="legacy",
            requests=100,
            latency={"all": {"100": 89, "200": 11}},
        )
        for minute in range(100)
    )
    until = SINCE + timedelta(minutes=101)
    before = reference(split, until=until)
    hours.settle(now=until)
    found = reference(split, until=until)
    assert found == before
    frozen = found[ROUTES[0]]
    assert (frozen["requests"], frozen["errors"], frozen["timed"]) == (10_000, 100, 10_000)
    assert frozen["slow"] == {"p50": 1100, "p95": 0, "p99": 0}
    assert hist_bucket(frozen["thresholds"]["p50"]) == 100
    assert frozen["deff"] == {}


def test_the_design_effect_comes_from_a_day_of_legacys_history(split):
    # Errors come five at a time, every tenth block; slowness as evenly as it can.
    rows = [
        block(
            split,
            START + timedelta(minutes=number),
            arm="legacy",
            requests=100,
            errors=5 if number % 10 == 0 else 0,
            latency={"all": {"100": 50, "200": 50}},
        )
        for number in range(26 * 60)
    ]
    TrafficBlock.objects.bulk_create(rows)
    hours.settle(now=START + timedelta(hours=20))
    assert design_effects(split.name, until=START + timedelta(hours=20)) == {}
    hours.settle(now=START + timedelta(hours=26, minutes=5))
    found = design_effects(split.name, until=START + timedelta(hours=26, minutes=5))
    assert found.keys() == {"", ROUTES[0]}
    assert found[ROUTES[0]]["errors"] == pytest.approx(4.5, abs=0.1)
    assert found[""] == found[ROUTES[0]]
    # Above the median of the hour before: fifty of each hundred, always.
    assert found[""]["p50"] == 1
    assert "p99" not in found[""]
