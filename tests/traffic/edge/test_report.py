"""The report: what is said about the configuration, numbering, and splitting."""

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traffic.edge.documents import document
from traffic.edge.admin import Acceptance, ConfigStatus, ServerInfo
from traffic.edge.apply import Refusal, Status
from traffic.edge.control import Backoff, ControlError, ControlPlane, TooLargeError
from traffic.edge.fence import Hold
from traffic.edge.files import wanted
from traffic.edge.report import EnvoyView, Reporter, configuration_head, halves
from traffic.edge.state import EdgeState, position_of

Json = dict[str, Any]
DOC = document(8)
VERSION = f"8-{DOC['sha256'][:8]}"
STATE = EdgeState(position_of(DOC))
IN_USE = EnvoyView(
    Acceptance(ConfigStatus(VERSION, 1), ConfigStatus(VERSION, 1)), ServerInfo("1.40.0", 60, True)
)
OTHER = EnvoyView(
    Acceptance(ConfigStatus("7-a", 1), ConfigStatus("7-a", 1)), ServerInfo("1.40.0", 60, True)
)
HOLD = Hold("h1", 0, "drill", 5.0, 8)
STATUS = Status(STATE, wanted(STATE, DOC, taps=True, now=0), None)


@pytest.mark.parametrize(
    ("status", "view", "state", "reason", "generation"),
    [
        (STATUS, IN_USE, "accepted", None, 8),
        (STATUS, OTHER, "silent", "Envoy has not taken up the files", 8),
        (STATUS, EnvoyView(), "silent", "Envoy does not answer", 8),
        (Status(EdgeState(), None, None), IN_USE, "silent", "no snapshot yet", 0),
        (replace(STATUS, refusal=Refusal("rejected", 9, "bad")), IN_USE, "rejected", "bad", 9),
        (replace(STATUS, refusal=Refusal("stale", 7, "old")), IN_USE, "stale", "old", 8),
        (replace(STATUS, state=replace(STATE, hold=HOLD)), IN_USE, "held", "drill", 8),
        (
            replace(STATUS, state=replace(STATE, hold=HOLD), refusal=Refusal("held", 9, "no")),
            IN_USE,
            "held",
            "no",
            8,
        ),
    ],
)
def test_the_state_speaks_of_the_right_generation(
    status: Status, view: EnvoyView, state: str, reason: str | None, generation: int
) -> None:
    head = configuration_head(status, view)
    assert (head["state"], head["reason"], head["generation"]) == (state, reason, generation)


def test_the_version_is_what_envoy_uses_whatever_we_want() -> None:
    assert configuration_head(STATUS, OTHER)["version_text"] == {"clusters": "7-a", "routes": "7-a"}
    assert configuration_head(STATUS, EnvoyView())["version_text"] == {"clusters": "", "routes": ""}


@dataclass
class Part:
    boot: str = "b1"
    blocks: list[Json] = field(default_factory=list)
    routing: list[Json] = field(default_factory=list)
    taps: list[Json] = field(default_factory=list)


@dataclass
class FakeCollector:
    part: Part
    drained: list[int] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def configure(self, snapshot: Any) -> None: ...

    def drain_report(self, seq: int, now: float) -> Part:
        self.drained.append(seq)
        return self.part

    def acknowledge(self, seq: int) -> None:
        self.acknowledged.append(seq)


@dataclass
class FakeControlPlane:
    limit: int = 1000
    fails: int = 0
    got: list[Json] = field(default_factory=list)

    async def report(self, body: Json) -> int:
        if self.fails:
            self.fails -= 1
            raise ControlError("away")
        if len(body["blocks"]) + len(body["routing"]) + len(body["taps"]) > self.limit:
            raise TooLargeError("413")
        self.got.append(body)
        return int(body["seq"])


def reporter(collector: FakeCollector, control: FakeControlPlane) -> Reporter:
    return Reporter("edge-1", cast("ControlPlane", control), collector, lambda: 1000.0)


async def test_a_report_that_failed_is_repeated_under_its_number() -> None:
    collector, control = FakeCollector(Part(blocks=[{"n": 1}])), FakeControlPlane(fails=1)
    ours = reporter(collector, control)
    with pytest.raises(ControlError):
        await ours.send(STATUS, OTHER)
    await ours.send(STATUS, IN_USE)
    assert (collector.drained, collector.acknowledged) == ([1], [1])
    (report,) = control.got
    assert (report["seq"], report["boot"], report["state"]) == (1, "b1", "accepted")
    assert report["envoy"] == {
        "version": "1.40.0",
        "started_at": "1970-01-01T00:15:40Z",
        "ready": True,
    }


async def test_a_report_too_large_is_sent_in_parts_and_acknowledged_once() -> None:
    blocks = [{"n": n} for n in range(7)]
    collector, control = FakeCollector(Part(blocks=blocks, taps=[{"t": 1}])), FakeControlPlane(3)
    await reporter(collector, control).send(STATUS, IN_USE)
    sent = [block for report in control.got for block in report["blocks"]]
    assert sorted(block["n"] for block in sent) == list(range(7))
    assert len({report["seq"] for report in control.got}) == len(control.got)
    assert collector.acknowledged == collector.drained == [1]


async def test_an_entry_that_never_fits_is_given_up_and_the_rest_arrives() -> None:
    collector, control = FakeCollector(Part(blocks=[{"n": 1}])), FakeControlPlane(0)
    await reporter(collector, control).send(STATUS, IN_USE)
    assert control.got[0]["blocks"] == []
    assert collector.acknowledged == [1]


LISTS = st.lists(st.integers(), max_size=9)


@given(LISTS, LISTS, LISTS)
def test_halves_lose_nothing_and_get_smaller(a: list[int], b: list[int], c: list[int]) -> None:
    whole = {"blocks": a, "routing": b, "taps": c}
    first, second = halves(whole)
    assert {name: first[name] + second[name] for name in whole} == whole
    total = len(a) + len(b) + len(c)
    if total > 1:
        assert 0 < sum(map(len, first.values())) < total


def test_backoff_grows_to_five_seconds_with_jitter_and_starts_again() -> None:
    backoff = Backoff()
    waits = [backoff.seconds() for _ in range(10)]
    assert 0.1 <= waits[0] < 0.2
    assert all(2.5 <= wait <= 5.0 for wait in waits[6:])
    backoff.reset()
    assert backoff.seconds() < 0.2
