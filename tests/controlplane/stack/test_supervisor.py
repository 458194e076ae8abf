"""The promises of the supervisor, kept by real processes."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.controlplane.stack.runner import SLEEP, is_gone, running, wait_until, with_grandchild

pytestmark = pytest.mark.real


def test_a_child_that_dies_before_ready_stops_all_with_its_name_and_its_last_lines(tmp_path: Path):
    code = "import sys; print('cannot open the database'); sys.exit(3)"
    broken = {"name": "web", "code": code, "probe": "file:/nowhere"}
    with running(tmp_path, {"name": "store", "code": SLEEP}, broken) as stack:
        status, output = stack.end()
    assert status == 1
    assert "web ended with exit code 3" in output
    assert "cannot open the database" in output


def test_a_ready_child_that_dies_while_others_still_start_stops_all_too(tmp_path: Path):
    early = {"name": "early", "code": "import time; time.sleep(0.3)"}
    slow = {"name": "slow", "code": SLEEP, "probe": "file:/nowhere"}
    with running(tmp_path, early, slow) as stack:
        status, output = stack.end()
    assert status == 1
    assert "early ended with exit code 0" in output


def test_a_child_that_never_gets_ready_stops_all_after_its_time(tmp_path: Path):
    mute = {"name": "mute", "code": SLEEP, "probe": "file:/nowhere", "timeout": 1}
    with running(tmp_path, mute) as stack:
        status, output = stack.end()
    assert status == 1
    assert "mute was not ready after 1 s" in output


def test_a_child_waits_for_those_it_needs(tmp_path: Path):
    mark = tmp_path / "mark"
    first = {"name": "first", "probe": "once", "code": f"open({str(mark)!r}, 'w').write('x')"}
    second = {"name": "second", "needs": ["first"], "code": f"open({str(mark)!r}); {SLEEP}"}
    with running(tmp_path, second, first) as stack:
        stack.wait_ready()
        assert list(stack.pids()) == ["second"]


def test_a_child_that_dies_later_is_reported_and_restarted(tmp_path: Path):
    with running(tmp_path, {"name": "worker", "code": SLEEP}) as stack:
        stack.wait_ready()
        first = stack.pids()["worker"]
        _kill(first)
        second = wait_until(lambda: _changed(stack.pids(), "worker", first))
        _kill(second)
        wait_until(lambda: _changed(stack.pids(), "worker", second))
        stack.send(signal.SIGINT)
        status, output = stack.end()
    assert status == 0
    assert "worker      was ended by SIGKILL; restarting in 0.5 s" in output
    assert "restarting in 1.0 s" in output, "the backoff doubles"
    assert output.count("is back") == 2


def test_a_held_child_stays_down_until_the_hold_is_taken_away(tmp_path: Path):
    with running(tmp_path, {"name": "worker", "code": SLEEP}) as stack:
        stack.wait_ready()
        first = stack.pids()["worker"]
        (tmp_path / "hold" / "worker").touch()
        _kill(first)
        wait_until(lambda: stack.pids() == {})
        deadline = time.monotonic() + 1
        wait_until(lambda: time.monotonic() > deadline)
        assert stack.pids() == {}
        (tmp_path / "hold" / "worker").unlink()
        wait_until(lambda: _changed(stack.pids(), "worker", first))


def test_one_interrupt_ends_all_within_5_s_although_a_child_ignores_sigterm(tmp_path: Path):
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + with_grandchild(
        tmp_path
    )
    items = ({"name": "store", "code": SLEEP}, {"name": "deaf", "code": deaf, "tier": 1})
    with running(tmp_path, *items) as stack:
        stack.wait_ready()
        pids = [*stack.pids().values(), stack.pid_in("grandchild")]
        start = time.monotonic()
        stack.send(signal.SIGINT)
        status, _ = stack.end()
        assert time.monotonic() - start < 5
    assert status == 0
    assert all(is_gone(pid) for pid in pids)


def test_a_second_interrupt_kills_at_once(tmp_path: Path):
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(1)\n{SLEEP}"
    with running(tmp_path, {"name": "deaf", "code": deaf}) as stack:
        stack.wait_ready()
        log = tmp_path / "logs" / "deaf.log"
        pid = stack.pids()["deaf"]
        start = time.monotonic()
        stack.send(signal.SIGINT)
        wait_until(lambda: "stopping" in _read_line(stack))
        stack.send(signal.SIGINT)
        stack.end()
        assert time.monotonic() - start < 2, log.read_text()
    assert is_gone(pid)


def test_children_are_stopped_in_reverse_order_of_their_tiers(tmp_path: Path):
    order = tmp_path / "order"
    code = (
        "import signal, sys, time, pathlib\n"
        "def stop(*_):\n"
        f"    with open({str(order)!r}, 'a') as f: f.write({{name!r}} + ' ')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        f"pathlib.Path({str(tmp_path)!r}, {{name!r}}).touch()\n"
        "time.sleep(600)\n"
    )
    items = [
        {"name": n, "code": code.format(name=n), "tier": t, "probe": f"file:{tmp_path / n}"}
        for t, n in enumerate(("store", "web", "traffic"))
    ]
    with running(tmp_path, *items) as stack:
        stack.wait_ready()
        stack.send(signal.SIGTERM)
        stack.end()
    assert order.read_text().split() == ["traffic", "web", "store"]


@pytest.mark.parametrize("own_session", [False, True])
def test_kill_9_of_the_supervisor_leaves_no_child_and_no_grandchild(
    tmp_path: Path, own_session: bool
):
    code = with_grandchild(tmp_path, own_session=own_session)
    with running(tmp_path, {"name": "worker", "code": code}) as stack:
        stack.wait_ready()
        guard = stack.published()["guard"]
        pids = [stack.pids()["worker"], stack.pid_in("grandchild"), guard]
        stack.send(signal.SIGKILL)
        stack.end()
        wait_until(lambda: all(is_gone(pid) for pid in pids), seconds=3)


def test_a_guard_that_was_killed_is_started_anew(tmp_path: Path):
    with running(tmp_path, {"name": "worker", "code": with_grandchild(tmp_path)}) as stack:
        stack.wait_ready()
        _kill(stack.published()["guard"])
        wait_until(lambda: "guard" in _read_line(stack))
        pids = [stack.pids()["worker"], stack.pid_in("grandchild")]
        stack.send(signal.SIGKILL)
        wait_until(lambda: all(is_gone(pid) for pid in pids), seconds=3)


def test_a_second_stack_in_the_same_state_directory_is_refused(tmp_path: Path):
    with running(tmp_path, {"name": "one", "code": SLEEP}) as first:
        first.wait_ready()
        with running(tmp_path, {"name": "two", "code": SLEEP}) as second:
            status, output = second.end()
        assert status == 2
        assert f"another stack (process {first.process.pid}) runs in {tmp_path}" in output
        assert first.process.poll() is None
        assert list(first.pids()) == ["one"]


def test_after_kill_9_the_next_stack_starts_in_the_same_directory(tmp_path: Path):
    with running(tmp_path, {"name": "one", "code": with_grandchild(tmp_path)}) as first:
        first.wait_ready()
        left = first.pid_in("grandchild")
        first.send(signal.SIGKILL)
        first.end()
        with running(tmp_path, {"name": "two", "code": SLEEP}) as second:
            wait_until(lambda: "two" in second.published().get("pids", {}))
            assert is_gone(left)


@pytest.mark.enable_socket
def test_a_port_answered_by_somebody_else_does_not_count_as_ready(tmp_path: Path):
    serve = (
        "import http.server, pathlib\n"
        "s = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n"
        f"pathlib.Path({str(tmp_path / 'port')!r}).write_text(str(s.server_port))\n"
        "s.serve_forever()\n"
    )
    with running(tmp_path / "other", {"name": "other", "code": serve}) as other:
        other.wait_ready()
        port = wait_until(lambda: (tmp_path / "port").exists() and (tmp_path / "port").read_text())
        mine = {"name": "web", "code": SLEEP, "probe": f"http:{port}", "timeout": 1}
        with running(tmp_path / "mine", mine) as stack:
            status, output = stack.end()
    assert status == 1
    assert "web was not ready after 1 s" in output


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _changed(pids: dict[str, int], name: str, before: int) -> int:
    pid = pids.get(name, before)
    return pid if pid != before else 0


def _read_line(stack) -> str:
    return stack.process.stdout.readline()
