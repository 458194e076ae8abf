"""The program itself, as the supervisor starts it: real receivers, signals, break-glass command."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest

from tests.traffic.fake_control import TOKEN
from tests.traffic.rig import Rig, running_rig

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

KEYS = [f"user-{number}" for number in range(400)]


class Program:
    """`python -m traffic.edge` beside a rig."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "traffic.edge", "--state-dir", str(rig.state_dir)),
                *("--control", rig.control.url, "--proxy-id", "edge-1"),
                *("--redis", "redis://127.0.0.1:1/0"),
            ],
            env={"BANYAN_EDGE_TOKEN": TOKEN, "PATH": "/usr/bin:/bin"},
        )

    async def ready(self) -> None:
        async with asyncio.timeout(20):
            while not (self.rig.state_dir / "edge.ready").exists():
                assert self.process.poll() is None
                await asyncio.sleep(0.02)

    async def ended(self, within: float) -> int:
        async with asyncio.timeout(within):
            while (code := self.process.poll()) is None:
                await asyncio.sleep(0.02)
        return code

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "traffic.edge", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    async with running_rig(edge=False) as rig:
        program = Program(rig)
        try:
            await program.ready()
            yield program
        finally:
            if program.process.poll() is None:
                program.process.kill()
            program.process.wait()


async def test_the_program_follows_reports_and_stops_at_once(program: Program) -> None:
    rig = program.rig
    for name in ("tap.sock", "als.sock"):
        assert (rig.state_dir / name).stat().st_mode & 0o777 == 0o660
    plan = rig.plan(mode="canary", weight_tth=5000, shadow_tth=10_000, canary_shadow_tth=10_000)
    await rig.publish([plan])
    answers = await rig.ask(KEYS)
    assert {answer.status for answer in answers.values()} == {200}
    report = await rig.control.wait_report(lambda report: bool(report["blocks"]), within=15)
    assert {block["split"] for block in report["blocks"]} == {"embeddings"}
    assert "pair_tap" in report["capabilities"]
    program.process.send_signal(signal.SIGTERM)
    assert await program.ended(within=6) == 0
    assert not (rig.state_dir / "edge.ready").exists()


async def test_the_hold_command_works_beside_the_program_and_after_its_death(
    program: Program,
) -> None:
    rig = program.rig
    await rig.publish([rig.plan(mode="full")])
    arguments = ("hold", "--state-dir", str(rig.state_dir), "--reason", "drill")
    first = await asyncio.to_thread(program.command, *arguments)
    assert first.returncode == 0, first.stderr
    assert "Envoy confirmed" in first.stdout
    assert {answer.who for answer in (await rig.ask(KEYS)).values()} == {"legacy"}
    program.process.kill()
    await program.ended(within=5)
    again = await asyncio.to_thread(program.command, *arguments)
    state = json.loads((rig.state_dir / "state.json").read_text())
    assert state["hold"]["id"] in first.stdout
    assert state["hold"]["id"] in again.stdout


async def test_without_envoy_the_hold_command_says_so_and_leaves_the_files(
    program: Program,
) -> None:
    rig = program.rig
    await rig.publish([rig.plan(mode="full")])
    program.process.kill()
    rig.kill_envoy()
    started = time.monotonic()
    arguments = ("hold", "--state-dir", str(rig.state_dir), "--reason", "drill")
    result = await asyncio.to_thread(program.command, *arguments)
    assert result.returncode == 1
    assert "NOT confirmed" in result.stdout
    assert time.monotonic() - started < 10
    await rig.start_envoy()
    assert {answer.who for answer in (await rig.ask(KEYS)).values()} == {"legacy"}
