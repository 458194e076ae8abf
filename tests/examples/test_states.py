"""What `/readyz` says in each state, alike on both sides, and that users don't notice."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.examples.services import Service, build_candidate, running

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

NAMES = ("legacy", "candidate", "standin")
REASONS = {
    "starting": "the model is warming up",
    "draining": "the service is stopping",
    "dependency_down": "the model store does not answer",
}


@pytest.mark.parametrize("state", REASONS)
def test_a_told_state_changes_readiness_and_nothing_else(
    legacy: Service, replacement: Service, state: str
):
    for service in (legacy, replacement):
        before = service.send("GET", "/readyz")
        assert service.tell(state).json() == {"state": state}
        try:
            answer = service.send("GET", "/readyz")
            build = before.json()["build"]
            assert (answer.status, answer.content_type) == (503, "application/json")
            assert answer.json() == {"status": state, "build": build, "reason": REASONS[state]}
            assert service.send("GET", "/healthz").status == 200
            assert service.post("/infer", {"input": [1]}).status == 200
        finally:
            assert service.tell(None).json() == {"state": "ready"}
        assert service.send("GET", "/readyz").body == before.body


def test_an_unknown_state_is_refused(legacy: Service, replacement: Service):
    for service in (legacy, replacement):
        answer = service.tell("asleep")
        assert answer.status == 422
        assert "ready, starting, draining, dependency_down" in answer.json()["error"]["message"]
        assert service.send("GET", "/readyz").status == 200


@pytest.mark.parametrize("name", NAMES)
def test_sigterm_is_seen_as_draining_while_requests_are_still_taken(tmp_path: Path, name: str):
    skip_unless_built(name)
    with running(name, tmp_path, DRAIN_MS="700") as (service, pid):
        os.kill(pid, signal.SIGTERM)
        assert waits_for(service, "draining")
        assert service.post("/infer", {"input": [1]}).status == 200


@pytest.mark.parametrize("name", NAMES)
def test_it_says_starting_until_it_is_warm(tmp_path: Path, name: str):
    skip_unless_built(name)
    # `running` waits until readiness is 200; its log shows what was said before.
    with running(name, tmp_path, WARM_UP_MS="600") as (service, _):
        statuses = [x["status"] for x in service.log_lines() if x["path"] == "/readyz"]
    assert statuses[0] == 503


@pytest.mark.parametrize("name", NAMES)
def test_the_log_file_holds_what_stdout_holds(tmp_path: Path, name: str):
    skip_unless_built(name)
    file = tmp_path / "access.log"
    file.write_text("what was there\n")
    with running(name, tmp_path, LOG_FILE=str(file)) as (service, _):
        service.post("/infer", {"input": [1]})
        service.post("/infer", {})
    first, *lines = file.read_text().splitlines(keepends=True)
    assert first == "what was there\n"
    assert "".join(lines) == service.log.read_text()
    assert len(lines) >= 3


def skip_unless_built(name: str) -> None:
    if name == "candidate" and build_candidate() is None:
        pytest.skip("neither cargo nor a built candidate is here")


def waits_for(service: Service, status: str) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if service.send("GET", "/readyz").json()["status"] == status:
            return True
        time.sleep(0.01)
    return False
