"""Options, ports, secrets and files: refused in plain words, kept between runs."""

import json
import socket
import stat
from pathlib import Path

import pytest

from controlplane.stack import options, ports
from controlplane.stack.errors import RefusedError
from controlplane.stack.files import read_private, write_private
from controlplane.stack.housekeeping import trim_log
from controlplane.stack.layout import Layout, environment, make_layout
from controlplane.stack.state import State

LOCAL = "127.0.0.1"


@pytest.fixture
def state(tmp_path: Path):
    held = State(tmp_path / "state")
    yield held
    held.release()


def listening() -> socket.socket:
    busy = socket.socket()
    busy.bind((LOCAL, 0))
    busy.listen()
    return busy


@pytest.mark.enable_socket
def test_a_given_port_that_is_taken_is_refused_by_its_number_and_option(tmp_path: Path):
    with listening() as busy:
        port = busy.getsockname()[1]
        with pytest.raises(RefusedError, match=f"port {port} on {LOCAL} is taken .* --web-port"):
            ports.choose({"web": LOCAL}, given={"web": port}, memory=tmp_path / "ports.json")


@pytest.mark.enable_socket
def test_a_port_given_twice_is_refused(tmp_path: Path):
    given = {"web": 21_000, "envoy": 21_000}
    with pytest.raises(RefusedError, match="given twice"):
        ports.choose(dict.fromkeys(given, LOCAL), given=given, memory=tmp_path / "ports.json")


@pytest.mark.enable_socket
def test_chosen_ports_stay_the_same_at_the_next_run(tmp_path: Path):
    hosts = dict.fromkeys(("web", "envoy", "redis"), LOCAL)
    first = ports.choose(hosts, given={}, memory=tmp_path / "ports.json")
    assert len(set(first.values())) == 3
    assert ports.choose(hosts, given={}, memory=tmp_path / "ports.json") == first


@pytest.mark.enable_socket
def test_a_remembered_port_that_is_taken_meanwhile_is_chosen_anew(tmp_path: Path):
    memory = tmp_path / "ports.json"
    with listening() as busy:
        port = busy.getsockname()[1]
        write_private(memory, {"web": port})
        assert ports.choose({"web": LOCAL}, given={}, memory=memory)["web"] != port


@pytest.mark.enable_socket
def test_an_address_that_is_not_ours_is_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match=r"cannot listen on 192\.0\.2\.1"):
        ports.choose({"web": "192.0.2.1"}, given={}, memory=tmp_path / "ports.json")


@pytest.mark.parametrize("bad", [["--web-port", "0"], ["--web-port", "65536"], ["--rate", "ten"]])
def test_numbers_out_of_range_end_with_code_2(bad: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        options.parse(bad)
    assert end.value.code == 2
    assert "is not a whole number from" in capsys.readouterr().err


def test_an_unknown_scenario_of_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCENARIO", "drfit")
    with pytest.raises(
        RefusedError, match="unknown scenario 'drfit': choose one of healthy, drift"
    ):
        options.parse(["--demo"])


def test_secrets_are_made_once_and_readable_by_the_owner_only(state: State):
    first = state.secrets()
    assert state.secrets() == first
    assert len(set(first.values())) == len(first)
    assert stat.S_IMODE((state.root / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.root.stat().st_mode) == 0o700


def test_a_damaged_secrets_file_is_refused_and_not_overwritten(state: State):
    path = state.root / "secrets.json"
    path.write_text("{")
    with pytest.raises(RefusedError, match=r"secrets.json cannot be read"):
        state.secrets()
    assert path.read_text() == "{"


def test_a_path_too_long_for_unix_sockets_is_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="path of the state directory is too long"):
        State(tmp_path / ("x" * 100))


def test_a_hold_of_the_last_run_is_forgotten(tmp_path: Path):
    (tmp_path / "hold").mkdir()
    (tmp_path / "hold" / "web").touch()
    State(tmp_path).release()
    assert not (tmp_path / "hold" / "web").exists()


def test_files_are_replaced_whole_and_private(tmp_path: Path):
    path = tmp_path / "stack.json"
    write_private(path, {"ready": False})
    write_private(path, {"ready": True})
    assert read_private(path) == {"ready": True}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_log_beyond_its_limit_is_emptied_and_its_end_kept_beside_it(tmp_path: Path):
    log = tmp_path / "web.log"
    with log.open("ab") as writer:
        writer.write(b"a" * 90 + b"b" * 20)
        writer.flush()
        assert trim_log(log, limit=100, keep=20)
        writer.write(b"new")
    assert log.read_bytes() == b"new", "a writer in append mode goes on at the new end"
    assert (tmp_path / "web.log.1").read_bytes() == b"b" * 20
    assert not trim_log(log, limit=100, keep=20)


@pytest.fixture
def layout(state: State, monkeypatch: pytest.MonkeyPatch) -> Layout:
    for name in ("REDIS_URL", "BANYAN_REDIS_URL", "BANYAN_PUBLIC_URL", "BANYAN_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    return make_layout(options.parse(["--demo"]), state)


@pytest.mark.enable_socket
def test_children_get_the_settings_of_this_state_directory(layout: Layout):
    env = environment(layout)
    assert env["BANYAN_STATE_DIR"] == str(layout.state.root)
    assert env["BANYAN_DATABASE_URL"] == f"sqlite:///{layout.state.root}/banyan.sqlite3"
    assert env["BANYAN_PUBLIC_URL"] == f"http://127.0.0.1:{layout.ports['web']}"
    assert layout.secrets["redis_password"] in env["BANYAN_REDIS_URL"]
    assert env["BANYAN_DEBUG"] == "0"


@pytest.mark.enable_socket
def test_settings_given_from_outside_win(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BANYAN_DATABASE_URL", "postgres://db/banyan")
    assert environment(layout)["BANYAN_DATABASE_URL"] == "postgres://db/banyan"


@pytest.mark.enable_socket
def test_no_secret_stands_on_a_command_line(layout: Layout):
    from controlplane.stack.banyan import banyan_specs
    from controlplane.stack.demo import demo_specs

    banyan = banyan_specs(layout)
    lines = json.dumps([spec.argv for spec in [*banyan, *demo_specs(layout, banyan)]])
    assert not [name for name, secret in layout.secrets.items() if secret in lines]


@pytest.mark.enable_socket
def test_every_need_is_a_child_and_traffic_starts_last(layout: Layout):
    from controlplane.stack.banyan import banyan_specs
    from controlplane.stack.demo import demo_specs

    banyan = banyan_specs(layout)
    specs = [*banyan, *demo_specs(layout, banyan)]
    names = {spec.name for spec in specs}
    assert all(set(spec.needs) <= names for spec in specs)
    assert set(specs[-1].needs) == names - {"traffic"}
