"""Copies for a load test end by themselves, whoever else is dead."""

from pathlib import Path
from typing import Any, cast

import pytest

from tests.traffic.edge.documents import altered, document
from tests.traffic.edge.fake_envoy import FakeEnvoy
from tests.traffic.edge.test_apply import FakeValidator, version
from tests.traffic.envoy.plans import plan
from traffic.edge.acceptance import AcceptanceWatch
from traffic.edge.apply import Applier
from traffic.edge.document import SnapshotError, check_document
from traffic.edge.files import CALM_SUFFIX, XdsFiles
from traffic.edge.state import StateStore
from traffic.edge.validate import Validator
from traffic.edge.writer import ConfigWriter

Json = dict[str, Any]
UNTIL = 1000
LOUD = plan(mode="canary", weight_tth=2500, amplify_tth=15_000)


def loud(generation: int = 8) -> Json:
    return document(generation, plans=[LOUD], amplify_until=UNTIL)


class Host:
    """A proxy host with a clock that the test moves."""

    def __init__(self, directory: Path) -> None:
        self.now = 0.0
        self.files = XdsFiles(directory)
        self.files.prepare()
        self.envoy = FakeEnvoy(directory)
        self.store = StateStore(directory)
        self.start()

    def start(self) -> None:
        watch = cast("AcceptanceWatch", self.envoy)
        self.applier = Applier(
            store=self.store,
            writer=ConfigWriter(self.files, watch),
            watch=watch,
            validator=cast("Validator", FakeValidator()),
            on_accepted=lambda _doc: None,
            clock=lambda: self.now,
        )

    def routes(self) -> tuple[str, list[Json]]:
        found = self.files.read("routes")
        assert found is not None
        return found


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


async def test_the_edge_drops_the_copies_when_their_time_is_over(host: Host) -> None:
    doc = loud()
    assert await host.applier.offer(doc) == "accepted"
    assert host.routes() == (version(doc), doc["routes"])
    host.now = UNTIL - 1
    await host.applier.settle()
    assert host.routes() == (version(doc), doc["routes"])
    host.now = UNTIL
    await host.applier.settle()
    assert host.routes() == (version(doc) + CALM_SUFFIX, doc["calm_routes"])
    position = host.store.load().position
    assert position is not None
    assert position.generation == 8


async def test_an_edge_that_comes_back_late_does_not_take_the_copies_up_again(host: Host) -> None:
    await host.applier.offer(loud())
    host.now = UNTIL + 1
    host.start()
    await host.applier.resume()
    assert host.routes()[1] == loud()["calm_routes"]


async def test_what_arrives_too_late_is_served_without_copies(host: Host) -> None:
    host.now = UNTIL + 1
    assert await host.applier.offer(loud()) == "accepted"
    assert host.routes()[1] == loud()["calm_routes"]


async def test_a_hold_is_stronger_than_a_load_test(host: Host) -> None:
    await host.applier.offer(loud())
    await host.applier.hold("h1", "drill", 1.0)
    assert host.routes() == ("8-h1", loud()["safe_routes"])
    host.now = UNTIL
    await host.applier.settle()
    assert host.routes() == ("8-h1", loud()["safe_routes"])


@pytest.mark.parametrize(
    ("doc", "reason"),
    [
        (altered(document(), routes=loud()["routes"]), "without amplify_until"),
        (altered(loud(), amplify_until="soon"), "no whole number"),
        (altered(loud(), amplify_until=True), "no whole number"),
        (altered(loud(), calm_routes=None), "no whole number, or calm_routes"),
        (altered(loud(), calm_routes=loud()["routes"]), "still copy"),
        (altered(loud(), calm_routes=loud()["safe_routes"]), "another exposure"),
    ],
)
def test_copies_that_nobody_would_end_are_refused(doc: Json, reason: str) -> None:
    with pytest.raises(SnapshotError, match=reason):
        check_document(doc)
