"""What the self-test remembers, without an Envoy."""

from pathlib import Path

import pytest

from traffic.edge import selftest


@pytest.fixture
def envoy(tmp_path: Path) -> Path:
    path = tmp_path / "envoy"
    path.write_text("binary")
    return path


def answering(monkeypatch: pytest.MonkeyPatch, *reasons: str) -> list[str]:
    waiting = list(reasons)

    async def run(_envoy: Path) -> str:
        return waiting.pop(0)

    monkeypatch.setattr(selftest, "run", run)
    return waiting


async def test_a_pass_is_remembered_until_the_binary_changes(
    tmp_path: Path, envoy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, "", "Envoy ended with -11")
    assert (await selftest.taps_are_safe(tmp_path, envoy)).pair_tap
    assert (await selftest.taps_are_safe(tmp_path, envoy)).pair_tap
    envoy.write_text("another binary")
    assert not (await selftest.taps_are_safe(tmp_path, envoy)).pair_tap


async def test_a_crash_is_remembered(
    tmp_path: Path, envoy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, "ReadError; Envoy ended with -11")
    first = await selftest.taps_are_safe(tmp_path, envoy)
    assert not first.pair_tap
    assert await selftest.taps_are_safe(tmp_path, envoy) == first


async def test_a_busy_machine_is_tried_again_and_never_remembered(
    tmp_path: Path, envoy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = answering(monkeypatch, "ReadTimeout", "ReadTimeout", "ReadTimeout", "ReadTimeout", "")
    assert not (await selftest.taps_are_safe(tmp_path, envoy)).pair_tap
    assert len(left) == 2
    assert (await selftest.taps_are_safe(tmp_path, envoy)).pair_tap


async def test_a_binary_that_cannot_run_has_no_taps(tmp_path: Path) -> None:
    result = await selftest.taps_are_safe(tmp_path, tmp_path / "missing")
    assert not result.pair_tap
    assert result.reason.startswith("cannot run")
