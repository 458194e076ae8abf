"""The edge API: a token per proxy, whole reports or nothing, repeats are harmless."""

import asyncio
import json
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connections, transaction

from tests.rollout.builders import NOW, add_keys, fresh, in_dual_run, make_migration
from traffic import queries, services
from traffic.api.watch import watch
from traffic.exceptions import ReportError
from traffic.models import (
    Acknowledgement,
    Proxy,
    ProxyGroup,
    RoutingBlock,
    Split,
    TapBlock,
    TrafficBlock,
)
from traffic.reports import parse_report

pytestmark = pytest.mark.django_db(transaction=True)


def report(**changes):
    group = ProxyGroup.objects.get(name="default")
    values = {
        "proxy": "edge-1",
        "boot": "b1",
        "seq": 7,
        "lineage": group.lineage,
        "generation": group.generation,
        "state": "accepted",
        "reason": None,
        "hold": None,
        "envoy": {"version": "1.40.0"},
        "capabilities": ["pair_tap"],
        "blocks": [
            {
                "split": "embeddings",
                "route": "POST /infer",
                "arm": "candidate",
                "start": 1763884800,
                "seconds": 2,
                "requests": 240,
                "status": {"2xx": 230, "5xx": 10},
                "errors": 10,
                "latency": {"table": "us-1pct-v1", "all": {"17": 240}},
            }
        ],
        "routing": [
            {
                "split": "embeddings",
                "start": 1763884800,
                "seconds": 2,
                "epoch": "0",
                "arms": {"candidate": 3, "legacy": 5},
                "new_keys": {"candidate": ["9f" * 8], "legacy": ["03" * 8, "1"]},
                "flips": [{"key": "k", "first": "legacy", "now": "candidate"}],
                "flip_count": 1,
            }
        ],
        "taps": [
            {
                "split": "embeddings",
                "route": "POST /infer",
                "start": 1763884800,
                "sampled": 9,
                "pairs": 9,
            }
        ],
    }
    return {**values, **changes}


@pytest.fixture
async def no_connection_left():
    """Close what other threads opened: PostgreSQL drops no database that is in use."""
    yield
    await sync_to_async(connections.close_all)()
    await asyncio.get_running_loop().run_in_executor(watch._thread, connections.close_all)


@pytest.fixture
def edge(async_client, no_connection_left):
    make_migration()

    async def call(method, path, body=None, token="secret"):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        raw = body if isinstance(body, str) else json.dumps(body)
        if method == "GET":
            return await async_client.get(f"/edge/v1/{path}", headers=headers)
        return await async_client.post(
            f"/edge/v1/{path}", raw, content_type="application/json", headers=headers
        )

    return call


async def test_a_new_proxy_gets_the_newest_snapshot_at_once(edge):
    answer = await edge("GET", "snapshot?wait=5")
    assert answer.status_code == 200
    document = answer.json()
    assert document["proxy"] == "edge-1"
    assert document["exposure"] == {"embeddings": 0}


async def test_a_proxy_that_is_up_to_date_waits_and_gets_204(edge):
    document = (await edge("GET", "snapshot?wait=5")).json()
    path = f"snapshot?lineage={document['lineage']}&generation={document['generation']}&wait=0"
    assert (await edge("GET", path)).status_code == 204


async def test_a_foreign_lineage_is_409_and_keeps_what_it_has(edge):
    assert (await edge("GET", "snapshot?lineage=other&generation=3")).status_code == 409


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_without_its_token_a_proxy_gets_nothing(edge, token):
    assert (await edge("GET", "snapshot", token=token)).status_code == 401
    assert (await edge("POST", "report", {}, token=token)).status_code == 401


@pytest.mark.parametrize("query", ["wait=-1", "wait=99", "generation=x", "generation=" + "9" * 30])
async def test_numbers_out_of_range_are_refused(edge, query):
    assert (await edge("GET", f"snapshot?{query}")).status_code == 400


async def test_a_report_may_not_come_from_another_proxy(edge):
    body = await sync_to_async(report)(proxy="edge-2")
    assert (await edge("POST", "report", body)).status_code == 403


async def test_a_report_that_is_not_json_is_refused(edge):
    assert (await edge("POST", "report", "{")).status_code == 400
    assert (await edge("POST", "report", "[" * 100_000)).status_code == 400


async def test_while_the_database_is_away_a_report_is_to_be_sent_again(edge, monkeypatch):
    def away(**_):
        raise OperationalError("the server closed the connection")

    body = await sync_to_async(report)()
    monkeypatch.setattr(services, "record_report", away)
    answer = await edge("POST", "report", body)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_busy")


def record(**changes):
    proxy = Proxy.objects.select_related("group").get(name="edge-1")
    return services.record_report(proxy=proxy, report=parse_report(report(**changes)), now=NOW)


def test_a_report_sent_twice_counts_once():
    make_migration()
    assert record() == 7
    assert record() == 7
    assert TrafficBlock.objects.get().requests == 240
    assert TapBlock.objects.get().sampled == 9
    assert len(bytes(RoutingBlock.objects.get().legacy_keys)) == 16


def test_a_later_report_of_a_block_replaces_the_earlier_one():
    make_migration()
    record()
    later = report()["blocks"][0] | {"requests": 300}
    record(seq=8, blocks=[later])
    assert TrafficBlock.objects.get().requests == 300


def test_an_acceptance_of_a_generation_never_sent_is_ignored():
    make_migration()
    record(generation=99)
    assert not Acknowledgement.objects.exists()


def test_the_first_acceptance_stays_the_acceptance():
    make_migration()
    record()
    first = Acknowledgement.objects.get().at
    record(seq=8)
    assert Acknowledgement.objects.get().at == first


def test_distinct_keys_are_the_union_over_blocks_of_the_epoch():
    migration = make_migration()
    add_keys(migration, candidate=3, legacy=7, at=NOW)
    add_keys(migration, candidate=3, legacy=7, at=NOW.replace(minute=1))
    RoutingBlock.objects.filter(start__gt=0).first()
    seen = queries.observed(split="embeddings", epoch=fresh(migration).split.epoch)
    assert (seen.candidate_keys, seen.legacy_keys) == (3, 7)
    assert queries.observed(split="embeddings", epoch="another").keys == 0


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"state": "perfect"}, "state"),
        ({"seq": -1}, "seq"),
        ({"seq": 1.5}, "seq"),
        ({"seq": True}, "seq"),
        ({"generation": "1"}, "generation"),
        ({"proxy": ""}, "proxy"),
        ({"blocks": [{"split": "x"}]}, "route"),
        ({"blocks": "none"}, "blocks"),
        ({"blocks": [5]}, "blocks"),
        ({"routing": [{"split": "x", "new_keys": {"legacy": ["zz"]}}]}, "new_keys"),
        ({"routing": [{"split": "x", "new_keys": {"legacy": ["f" * 17]}}]}, "new_keys"),
        ({"routing": [{"split": "x", "flips": ["k"]}]}, "flips"),
    ],
)
def test_an_unreadable_report_is_refused_by_field(change, names):
    make_migration()
    with pytest.raises(ReportError, match=names):
        parse_report(report(**change))


def test_a_step_is_measured_against_what_legacy_did_in_the_step_before():
    migration = in_dual_run()
    split = Split.objects.get(pk=migration.split_id)
    proxy = Proxy.objects.get()
    for second, bucket in enumerate((100, 100, 200)):
        TrafficBlock.objects.create(
            proxy=proxy,
            boot="b",
            split=split.name,
            route="POST /infer",
            arm="legacy",
            start=int(NOW.timestamp()) + 2 * second,
            seconds=2,
            requests=100,
            latency={"table": "us-1pct-v1", "all": {str(bucket): 100}},
        )
    with transaction.atomic():
        services.ask_for_split(
            split=split,
            mode="canary",
            weight_tth=500,
            epoch="next",
            likely=[],
            now=NOW + timedelta(seconds=60),
        )
    document = queries.snapshot(group_id=split.group_id, generation=4).document
    slow = next(r["slow_us"] for r in document["rules"] if r["route"] == "POST /infer")
    assert slow["p50"] < slow["p95"] <= slow["p99"]
    assert next(r["slow_us"] for r in document["rules"] if r["route"] != "POST /infer") is None
    assert document["warmup_us_until"] == (int(NOW.timestamp()) + 60 + 5 + 2) * 1_000_000
