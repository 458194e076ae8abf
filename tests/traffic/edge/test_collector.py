"""The collector's reports, without Envoy: what is told, acknowledged, spooled, and told again."""

import time
from dataclasses import replace
from pathlib import Path

from tests.traffic.edge import rig
from tests.traffic.edge.builders import attempt, request
from traffic.edge.collector import Collector
from traffic.edge.records import AccessRecord

SNAPSHOT = rig.snapshot(rig.plan(8001, 8002))


def collector(state_dir: Path, boot: str = "boot-1") -> Collector:
    made = Collector(state_dir, None, boot)
    made.configure(SNAPSHOT, now=time.time() - 100)
    return made


def just_now() -> dict[str, int]:
    return {"started_us": int(time.time() * 1e6)}


def feed(target: Collector, *records: AccessRecord) -> None:
    target._recorded(records)


def test_a_report_holds_closed_blocks_until_they_are_acknowledged(tmp_path: Path) -> None:
    target = collector(tmp_path)
    feed(target, attempt("legacy", **just_now()), request("legacy", **just_now()))
    later = time.time() + 10
    for seq in (1, 2):
        part = target.drain_report(seq, later)
        assert part.boot == "boot-1"
        assert [block["requests"] for block in part.blocks] == [1]
        assert [row["arms"]["legacy"] for row in part.routing] == [1]
        assert [row["sampled"] for row in part.taps] == [1]
    target.acknowledge(2)
    assert target.drain_report(3, later).blocks == []


def test_a_copy_that_envoy_refused_is_known_by_its_mark(tmp_path: Path) -> None:
    target = collector(tmp_path)
    flags = frozenset({"upstream_overflow"})
    refused = attempt("", status=0, flags=flags, copy="candidate-shadow", **just_now())
    feed(target, replace(refused, cluster="", route=""))
    (block,) = target.drain_report(1, time.time() + 10).blocks
    assert (block["arm"], block["shed"], block["requests"]) == ("candidate_shadow", 1, 0)


async def test_blocks_of_an_earlier_run_are_reported_under_its_boot(tmp_path: Path) -> None:
    first = collector(tmp_path)
    await first.start()
    feed(first, attempt("legacy", **just_now()))
    await first.stop()
    second = collector(tmp_path, "boot-2")
    feed(second, attempt("legacy", **just_now()))
    later = time.time() + 10
    part = second.drain_report(1, later)
    assert (part.boot, [block["requests"] for block in part.blocks]) == ("boot-1", [1])
    second.acknowledge(1)
    part = second.drain_report(2, later)
    assert (part.boot, [block["requests"] for block in part.blocks]) == ("boot-2", [1])
    second.acknowledge(2)
    assert second.drain_report(3, later).blocks == []
    assert second.stats()["blocks_spooled_chunks"] == 0


async def test_spooled_blocks_stay_until_they_are_acknowledged(tmp_path: Path) -> None:
    first = collector(tmp_path)
    await first.start()
    feed(first, attempt("legacy", **just_now()))
    await first.stop()
    second = collector(tmp_path, "boot-2")
    assert second.drain_report(1, time.time()).boot == "boot-1"
    assert second.drain_report(2, time.time()).boot == "boot-2"
    assert collector(tmp_path, "boot-3").drain_report(1, time.time()).boot == "boot-1"


def test_every_counter_is_a_metric(tmp_path: Path) -> None:
    target = collector(tmp_path)
    feed(target, attempt("legacy", **just_now()))
    lines = dict(line.split() for line in target.metrics_text().splitlines())
    assert lines.keys() == {f"banyan_edge_{name}" for name in target.stats()}
    assert lines["banyan_edge_records"] == "1"


def test_a_malformed_snapshot_changes_nothing(tmp_path: Path) -> None:
    target = collector(tmp_path)
    broken = {**SNAPSHOT, "capture": {**SNAPSHOT["capture"], "cap_bytes": "many"}}
    for document in ({}, broken):
        try:
            target.configure(document)
        except (KeyError, TypeError, ValueError):
            continue
        raise AssertionError("accepted")
    feed(target, attempt("legacy", **just_now()))
    assert len(target.drain_report(1, time.time() + 10).blocks) == 1
