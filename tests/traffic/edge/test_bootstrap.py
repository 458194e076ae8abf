"""What Envoy finds when it starts, and the settings of the edge."""

import json
from pathlib import Path

import pytest

from tests.traffic.edge.documents import document
from traffic.edge import bootstrap
from traffic.edge.bootstrap import write_bootstrap, write_dynamic_files
from traffic.edge.config import parse_config
from traffic.edge.fence import Hold
from traffic.edge.files import XdsFiles
from traffic.edge.state import EdgeState, StateStore, position_of

DOC = document(8)
VERSION = f"8-{DOC['sha256'][:8]}"


def accepted(directory: Path, hold: Hold | None = None) -> None:
    state = EdgeState(position_of(DOC), hold)
    StateStore(directory).begin(state, DOC)
    StateStore(directory).commit(state)


def versions(directory: Path) -> tuple[str, str]:
    clusters, routes = XdsFiles(directory).read("clusters"), XdsFiles(directory).read("routes")
    assert clusters is not None
    assert routes is not None
    return clusters[0], routes[0]


def test_without_a_snapshot_the_files_are_valid_and_say_503(tmp_path: Path) -> None:
    path = write_bootstrap(tmp_path, proxy_id="e1", listen=("127.0.0.1", 8080))
    doc = json.loads(path.read_text())
    assert doc["node"]["id"] == "e1"
    assert versions(tmp_path) == ("0-none", "0-none")
    assert "no snapshot yet" in (tmp_path / "xds/routes/routes.json").read_text()


def test_lost_files_are_rebuilt_from_the_last_good_snapshot(tmp_path: Path) -> None:
    accepted(tmp_path)
    write_dynamic_files(tmp_path, taps=True)
    assert versions(tmp_path) == (VERSION, VERSION)
    (tmp_path / "xds/routes/routes.json").write_text("{")
    write_dynamic_files(tmp_path, taps=True)
    assert versions(tmp_path) == (VERSION, VERSION)


def test_a_binary_that_was_not_tested_starts_without_taps(tmp_path: Path) -> None:
    accepted(tmp_path)
    write_bootstrap(
        tmp_path, proxy_id="e1", listen=("127.0.0.1", 1), envoy=tmp_path / "unknown-envoy"
    )
    assert versions(tmp_path) == (VERSION + "-bare", VERSION)


def test_a_hold_is_rebuilt_as_a_hold(tmp_path: Path) -> None:
    accepted(tmp_path, Hold("h1", 0, "drill", 0.0, 8))
    write_dynamic_files(tmp_path, taps=True)
    assert versions(tmp_path) == (VERSION, "8-h1")


def test_files_of_a_snapshot_that_is_being_applied_are_left_alone(tmp_path: Path) -> None:
    accepted(tmp_path)
    newer = document(9, 500)
    StateStore(tmp_path).begin(EdgeState(position_of(newer), applied=False), newer)
    files = XdsFiles(tmp_path)
    files.prepare()
    version = f"9-{newer['sha256'][:8]}"
    files.write("clusters", version, newer["clusters"])
    files.write("routes", version, newer["routes"])
    write_dynamic_files(tmp_path, taps=True)
    assert versions(tmp_path) == (version, version)


def test_the_command_refuses_an_address_without_a_port(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        bootstrap.main(["--state-dir", str(tmp_path), "--listen", "nowhere", "--proxy-id", "e"])
    assert "host:port" in capsys.readouterr().err


def test_settings_come_from_arguments_or_variables(tmp_path: Path) -> None:
    variables = {
        "BANYAN_EDGE_TOKEN": "secret",
        "BANYAN_EDGE_CONTROL": "http://c:1/",
        "BANYAN_EDGE_REDIS": "redis://r",
        "BANYAN_EDGE_ENVOY": "/bin/envoy",
    }
    config = parse_config(["--state-dir", str(tmp_path), "--proxy-id", "e1"], variables)
    assert (config.token, config.control, config.envoy) == (
        "secret",
        "http://c:1",
        Path("/bin/envoy"),
    )
    assert config.admin == tmp_path / "admin.sock"


def test_a_missing_setting_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_config([], {})
    assert "--token" in capsys.readouterr().err
