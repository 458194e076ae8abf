"""The scorecard: factors only where both sides were measured alike; services always end."""

import subprocess
import sys
from pathlib import Path

import pytest

from shadow.models import Measurement
from shadow.scorecard import METRICS, rows
from shadow.scorecard_runner import Ask, MeasuringError, measure, running, session_members, size_mb
from shadow.services.measuring import record_measurement
from tests.rollout.builders import NOW, in_dual_run

SERVER = """
import http.server, os, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(int(os.environ.get("ANSWER", "200")))
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""
ASK = Ask("POST", "/infer", b"{}")


def kept(side: str, metric: str, value: float, how: str = "wrk") -> Measurement:
    return Measurement(side=side, metric=metric, value=value, how=how, at=NOW)


def factor(metric: str, *measured: Measurement) -> float | None:
    return next(row.factor for row in rows(measured) if row.metric.key == metric)


def test_a_factor_above_one_is_better_whichever_way_the_metric_goes() -> None:
    assert factor("p99", kept("legacy", "p99", 10.0), kept("candidate", "p99", 2.0)) == 5
    assert factor("rps", kept("legacy", "rps", 100.0), kept("candidate", "rps", 900.0)) == 9


def test_there_is_no_factor_without_both_sides_or_by_different_methods() -> None:
    assert factor("p99", kept("legacy", "p99", 10.0)) is None
    other = kept("candidate", "p99", 2.0, how="by hand")
    assert factor("p99", kept("legacy", "p99", 10.0), other) is None
    assert factor("p99", kept("legacy", "p99", 10.0), kept("candidate", "p99", 0.0)) is None


def test_the_newest_counts_and_every_row_is_there() -> None:
    found = rows([kept("legacy", "p99", 1.0), kept("legacy", "p99", 9.0)])
    assert [row.metric for row in found] == list(METRICS)
    assert found[0].legacy is not None
    assert found[0].legacy.value == 1.0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("side", "metric", "value"),
    [("both", "p99", 1.0), ("legacy", "beauty", 1.0), ("legacy", "p99", float("nan"))],
)
def test_what_is_no_figure_is_not_stored(side: str, metric: str, value: float) -> None:
    pair = in_dual_run().pair
    with pytest.raises(ValueError, match=r"there is no|expected a number"):
        record_measurement(
            pair=pair, side=side, metric=metric, value=value, how="x", by="t", at=NOW
        )
    assert not Measurement.objects.exists()


def test_sizes_are_those_of_files_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert size_mb([tmp_path]) == 0.001


def command(tmp_path: Path, prefix: str = "") -> str:
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    return f"{prefix}{sys.executable} {script} {{port}}"


@pytest.mark.real
@pytest.mark.enable_socket
def test_a_service_is_measured_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    found = measure(command(tmp_path), ASK, weigh=[tmp_path], starts=2, seconds=1.0)
    assert {figure.metric for figure in found} == {metric.key for metric in METRICS}
    assert all(figure.value > 0 for figure in found)
    with running(command(tmp_path), ASK) as (pid, _, took):
        assert session_members(pid)
        assert 0 < took < 60
    assert not session_members(pid)


@pytest.mark.real
@pytest.mark.enable_socket
def test_what_cannot_be_measured_says_why(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("shadow.scorecard_runner.START_S", 3.0)
    with pytest.raises(MeasuringError, match="No such file"):
        measure("/no/such/program {port}", ASK, weigh=[], starts=1)
    with pytest.raises(MeasuringError, match="exit code 3"):
        measure(f"{sys.executable} -c 'import sys; sys.exit(3)'", ASK, weigh=[], starts=1)
    with pytest.raises(MeasuringError, match="status 503"):
        measure(command(tmp_path, "env ANSWER=503 "), ASK, weigh=[], starts=1)
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, check=False)
    assert not left.stdout
