"""Health and log format on the example pair: healthy passes, each fault is found by its check."""

from pathlib import Path

import pytest
import pytest_socket

from judge.verdict import Verdict
from shadow.checks.base import Route, Severity, Subject
from shadow.checks.health.check import HEALTH
from shadow.checks.health.settings import STATES
from shadow.checks.logs.check import LOG_FORMAT
from tests.examples.services import Service, build_candidate, running

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

ROUTES = (Route("POST", "/infer", safe_to_duplicate=True),)
FOREIGN = ["schema", "default_changed", "unknown_field_accepted", "drift", "f32", "errors", "slow"]
FOREIGN += ["wrong_message", "collapses", "leaks", "wrong_status"]


class Real:
    """Both services as processes, and the two checks on them."""

    def __init__(self, legacy: Service, candidate: Service) -> None:
        self.legacy, self.candidate = legacy, candidate

    def health(self, **changes):
        switches = {
            "legacy": self._switch(self.legacy),
            "candidate": self._switch(self.candidate),
        }
        settings = {"switches": switches, "provoke_legacy": True, **changes}
        return HEALTH.run(self._subject(settings), _silent)

    def log_format(self, **changes):
        files = {
            "legacy": {"file": str(self.legacy.log)},
            "candidate": {"file": str(self.candidate.log)},
        }
        settings = {**files, "wait_s": 1, **changes}
        return LOG_FORMAT.run(self._subject(settings), _silent)

    def _subject(self, settings):
        return Subject(
            name="embeddings",
            legacy_url=f"http://127.0.0.1:{self.legacy.port}",
            candidate_url=f"http://127.0.0.1:{self.candidate.port}",
            routes=ROUTES,
            log_roots=(str(self.legacy.log.parent),),
            settings=settings,
        )

    @staticmethod
    def _switch(service):
        bodies = {state: {"state": state} for state in STATES}
        url = f"http://127.0.0.1:{service.admin_port}/state"
        return {"url": url, "states": bodies, "restore": {"state": None}}


def _silent(share, words):
    """Progress that nobody hears."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    if build_candidate() is None:
        pytest.skip("neither cargo nor a built candidate is here")
    pytest_socket.enable_socket()
    logs: Path = tmp_path_factory.mktemp("pair")
    with running("legacy", logs) as (legacy, _), running("candidate", logs) as (candidate, _):
        yield Real(legacy, candidate)


@pytest.fixture
def real(pair):
    yield pair
    pair.candidate.switch(None)


def test_the_healthy_candidate_passes_both(real):
    health, logs = real.health(), real.log_format()
    assert (health.verdict, health.findings) == (Verdict.PASS, ())
    assert health.details["covered"] == ["up", *STATES]
    assert (logs.verdict, logs.findings) == (Verdict.PASS, ()), logs.findings
    assert logs.details["sources"]["candidate"] == "file, new lines"


def test_ready_while_draining_is_found_by_health_alone(real):
    real.candidate.switch("readyz_draining")
    found = [(f.code, f.where) for f in real.health().findings]
    assert found == [("status_differs", "GET /readyz while draining")]
    assert real.log_format().verdict is Verdict.PASS
    assert real.candidate.send("GET", "/readyz").status == 200


def test_a_missing_field_is_found_by_logs_alone(real):
    real.candidate.switch("log_field_missing")
    found = [(f.code, f.where) for f in real.log_format().findings]
    assert found == [("field_missing", "request duration_ms")]
    assert real.health().verdict is Verdict.PASS


def test_a_renamed_level_is_found_by_logs_alone(real):
    real.candidate.switch("log_level_renamed")
    result = real.log_format()
    assert [(f.code, f.where) for f in result.findings] == [("level_changed", "level warn")]
    assert "legacy writes `warning`" in result.sentence
    assert real.health().verdict is Verdict.PASS


@pytest.mark.parametrize("fault", FOREIGN)
def test_what_is_another_checks_matter_is_not_cried_at(real, fault):
    real.candidate.switch(fault)
    for result in (real.health(), real.log_format()):
        assert result.verdict is Verdict.PASS, result.findings
        assert not [f for f in result.findings if f.severity is Severity.BREAKING]
