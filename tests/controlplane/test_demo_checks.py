"""The demo's settings of checks are such as the checks take."""

import pytest

from controlplane.management.commands.bootstrap_stack import PREFIX, demo_checks
from shadow.checks import CHECKS


def test_the_demo_tells_the_checks_where_switches_and_logs_are(monkeypatch: pytest.MonkeyPatch):
    for side, port in (("LEGACY", 9001), ("CANDIDATE", 9002)):
        monkeypatch.setenv(f"{PREFIX}{side}_ADMIN", f"http://127.0.0.1:{port}")
        monkeypatch.setenv(f"{PREFIX}{side}_LOG", f"/state/logs/pair/{side.lower()}.log")
    found = demo_checks()
    assert set(found) == {"health", "log_format"}
    for item, settings in found.items():
        CHECKS[item].read_settings(settings)


def test_without_a_demo_nothing_is_set():
    assert demo_checks() == {}
