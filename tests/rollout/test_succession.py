"""After the end: legacy gets nothing more, nothing leads back, and the proxies can serve anew."""

import json

import pytest

from rollout import services
from rollout.exceptions import ConflictError
from rollout.lifecycle import Action
from tests.rollout.builders import NOW, fresh, given, split_of
from tests.rollout.hosts import LATER, Host
from tests.rollout.life import (
    LENA,
    OLGA,
    approved,
    assert_ledger_holds,
    at_weight,
    in_effect,
    open_gates,
    started,
    traffic_of,
)
from traffic import services as traffic
from traffic.exceptions import LegacyGoneError
from traffic.models import Proxy, Snapshot

__all__ = ["open_gates"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_gates")]


def decommissioned(host=None):
    made = at_weight(100, full=True)
    if host:
        host.follow()
    in_effect(made)
    traffic_of(made, at=LATER, candidate=500)
    Proxy.objects.update(last_seen_at=LATER)
    approved(made, Action.DECOMMISSION, now=LATER)
    services.decommission(
        slug=made.slug,
        version=fresh(made).version,
        reason="nobody is left",
        confirm=f"{made.slug} decommission",
        actor=LENA,
        now=LATER,
    )
    return fresh(made)


def newest():
    return Snapshot.objects.order_by("-generation").first().document


def clusters_of(host):
    return {cluster["name"] for cluster in host.bench.files.read("clusters")[1]}


def test_the_routes_leave_legacy_first_and_its_clusters_go_once_they_are_drained(tmp_path):
    group = traffic.create_group(name="default", now=NOW)
    traffic.register_proxy(group=group, name="edge-1", token="edge-1", now=NOW)
    host = Host(tmp_path / "edge")
    made = decommissioned(host)
    before = Snapshot.objects.order_by("-generation")[1].document
    envoy = host.bench.envoy
    envoy.log.clear()
    envoy.active = 1
    assert (host.follow(), host.share) == ("accepted", 10_000)
    version = f"{newest()['generation']}-{newest()['sha256'][:8]}"
    assert envoy.log == [("clusters", version + "+"), ("routes", version)]
    host.settle()
    assert f"{made.slug}/legacy" in clusters_of(host)
    envoy.active = 0
    host.settle()
    assert clusters_of(host) == {f"{made.slug}/candidate"}
    assert str(split_of(made).legacy_port) not in json.dumps(host.bench.files.read("routes"))
    assert host.offered(before) == "refused"
    assert host.bench.applier.status().refusal.kind == "stale"


def test_nothing_asks_a_decommissioned_split_to_change():
    made = decommissioned()
    with pytest.raises(LegacyGoneError):
        traffic.ask_for_split(
            split=split_of(made), mode="dual_run", weight_tth=0, epoch="x", likely=[], now=LATER
        )
    with pytest.raises(ConflictError):
        services.roll_back(slug=made.slug, actor=OLGA, now=LATER, reason="oh no")
    assert newest()["exposure"] == {made.slug: 10_000}


def test_a_glass_broken_after_the_end_leaves_the_candidate_and_is_entered(tmp_path):
    made = decommissioned()
    host = Host(tmp_path / "edge")
    host.follow()
    host.breaks()
    routes = json.dumps(host.bench.files.read("routes"))
    assert f"{made.slug}/candidate" in routes
    assert "legacy" not in routes
    host.tells()
    assert services.follow_holds(now=LATER) == 1
    assert fresh(made).phase == "decommissioned"
    assert_ledger_holds()


def test_the_group_takes_a_new_migration_of_the_service_that_is_left(tmp_path):
    made = decommissioned()
    host = Host(tmp_path / "edge")
    host.follow()
    next_ = services.create_migration(
        given=given(
            slug="next",
            legacy_url="http://127.0.0.1:9002",
            candidate_url="http://127.0.0.1:9003",
        ),
        actor=OLGA,
        now=LATER,
    )
    assert newest()["exposure"] == {"next": 0}
    assert {name.partition("/")[0] for name in newest()["capture"]["arms"]} == {"next"}
    assert (host.follow(), host.share) == ("accepted", 0)
    assert split_of(made).retired
    Proxy.objects.update(last_seen_at=LATER)
    services.decide(slug="next", action=Action.START, version=0, reason="", actor=OLGA, now=LATER)
    assert fresh(next_).phase == "dual_run"
    assert_ledger_holds()


def test_after_giving_up_the_next_candidate_replaces_the_same_legacy():
    made = started()
    services.abandon(slug=made.slug, version=fresh(made).version, reason="no", actor=OLGA, now=NOW)
    next_ = services.create_migration(
        given=given(slug="next", candidate_url="http://127.0.0.1:9003"), actor=OLGA, now=NOW
    )
    assert newest()["exposure"] == {next_.slug: 0}
    assert_ledger_holds()


def test_a_group_whose_migration_goes_on_is_taken():
    made = started()
    with pytest.raises(ConflictError) as refused:
        services.create_migration(given=given(slug="next"), actor=OLGA, now=NOW)
    assert refused.value.code == "group_taken"
    assert made.slug in refused.value.detail


@pytest.mark.parametrize("end", ["decommissioned", "abandoned"])
def test_describing_a_migration_of_another_service_moves_nobody(end):
    if end == "decommissioned":
        serves = "http://127.0.0.1:9002"
        decommissioned()
    else:
        serves, made = "http://127.0.0.1:9001", started()
        services.abandon(
            slug=made.slug, version=fresh(made).version, reason="no", actor=OLGA, now=NOW
        )
    before = newest()["generation"]
    with pytest.raises(ConflictError) as refused:
        services.create_migration(
            given=given(slug="next", legacy_url="http://127.0.0.1:9009"), actor=OLGA, now=LATER
        )
    assert (refused.value.code, refused.value.field) == ("another_service", "legacy_url")
    assert serves in refused.value.detail
    assert newest()["generation"] == before
