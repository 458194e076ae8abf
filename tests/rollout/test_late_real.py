"""Break-glass with web and database gone, by real processes, and the way back up."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

import httpx
import pytest

from tests.traffic.fake_control import TOKEN
from tests.traffic.rig import free_port, running_rig
from traffic.edge.state import StateStore

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

ROOT = Path(__file__).resolve().parents[2]
KEYS = [f"user-{number}" for number in range(600)]


class ControlPlane:
    """A web process over a SQLite file; both can be taken away and given back."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir, self.port = state_dir, free_port()
        self.environment = {
            **{k: v for k, v in os.environ.items() if k != "BANYAN_DATABASE_URL"},
            "BANYAN_STATE_DIR": str(state_dir),
            "BANYAN_LOG_LEVEL": "WARNING",
        }
        self._web: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._web = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", "controlplane.asgi:application"),
            *("--port", str(self.port), "--lifespan", "off", "--log-level", "warning"),
            cwd=ROOT,
            env=self.environment,
        )
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(60):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        if self._web is not None:
            self._web.kill()
            await self._web.wait()
            self._web = None

    def take_database_away(self) -> None:
        self._moved("banyan.sqlite3", "away.sqlite3")

    def give_database_back(self) -> None:
        self._moved("away.sqlite3", "banyan.sqlite3")

    def _moved(self, old: str, new: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                (self.state_dir / f"{old}{suffix}").rename(self.state_dir / f"{new}{suffix}")

    async def order(self, order: str, **given: str) -> dict:
        """Do what a worker or an operator does, and return how the migration stands."""
        return json.loads(
            await ran("tests.rollout.glass_world", order, json.dumps(given), env=self.environment)
        )


async def ran(module: str, *arguments: str, env=None) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-2000:]
    return out.decode()


async def share(rig) -> float:
    answers = await rig.ask(KEYS)
    assert {answer.status for answer in answers.values()} == {200}
    return sum(answer.who == "candidate" for answer in answers.values()) / len(KEYS)


async def until_share(rig, low: float, high: float) -> None:
    found = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while not low <= (found := await share(rig)) <= high:
                await asyncio.sleep(0.1)
            return
    raise AssertionError(f"{found} of the users are on the candidate")


async def test_the_glass_is_broken_without_web_and_database_and_the_way_up_opens_again() -> None:
    with tempfile.TemporaryDirectory(prefix="glass-") as name:
        control = ControlPlane(Path(name))
        try:
            await the_whole_story(control)
        finally:
            await control.kill()


async def the_whole_story(control: ControlPlane) -> None:
    async with running_rig(edge=False) as rig:
        sides = {side: f"http://127.0.0.1:{rig.upstream(side).port}" for side in rig.upstreams}
        stands = await control.order("prepare", token=TOKEN, **sides)
        assert (stands["phase"], stands["weight"]) == ("canary", 25)
        await control.start()
        rig.control.url = control.url
        await rig.start_edge()
        async with asyncio.timeout(60):
            while not (state := StateStore(rig.state_dir).load()).position or not state.applied:
                await asyncio.sleep(0.05)
        await until_share(rig, 0.15, 0.35)

        await control.kill()
        control.take_database_away()
        said = await ran(
            *("traffic.edge", "hold", "--state-dir", str(rig.state_dir)),
            *("--reason", "users complain"),
        )
        assert "Envoy confirmed" in said
        assert await share(rig) == 0

        control.give_database_back()
        await control.start()
        async with asyncio.timeout(120):
            while not (stands := await control.order("follow"))["records"]:
                await asyncio.sleep(0.2)
        assert (stands["phase"], stands["weight"], stands["held"]) == ("dual_run", 0, True)
        assert (stands["records"], stands["reviews"]) == (["moved"], ["break_glass"])
        (late,) = stands["late"]
        assert (late["reason"], late["proxy"], late["from"]["weight"]) == (
            "users complain",
            "edge-1",
            25,
        )
        assert stands["verified"], stands["text"]
        assert await share(rig) == 0

        await control.order("resume")
        async with asyncio.timeout(60):
            while StateStore(rig.state_dir).load().hold is not None:
                await asyncio.sleep(0.05)
        assert await share(rig) == 0
        async with asyncio.timeout(120):
            while (stands := await control.order("follow"))["proxy"] is not None:
                await asyncio.sleep(0.2)
        assert not stands["held"]
        stands = await control.order("promote")
        assert (stands["phase"], stands["weight"]) == ("canary", 5)
        await until_share(rig, 0.01, 0.12)
        assert stands["verified"], stands["text"]
