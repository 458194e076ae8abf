"""The whole demo as a person starts it: `manage.py runstack --demo`."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from controlplane.stack.proc import session_members
from tests.controlplane.stack.runner import ROOT, is_gone, wait_until

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]
START_PATIENCE_SECONDS = 90


class Demo:
    """A demo that has told it is ready."""

    def __init__(self, root: Path, process: subprocess.Popen[str]) -> None:
        self.root, self.process = root, process
        wait_until(self._started, seconds=START_PATIENCE_SECONDS)
        assert process.poll() is None, process.communicate()

    def _started(self) -> bool:
        # After a kill the last run's file is still there: the pid tells whose it is.
        info = self.info()
        mine = info.get("pid") == self.process.pid and info["ready"]
        return self.process.poll() is not None or mine

    def info(self) -> dict[str, Any]:
        path = self.root / "stack.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def everybody(self) -> list[int]:
        """Return the pids of all children and their own children."""
        return [pid for session in self.info()["pids"].values() for pid in session_members(session)]

    def end(self) -> str:
        out, err = self.process.communicate(timeout=20)
        return out + err


@contextmanager
def demo(root: Path, *more: str) -> Iterator[Demo]:
    outside = {"REDIS_URL", "BANYAN_REDIS_URL", "BANYAN_DATABASE_URL", "BANYAN_STATE_DIR"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "runstack", "--demo", "--state-dir", str(root), *more],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in outside},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Demo(root, process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate()


def sign_in(client: httpx.Client, info: dict[str, Any]) -> None:
    """Sign a browser in as the operator of stack.json."""
    form = client.get("/sign-in/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token
    who = {"username": info["operator"]["username"], "password": info["operator"]["password"]}
    answer = client.post("/sign-in/", data={**who, "csrfmiddlewaretoken": token[1]})
    assert answer.status_code == 200
    assert "sessionid" in client.cookies


def test_the_demo_works_and_one_interrupt_ends_it_within_5_s_with_a_live_page_open(tmp_path: Path):
    with demo(tmp_path) as stack:
        info = stack.info()
        answer = httpx.post(f"{info['envoy']}/infer", json={"input": [1.0, 2.0]}, timeout=10)
        assert answer.status_code == 200
        token = {"Authorization": f"Bearer {info['operator']['token']}"}
        assert httpx.get(f"{info['web']}/api/v1/migrations/", headers=token).status_code == 200

        os.kill(info["pids"]["web"], signal.SIGKILL)
        wait_until(lambda: stack.info()["pids"].get("web", 0) not in {0, info["pids"]["web"]})
        wait_until(lambda: httpx_status(f"{info['web']}/readyz") == 200)

        with httpx.Client(base_url=info["web"], follow_redirects=True, timeout=10) as client:
            sign_in(client, info)
            with client.stream("GET", "/fleet/events") as page:
                assert page.headers["content-type"].startswith("text/event-stream")
                everybody = stack.everybody()
                start = time.monotonic()
                stack.process.send_signal(signal.SIGINT)
                output = stack.end()
                assert time.monotonic() - start < 5
        assert stack.process.returncode == 0
        assert all(is_gone(pid) for pid in everybody)
        assert stack.info()["ready"] is False
    assert f"Open      {info['web']}/" in output
    assert info["operator"]["password"] in output
    assert "web         was ended by SIGKILL; restarting in 0.5 s" in output


def test_kill_9_of_the_stack_leaves_no_process_and_a_rerun_continues(tmp_path: Path):
    with demo(tmp_path, "--no-traffic") as stack:
        before = stack.info()
        everybody = stack.everybody()
        assert len(everybody) > len(before["pids"]), "the worker has processes of its own"
        stack.process.kill()
        wait_until(lambda: all(is_gone(pid) for pid in everybody), seconds=3)
    with demo(tmp_path, "--no-traffic") as stack:
        after = stack.info()
        same = ("web", "envoy", "candidate_admin", "operator", "viewer", "proxy", "ports")
        assert [after[name] for name in same] == [before[name] for name in same]
        assert httpx.get(f"{after['envoy']}/healthz", timeout=10).status_code == 200


def httpx_status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return 0
