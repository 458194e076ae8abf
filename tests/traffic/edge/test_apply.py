"""Applying an offer: order of writing, refusals, break-glass, and crashes in between."""

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from tests.traffic.edge.documents import altered, document
from tests.traffic.edge.fake_envoy import FakeEnvoy
from tests.traffic.envoy.plans import plan
from traffic.edge.acceptance import AcceptanceWatch
from traffic.edge.apply import Applier
from traffic.edge.files import XdsFiles
from traffic.edge.state import EdgeState, StateStore, position_of
from traffic.edge.validate import Validation, Validator
from traffic.edge.writer import ConfigWriter

Json = dict[str, Any]


class FakeValidator:
    """Says yes, unless told otherwise; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.verdict = Validation(ok=True)
        self.gate = asyncio.Event()
        self.gate.set()

    async def check(self, clusters: list[Json], routes: list[Json]) -> Validation:
        self.asked += 1
        await self.gate.wait()
        return self.verdict


class Bench:
    """An applier over a temporary directory with a fake Envoy."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = StateStore(directory)
        self.files = XdsFiles(directory)
        self.files.prepare()
        self.envoy = FakeEnvoy(directory)
        self.validator = FakeValidator()
        self.accepted: list[int] = []
        self.applier = self.restarted()

    def restarted(self) -> Applier:
        watch = cast("AcceptanceWatch", self.envoy)
        self.applier = Applier(
            store=self.store,
            writer=ConfigWriter(self.files, watch),
            watch=watch,
            validator=cast("Validator", self.validator),
            on_accepted=lambda doc: self.accepted.append(doc["generation"]),
        )
        return self.applier

    def version(self, kind: str) -> str:
        path = self.directory / "xds" / kind / f"{kind}.json"
        return str(json.loads(path.read_text())["version_info"])

    def routes(self) -> list[Json]:
        found = self.files.read("routes")
        assert found is not None
        return found[1]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def version(doc: Json) -> str:
    return f"{doc['generation']}-{doc['sha256'][:8]}"


async def test_new_clusters_are_accepted_before_the_routes_that_need_them(bench: Bench) -> None:
    doc = document()
    assert await bench.applier.offer(doc) == "accepted"
    assert bench.envoy.log == [("clusters", version(doc)), ("routes", version(doc))]
    assert bench.accepted == [8]
    assert bench.store.load() == EdgeState(position_of(doc))


async def test_a_removed_cluster_stays_until_nobody_uses_it(bench: Bench) -> None:
    both = document(8, plans=[plan(), plan("old", path_prefix="/old")])
    await bench.applier.offer(both)
    bench.envoy.log.clear()
    one = document(9, plans=[plan()])
    await bench.applier.offer(one)
    assert bench.envoy.log == [("clusters", version(one) + "+"), ("routes", version(one))]
    bench.envoy.active = 1
    await bench.applier.settle()
    assert bench.version("clusters") == version(one) + "+"
    bench.envoy.active = 0
    await bench.applier.settle()
    assert bench.version("clusters") == version(one)
    clusters = bench.files.read("clusters")
    assert clusters is not None
    assert {cluster["name"].partition("/")[0] for cluster in clusters[1]} == {"embeddings"}


async def test_with_the_same_clusters_the_routes_are_written_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.applier.offer(document(8))
    order: list[str] = []
    write = bench.files.write

    def spy(kind: Any, *rest: Any) -> None:
        order.append(kind)
        write(kind, *rest)

    monkeypatch.setattr(bench.files, "write", spy)
    await bench.applier.offer(document(9, 500))
    assert order == ["routes", "clusters"]


async def test_state_is_durable_before_envoys_files_change(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []
    write = bench.files.write

    def spy(*arguments: Any) -> None:
        state = bench.store.load()
        assert state.position is not None
        seen.append((state.position.generation, state.applied))
        write(*arguments)

    monkeypatch.setattr(bench.files, "write", spy)
    await bench.applier.offer(document(8))
    assert seen == [(8, False), (8, False)]
    assert bench.store.load().applied


async def test_what_envoy_refuses_is_reported_and_the_old_files_come_back(bench: Bench) -> None:
    good, bad = document(8), document(9, 5000)
    await bench.applier.offer(good)
    bench.envoy.refuses[f"routes {version(bad)}"] = "Envoy refused the routes: no such cluster"
    assert await bench.applier.offer(bad) == "rejected"
    refusal = bench.applier.status().refusal
    assert refusal is not None
    assert (refusal.kind, refusal.generation) == ("rejected", 9)
    assert "no such cluster" in refusal.reason
    assert (bench.version("clusters"), bench.version("routes")) == (version(good), version(good))
    assert bench.store.load() == EdgeState(position_of(good))
    assert bench.applier.seen_generation == 9


async def test_the_first_snapshot_refused_leaves_the_honest_503(bench: Bench) -> None:
    bench.envoy.refuses[f"clusters {version(document(1))}"] = "bad address"
    assert await bench.applier.offer(document(1)) == "rejected"
    assert bench.version("routes") == "0-none"
    assert bench.store.load().position is None


async def test_what_fails_validation_never_touches_the_files(bench: Bench) -> None:
    await bench.applier.offer(document(8))
    bench.validator.verdict = Validation(ok=False, reason="Duplicate entry of domain *")
    assert await bench.applier.offer(document(9, 5000)) == "rejected"
    assert bench.version("routes") == version(document(8))
    assert bench.store.load().position == position_of(document(8))


async def test_what_could_not_be_validated_is_applied_when_offered_again(bench: Bench) -> None:
    await bench.applier.offer(document(8))
    bench.validator.verdict = Validation(ok=False, reason="no memory", final=False)
    assert await bench.applier.offer(document(9, 5000)) == "unchecked"
    assert bench.applier.status().refusal is not None
    bench.validator.verdict = Validation(ok=True)
    assert await bench.applier.offer(document(9, 5000)) == "accepted"
    assert bench.applier.status().refusal is None


async def test_lowering_a_share_waits_for_no_validation(bench: Bench) -> None:
    await bench.applier.offer(document(8))
    bench.validator.gate.clear()
    assert bench.validator.asked == 1
    assert await bench.applier.offer(document(9, 500)) == "accepted"
    assert bench.validator.asked == 1


async def test_a_newer_offer_overtakes_a_validation_in_progress(bench: Bench) -> None:
    await bench.applier.offer(document(8))
    bench.validator.gate.clear()
    superseded = asyncio.Event()
    slow = asyncio.create_task(bench.applier.offer(document(9, 5000), superseded=superseded))
    await asyncio.sleep(0)
    superseded.set()
    assert await slow == "superseded"
    assert await bench.applier.offer(document(10, 0)) == "accepted"


@pytest.mark.parametrize(
    ("doc", "result", "kind"),
    [
        (document(7), "refused", "stale"),
        (document(8, 500), "refused", "rejected"),
        (altered(document(9), lineage="L2"), "refused", "stale"),
        ({**document(9), "sha256": "0"}, "rejected", "rejected"),
        ("nonsense", "rejected", "rejected"),
    ],
)
async def test_what_is_not_applied_changes_nothing(
    bench: Bench, doc: object, result: str, kind: str
) -> None:
    await bench.applier.offer(document(8))
    assert await bench.applier.offer(doc) == result
    status = bench.applier.status()
    assert status.refusal is not None
    assert status.refusal.kind == kind
    assert bench.version("routes") == version(document(8))
    assert await bench.applier.offer(document(8)) == "nothing"
    assert bench.applier.status().refusal is None
    # The number of what was refused may come again, as another snapshot.
    assert bench.applier.seen_generation == 8


async def test_hold_puts_the_safe_routes_in_place_and_the_fence_up(bench: Bench) -> None:
    doc = document(8)
    await bench.applier.offer(doc)
    hold = await bench.applier.hold("hcafe", "drill", 100.0)
    assert (hold.id, hold.cap_tth, hold.generation) == ("hcafe", 0, 8)
    assert bench.version("routes") == "8-hcafe"
    assert bench.routes() == doc["safe_routes"]
    assert await bench.applier.offer(document(9, 5000)) == "refused"
    assert bench.routes() == doc["safe_routes"]
    assert await bench.applier.offer(document(10, 0)) == "accepted"
    assert bench.store.load().hold == hold
    assert await bench.applier.offer(document(11, 500, release_hold="hcafe")) == "accepted"
    assert bench.store.load().hold is None


async def test_a_second_hold_is_the_first_until_something_newer_was_applied(bench: Bench) -> None:
    await bench.applier.offer(document(8))
    first = await bench.applier.hold("h1", "drill", 1.0)
    assert await bench.applier.hold("h2", "again", 2.0) == first
    await bench.applier.offer(document(9, 0))
    assert (await bench.applier.hold("h3", "copies too", 3.0)).id == "h3"
    assert bench.version("routes") == "9-h3"


async def test_a_hold_survives_restart_and_binds_the_first_snapshot(bench: Bench) -> None:
    await bench.applier.hold("h1", "nothing known yet", 1.0)
    assert await bench.restarted().offer(document(8)) == "refused"
    assert await bench.applier.offer(document(9, 0)) == "accepted"


async def test_a_hold_during_validation_wins(bench: Bench) -> None:
    await bench.applier.offer(document(8))
    bench.validator.gate.clear()
    rising = asyncio.create_task(bench.applier.offer(document(9, 5000)))
    await asyncio.sleep(0)
    await bench.applier.hold("h1", "drill", 1.0)
    bench.validator.gate.set()
    assert await rising == "refused"
    assert bench.version("routes") == "8-h1"


async def test_an_envoy_that_is_away_finds_the_files_and_is_noticed(bench: Bench) -> None:
    bench.envoy.running = False
    doc = document(8)
    assert await bench.applier.offer(doc) == "silent"
    assert bench.version("routes") == version(doc)
    await bench.applier.settle()
    assert bench.accepted == []
    bench.envoy.running = True
    await bench.applier.settle()
    assert bench.accepted == [8]
    assert bench.store.last_good() == doc


async def test_a_refusal_after_a_silent_application_goes_back_to_the_last_good(
    bench: Bench,
) -> None:
    await bench.applier.offer(document(8))
    bench.envoy.running = False
    await bench.applier.offer(document(9, 5000))
    bench.files.write("routes", "lost", [])
    bench.envoy.running = True
    bad = document(10, 7500)
    bench.envoy.refuses[f"routes {version(bad)}"] = "bad"
    assert await bench.applier.offer(bad) == "rejected"
    assert bench.version("routes") == version(document(8))
    assert bench.store.load() == EdgeState(position_of(document(8)))


async def test_restart_in_the_middle_of_an_application_finishes_it(bench: Bench) -> None:
    await bench.applier.offer(document(8))
    bench.store.begin(EdgeState(position_of(document(9, 500)), applied=False), document(9, 500))
    await bench.restarted().resume()
    assert bench.version("routes") == version(document(9, 500))
    assert bench.store.load().applied
    assert bench.store.last_good() == document(9, 500)


async def test_restart_with_matching_files_writes_nothing(bench: Bench) -> None:
    await bench.applier.offer(document(8))
    bench.envoy.log.clear()
    await bench.restarted().resume()
    assert bench.envoy.log == []
    assert bench.accepted == [8, 8]


async def test_without_taps_the_clusters_are_bare_and_say_so(bench: Bench) -> None:
    bench.applier.taps = False
    doc = document(8)
    assert await bench.applier.offer(doc) == "accepted"
    assert bench.version("clusters") == version(doc) + "-bare"
    assert "ext_proc" not in json.dumps(bench.files.read("clusters"))
    assert bench.version("routes") == version(doc)
