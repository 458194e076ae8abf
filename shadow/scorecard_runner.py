"""Measures one service from its command: start it, ask it, load it, weigh it, end it.

It gets a port from the system, one core of its own, and a session of its own, which is ended
whatever happens. The client runs on the other cores, if there are any.
"""

import contextlib
import http.client
import os
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
START_S = 60.0
CALL_S = 5.0
WARM_REQUESTS = 200
CONNECTIONS = 16
POLL_S = 0.002
GOOD = range(200, 300)
MB = 1_000_000


class MeasuringError(RuntimeError):
    """The service could not be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The request that is measured: the small model's."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = "application/json"

    def send(self, connection: http.client.HTTPConnection) -> int:
        """Send it and return the status, the answer read whole."""
        headers = {"content-type": self.content_type} if self.body else {}
        connection.request(self.method, self.path, self.body or None, headers)
        response = connection.getresponse()
        response.read()
        return response.status


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value: of which metric, how, and what else is known about it."""

    metric: str
    value: float
    how: str
    details: dict[str, float | str | list[float]] = field(default_factory=dict)


def measure(
    command: str, ask: Ask, *, weigh: Sequence[Path], starts: int = 5, seconds: float = 5.0
) -> list[Figure]:
    """Measure all rows of the table. `{port}` in the command is the port to listen on.

    Raises MeasuringError when the service does not start or does not answer well.
    """
    cold = []
    for _ in range(starts):
        with running(command, ask) as (_, _, took):
            cold.append(took)
    with running(command, ask) as (pid, port, _):
        warm = _sequential(ask, port, WARM_REQUESTS)
        warm_mb = memory_mb(pid)
        latencies = _sequential(ask, port, max(WARM_REQUESTS, round(seconds / max(warm[0], 1e-5))))
        rps, tool = _closed_loop(ask, port, seconds)
        loaded_mb = memory_mb(pid)
    p99 = statistics.quantiles(latencies, n=100)[98] * 1000
    pinned = "one core"
    return [
        Figure("p99", p99, f"one connection, {pinned}", {"n": float(len(latencies))}),
        Figure("memory", loaded_mb, f"PSS after load, {pinned}", {"after_warm_mb": warm_mb}),
        Figure("rps", rps, f"{tool}, {CONNECTIONS} connections, closed loop, {pinned}"),
        Figure(
            "cold_start",
            statistics.median(cold),
            f"spawn to first good answer, median of {starts}, {pinned}",
            {"all_s": cold},
        ),
        Figure("size", size_mb(weigh), "files on disk", {"paths": " ".join(map(str, weigh))}),
    ]


@contextlib.contextmanager
def running(command: str, ask: Ask) -> Iterator[tuple[int, int, float]]:
    """Run the service; yields its pid, its port, and the seconds to its first good answer."""
    port = _free_port()
    argv = [
        word.replace("{port}", str(port)).replace("{free}", str(_free_port()))
        for word in shlex.split(command)
    ]
    core = max(os.sched_getaffinity(0))
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        try:
            process = subprocess.Popen(  # noqa: S603  # the operator's own command
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOST": HOST, "PORT": str(port)},
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509  # no threads yet
            )
        except OSError as error:
            raise MeasuringError(f"{argv[0]}: {error}") from error
        try:
            _await_answer(process, ask, port, output.fileno())
            yield process.pid, port, time.perf_counter() - started
        finally:
            end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End the whole session of the service: asked first, then for sure."""
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience)
    for pid in session_members(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def session_members(session: int) -> list[int]:
    """Return the processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if os.getsid(int(entry.name)) == session:
                    found.append(int(entry.name))
    return found


def memory_mb(session: int) -> float:
    """Return what the session's processes use: shared pages counted in proportion (PSS)."""
    kilobytes = 0
    for pid in session_members(session):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    kilobytes += int(line.split()[1])
    return kilobytes * 1024 / MB


def size_mb(paths: Sequence[Path]) -> float:
    """Return the size of files and directories on disk; links are not followed."""
    total = 0
    for path in paths:
        files = path.rglob("*") if path.is_dir() else [path.resolve()]
        total += sum(f.stat().st_size for f in files if f.is_file() and not f.is_symlink())
    return total / MB


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _await_answer(process: "subprocess.Popen[bytes]", ask: Ask, port: int, log: int) -> None:
    deadline, last = time.monotonic() + START_S, "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            tail = os.pread(log, 2000, 0).decode(errors="replace")
            raise MeasuringError(f"ended with exit code {process.returncode}: {tail}")
        connection = http.client.HTTPConnection(HOST, port, timeout=CALL_S)
        try:
            status = ask.send(connection)
            if status in GOOD:
                return
            last = f"status {status}"
        except (OSError, http.client.HTTPException) as error:
            last = type(error).__name__
        finally:
            connection.close()
        time.sleep(POLL_S)
    raise MeasuringError(f"no good answer within {START_S:g} s: {last}")


def _sequential(ask: Ask, port: int, count: int) -> list[float]:
    """Return the seconds of requests sent one after the other over one connection."""
    connection = http.client.HTTPConnection(HOST, port, timeout=CALL_S)
    found = []
    try:
        for _ in range(count):
            started = time.perf_counter()
            status = ask.send(connection)
            found.append(time.perf_counter() - started)
            if status not in GOOD:
                raise MeasuringError(f"{ask.method} {ask.path} answered {status}")
    except (OSError, http.client.HTTPException) as error:
        raise MeasuringError(f"{ask.method} {ask.path}: {error!r}") from error
    finally:
        connection.close()
    return found


def _closed_loop(ask: Ask, port: int, seconds: float) -> tuple[float, str]:
    """Return good answers per second and what asked for them: wrk where it is installed."""
    wrk = shutil.which("wrk")
    return (_wrk(wrk, ask, port, seconds), "wrk") if wrk else (_threads(ask, port, seconds), "own")


def _wrk(wrk: str, ask: Ask, port: int, seconds: float) -> float:
    with tempfile.TemporaryDirectory(prefix="banyan-wrk-") as directory:
        body, script = Path(directory, "body"), Path(directory, "ask.lua")
        body.write_bytes(ask.body)
        script.write_text(
            f'wrk.method = "{ask.method}"\n'
            f'wrk.headers["content-type"] = "{ask.content_type}"\n'
            f'local f = io.open("{body}", "rb"); wrk.body = f:read("*a"); f:close()\n'
        )
        argv = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
        told = subprocess.run(  # noqa: S603  # wrk with our own script
            [*argv, f"http://{HOST}:{port}{ask.path}"],
            capture_output=True,
            text=True,
            timeout=seconds + 30,
            check=False,
        ).stdout
    if "Non-2xx" in told or "Requests/sec:" not in told:
        raise MeasuringError(f"wrk: {told.strip()[-300:]}")
    return float(told.split("Requests/sec:")[1].split()[0])


def _threads(ask: Ask, port: int, seconds: float) -> float:
    until, counts, failures = time.monotonic() + seconds, [0] * CONNECTIONS, []

    def work(number: int) -> None:
        connection = http.client.HTTPConnection(HOST, port, timeout=CALL_S)
        try:
            while time.monotonic() < until:
                if ask.send(connection) not in GOOD:
                    failures.append(number)
                    return
                counts[number] += 1
        except (OSError, http.client.HTTPException):
            failures.append(number)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise MeasuringError(f"{len(failures)} of {CONNECTIONS} connections failed under load")
    return sum(counts) / seconds
