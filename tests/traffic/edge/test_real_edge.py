"""The edge with a real Envoy: shares, fallback, refusals, break-glass, and deaths of any part."""

import asyncio
import time
from collections import Counter
from dataclasses import replace

import pytest

from tests.traffic.rig import running_rig
from traffic.edge import selftest
from traffic.edge.config import installed_envoy
from traffic.edge.hold import hold
from traffic.envoy.resources import MirrorRule, Upstream
from traffic.envoy.snapshot import digest

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

KEYS = [f"user-{number}" for number in range(3000)]


def on_candidate(answers: dict) -> set:
    return {key for key, answer in answers.items() if answer.who == "candidate"}


def statuses(answers: dict) -> set[int]:
    return {answer.status for answer in answers.values()}


def within(count: int, share: float, of: int = len(KEYS)) -> bool:
    return abs(count / of - share) <= 4 * (share * (1 - share) / of) ** 0.5


async def test_users_move_in_steps_as_asked_and_nobody_moves_back() -> None:
    async with running_rig() as rig:
        await rig.publish([rig.plan(shadow_tth=1000)])
        assert on_candidate(await rig.ask(KEYS)) == set()
        before: set = set()
        for weight in (500, 2500, 5000, 10_000):
            await rig.publish([rig.plan(mode="canary", weight_tth=weight)])
            answers = await rig.ask(KEYS)
            now = on_candidate(answers)
            assert statuses(answers) == {200}
            assert within(len(now), weight / 10_000)
            assert before <= now
            before = now
        assert (await rig.ask([None]))[None].who == "candidate"


async def test_copies_go_both_ways_nested_and_without_secrets() -> None:
    async with running_rig() as rig:
        await rig.publish(
            [
                rig.plan(
                    mode="canary",
                    weight_tth=2500,
                    shadow_tth=2000,
                    noise_tth=500,
                    canary_shadow_tth=2000,
                )
            ]
        )
        secrets = {"authorization": "Bearer s", "cookie": "c=1", "x-banyan-sample": "forged"}
        answers = await rig.ask(KEYS, headers=secrets)
        users = len(on_candidate(answers))
        await rig.ask(KEYS[:200], path="/other")
        legacy, candidate = await rig.seen("legacy"), await rig.seen("candidate")
        copies = {"candidate": Counter(), "legacy": Counter()}
        marks: dict[str, list[str]] = {}
        for name, requests in (("legacy", legacy), ("candidate", candidate)):
            for request in requests:
                headers = request["headers"]
                shadow = headers.get("x-banyan-shadow")
                assert headers.get("x-banyan-sample") != "forged"
                if shadow is not None:
                    assert not {"authorization", "cookie"} & headers.keys()
                    assert request["path"] == "/infer"
                    copies[name][shadow] += 1
                    marks.setdefault(headers["x-banyan-sample"], []).append(shadow)
        assert within(copies["candidate"]["candidate-shadow"], 0.2, len(KEYS) - users)
        reverse_and_noise = copies["legacy"]["legacy-shadow"]
        doubles = sum(
            set(found) == {"candidate-shadow", "legacy-shadow"} for found in marks.values()
        )
        assert within(doubles, 0.05, len(KEYS) - users)
        assert within(reverse_and_noise - doubles, 0.2, users)


@pytest.mark.parametrize("trouble", ["500", "reset", "hang"])
async def test_what_the_candidate_does_not_answer_legacy_does(trouble: str) -> None:
    async with running_rig() as rig:
        await rig.publish([rig.plan(mode="full", per_try_timeout_s=0.3)])
        answers = await rig.ask(KEYS[:20], headers={"x-test": f"candidate={trouble}"}, at_once=5)
        assert statuses(answers) == {200}
        assert {answer.who for answer in answers.values()} == {"legacy"}
        assert 2 in {answer.attempts for answer in answers.values()}


async def test_a_candidate_killed_under_load_is_not_noticed() -> None:
    async with running_rig() as rig:
        await rig.publish([rig.plan(mode="canary", weight_tth=2500)])
        load = asyncio.create_task(rig.ask(KEYS * 2))
        while len(await rig.seen("candidate")) == 0:
            await asyncio.sleep(0.01)
        rig.kill_upstream("candidate")
        assert statuses(await load) == {200}
        after = await rig.ask(KEYS)
        assert (statuses(after), on_candidate(after)) == ({200}, set())


async def test_several_splits_have_their_own_share_and_path() -> None:
    async with running_rig() as rig:
        two = rig.plan(name="two", path_prefix="/two", mode="canary", weight_tth=5000, seed=11)
        await rig.publish([rig.plan(mode="canary", weight_tth=1000), two])
        one = on_candidate(await rig.ask(KEYS))
        other = on_candidate(await rig.ask(KEYS, path="/two/infer"))
        assert within(len(one), 0.1)
        assert within(len(other), 0.5)


async def test_a_path_template_is_copied_and_its_neighbours_are_not() -> None:
    async with running_rig() as rig:
        rules = (MirrorRule("GET", "/items/{id}"),)
        await rig.publish([rig.plan(shadow_tth=10_000, mirrored=rules)])
        for path in ("/items/7?x=1", "/items/7/parts", "/items/"):
            await rig.ask(["u"], path=path, method="GET")
        await rig.ask(["u"], path="/items/7", method="POST")
        async with asyncio.timeout(5):
            copied = await rig.seen("candidate")
            while not copied:
                await asyncio.sleep(0.01)
                copied = await rig.seen("candidate")
        assert [request["path"] for request in copied] == ["/items/7?x=1"]


async def test_a_rise_that_envoy_finds_invalid_is_reported_and_the_old_one_serves() -> None:
    async with running_rig() as rig:
        good = await rig.publish([rig.plan(mode="canary", weight_tth=500)])
        before = on_candidate(await rig.ask(KEYS))
        doc = rig.document([rig.plan(mode="canary", weight_tth=5000)])
        doc["routes"][0]["virtual_hosts"].append(doc["routes"][0]["virtual_hosts"][0])
        doc["sha256"] = digest(doc)
        await rig.control.publish(doc)
        report = await rig.control.wait_report(lambda report: report["state"] == "rejected")
        assert report["generation"] == doc["generation"]
        assert "app" in report["reason"] or "domain" in report["reason"]
        assert report["version_text"]["routes"].startswith(f"{good['generation']}-")
        assert on_candidate(await rig.ask(KEYS)) == before
        await rig.publish([rig.plan(mode="canary", weight_tth=2500)])


async def test_what_envoy_itself_refuses_is_reported_with_its_words_and_undone() -> None:
    """The emergency path skips validation, so Envoy's own refusal must be enough."""
    async with running_rig() as rig:
        good = await rig.publish([rig.plan(mode="canary", weight_tth=500)])
        doc = rig.document([rig.plan()])
        doc["routes"][0]["virtual_hosts"][0]["routes"][-1]["route"]["cluster"] = "embeddings/gone"
        doc["routes"][0]["virtual_hosts"][0]["routes"].append(
            {"match": {"prefix": "/x"}, "route": {"cluster": "embeddings/legacy"}}
        )
        doc["sha256"] = digest(doc)
        await rig.control.publish(doc)
        report = await rig.control.wait_report(lambda report: report["state"] == "rejected")
        assert "embeddings/gone" in report["reason"]
        assert report["version_text"]["routes"].startswith(f"{good['generation']}-")
        rig.kill_envoy()
        await rig.start_envoy()
        answers = await rig.ask(KEYS)
        assert statuses(answers) == {200}
        assert within(len(on_candidate(answers)), 0.05)


async def test_an_older_generation_is_refused_as_stale() -> None:
    async with running_rig() as rig:
        old = rig.document([rig.plan(mode="full")])
        await rig.publish([rig.plan()])
        await rig.control.publish(old)
        report = await rig.control.wait_report(lambda report: report["state"] == "stale")
        assert report["generation"] == 2
        assert on_candidate(await rig.ask(KEYS[:100])) == set()


async def test_envoy_killed_and_restarted_keeps_the_same_users() -> None:
    async with running_rig() as rig:
        doc = await rig.publish([rig.plan(mode="canary", weight_tth=2500)])
        before = on_candidate(await rig.ask(KEYS))
        rig.kill_envoy()
        report = await rig.control.wait_report(lambda report: report["state"] == "silent")
        assert report["envoy"]["ready"] is False
        await rig.start_envoy()
        assert on_candidate(await rig.ask(KEYS)) == before
        await rig.accepted(doc["generation"])


async def test_everything_but_envoy_dead_changes_nothing_and_a_restart_neither() -> None:
    async with running_rig() as rig:
        doc = await rig.publish([rig.plan(mode="canary", weight_tth=2500)])
        before = on_candidate(await rig.ask(KEYS))
        await rig.stop_edge()
        assert on_candidate(await rig.ask(KEYS)) == before
        rig.control.reports.clear()
        await rig.start_edge()
        await rig.accepted(doc["generation"])
        assert on_candidate(await rig.ask(KEYS)) == before


async def test_a_hold_sends_everybody_home_and_only_its_release_ends_it() -> None:
    async with running_rig() as rig:
        await rig.publish([rig.plan(mode="canary", weight_tth=5000, canary_shadow_tth=10_000)])
        started = time.perf_counter()
        declared, confirmed = await hold(rig.state_dir, "users complain")
        took = time.perf_counter() - started
        assert confirmed
        assert took < 2
        report = await rig.control.wait_report(lambda report: report["state"] == "held")
        assert report["hold"]["id"] == declared.id
        assert report["hold"]["reason"] == "users complain"
        assert on_candidate(await rig.ask(KEYS)) == set()
        await rig.control.publish(rig.document([rig.plan(mode="canary", weight_tth=2500)]))
        report = await rig.control.wait_report(lambda report: "asks for" in str(report["reason"]))
        assert report["state"] == "held"
        await rig.stop_edge()
        rig.kill_envoy()
        await rig.start_envoy()
        await rig.start_edge()
        assert on_candidate(await rig.ask(KEYS)) == set()
        await rig.publish([rig.plan(mode="canary", weight_tth=2500)], release_hold=declared.id)
        assert within(len(on_candidate(await rig.ask(KEYS))), 0.25)


async def test_a_hold_works_with_the_edge_dead_and_stands_when_it_comes_back() -> None:
    async with running_rig() as rig:
        await rig.publish([rig.plan(mode="full")])
        await rig.stop_edge()
        declared, confirmed = await hold(rig.state_dir, "nobody home")
        assert confirmed
        assert on_candidate(await rig.ask(KEYS)) == set()
        await rig.start_edge()
        report = await rig.control.wait_report(lambda report: report["state"] == "held")
        assert report["hold"]["id"] == declared.id


async def test_before_any_snapshot_users_get_503_and_the_report_says_why() -> None:
    async with running_rig() as rig:
        report = await rig.control.wait_report(lambda report: True)
        assert (report["state"], report["reason"]) == ("silent", "no snapshot yet")
        assert (report["lineage"], report["generation"]) == (None, 0)
        assert (await rig.ask(["u"]))["u"].status == 503


async def test_a_step_that_was_prepared_is_in_effect_at_once() -> None:
    """Going up was validated ahead, going down needs no validation: both well under 500 ms."""
    async with running_rig() as rig:
        now, next_ = rig.plan(), rig.plan(mode="canary", weight_tth=500)
        await rig.publish([now], prevalidate=[[next_]])
        edge_validator = rig.edge._validator
        async with asyncio.timeout(10):
            while edge_validator.runs < 1 or edge_validator._running:
                await asyncio.sleep(0.02)
        runs = edge_validator.runs
        for plan in (next_, now):
            started = time.perf_counter()
            await rig.publish([plan])
            assert time.perf_counter() - started < 0.5
        assert edge_validator.runs == runs


async def test_reports_that_are_too_large_are_split_and_none_is_lost() -> None:
    async with running_rig() as rig:
        part = replace(rig.collector.part, blocks=[{"n": n, "x": "y" * 200} for n in range(20)])
        rig.collector.part = part
        rig.control.refuse_reports_over_bytes = 3000
        await rig.publish([rig.plan()])
        got: set[int] = set()
        async with asyncio.timeout(10):
            while got != set(range(20)):
                report = await rig.control.wait_report(lambda report: bool(report["blocks"]))
                got |= {block["n"] for block in report["blocks"]}
                rig.control.reports.clear()
        assert rig.collector.acknowledged


async def test_the_control_plane_away_for_a_while_is_followed_again() -> None:
    async with running_rig() as rig:
        rig.control.fails = True
        doc = rig.document([rig.plan()])
        await rig.control.publish(doc)
        await asyncio.sleep(0.5)
        rig.control.fails = False
        await rig.accepted(doc["generation"])


@pytest.mark.parametrize("guard", [True, False])
async def test_the_selftest_finds_the_crash_that_the_guard_prevents(guard: bool) -> None:
    reason = await selftest.run(installed_envoy(), runtime=None if guard else {})
    assert (reason == "") is guard


async def test_a_selftest_is_remembered_for_the_same_binary(tmp_path) -> None:
    first = await selftest.taps_are_safe(tmp_path, installed_envoy())
    assert first.pair_tap
    started = time.perf_counter()
    assert await selftest.taps_are_safe(tmp_path, installed_envoy()) == first
    assert time.perf_counter() - started < 0.1
    assert selftest.remembered(tmp_path, tmp_path / "another") is None


async def test_an_unreachable_host_name_does_not_stop_the_others() -> None:
    async with running_rig() as rig:
        ghost = Upstream("does-not-exist.invalid", 80)
        await rig.publish([rig.plan(), rig.plan(name="ghost", path_prefix="/g", legacy=ghost)])
        assert statuses(await rig.ask(KEYS[:50])) == {200}
