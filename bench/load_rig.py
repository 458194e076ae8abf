"""Real Envoys before the example candidate, for what copies cost: one as Banyan runs it, one plain.

`python -m bench.load_rig DIR` is the edge's receiving half for the first of them.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from bench.harness import ROOT
from judge.histogram import from_wire, merge, quantile
from traffic.edge.collector import Collector
from traffic.edge.config import installed_envoy
from traffic.edge.files import XdsFiles
from traffic.edge.validate import inlined
from traffic.envoy.resources import MirrorRule, SplitPlan, Upstream, bootstrap, clusters, routes
from traffic.envoy.snapshot import build_document
from traffic.load.generator import Request

HOST = "127.0.0.1"
SPLIT = "bench"
AXUM = ROOT / "examples" / "candidate-axum" / "target" / "release" / "candidate-axum"
ASK = Request(
    "POST",
    "/infer",
    (("content-type", "application/json"), ("authorization", "Bearer bench")),
    json.dumps({"input": [0.5] * 50}).encode(),
)
READY_S = 30.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What a generator told about one run."""

    requests: int
    errors: int
    shed: int
    p99_us: int
    late_p99_us: int


@dataclass(slots=True)
class Rig:
    """Two services and two Envoys. `switch` changes what the first one copies."""

    directory: Path
    ports: dict[str, int]
    children: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    version: int = 1

    def plan(self, **changes: Any) -> SplitPlan:
        """Return the split: ten per cent shadow, no noise, unless told otherwise."""
        values: dict[str, Any] = {"mode": "dual_run", "shadow_tth": 1000}
        return SplitPlan(
            name=SPLIT,
            legacy=Upstream(HOST, self.ports["legacy"]),
            candidate=Upstream(HOST, self.ports["candidate"]),
            mirrored=(MirrorRule("POST", "/infer"),),
            **(values | changes),
        )

    def switch(self, **changes: Any) -> None:
        """Serve another plan, by rename, and wait until Envoy uses it."""
        self.version += 1
        files = XdsFiles(self.directory)
        files.write("routes", str(self.version), routes([self.plan(**changes)]))
        _until(lambda: self.stats("rds.main.version_text", text=True) == str(self.version))

    def stats(self, name: str, *, text: bool = False) -> Any:
        """Return one of Envoy's counters, 0 when it has none of that name."""
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.directory / "admin.sock"))
        ) as client:
            answer = client.get("http://envoy/stats", params={"filter": name})
        values = [line.split(": ", 1)[1].strip('"') for line in answer.text.splitlines() if line]
        return values[0] if text and values else sum(int(v) for v in values if v.isdigit())

    def cpu_s(self, name: str) -> float:
        """Return the CPU seconds a child has used."""
        fields = (
            Path(f"/proc/{self.children[name].pid}/stat").read_text().rsplit(") ", 1)[1].split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, envoy: str, *, rate: float, seconds: float) -> Sent:
        """Send at a rate through one of the Envoys; open loop, latency from the intended moment."""
        file = self.directory / "ask.jsonl"
        file.write_text(ASK.to_line())
        argv = [sys.executable, "-m", "traffic.load.generator", "--requests", str(file)]
        argv += ["--url", f"http://{HOST}:{self.ports[envoy]}", "--rate", f"{rate:g}"]
        process = subprocess.Popen(
            [*argv, "--seconds", f"{seconds + 1.5:g}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert process.stdout is not None
        blocks = [json.loads(line) for line in process.stdout]
        process.wait()
        return _sent(blocks[1:])  # the first second is not whole


def _sent(blocks: Sequence[dict[str, Any]]) -> Sent:
    def p99(name: str) -> int:
        return quantile(merge(from_wire(b[name]["all"]) for b in blocks), 0.99) or 0

    return Sent(
        requests=sum(b["requests"] for b in blocks),
        errors=sum(b["errors"] for b in blocks) + sum(b["status"].get("4xx", 0) for b in blocks),
        shed=sum(b["shed"] for b in blocks),
        p99_us=p99("latency"),
        late_p99_us=p99("lateness"),
    )


@contextlib.contextmanager
def rig(directory: Path) -> Iterator[Rig]:
    """Start everything; all of it is ended whatever happens."""
    found = Rig(directory, {name: _free_port() for name in (*_NAMES, "a", "b")})
    try:
        for service, admin in (("legacy", "a"), ("candidate", "b")):
            env = {"PORT": str(found.ports[service]), "ADMIN_PORT": str(found.ports[admin])}
            _start(found, service, [str(AXUM)], {**env, "HOST": HOST})
        _start_edge(found)
        _start_envoys(found)
        for name in _NAMES:
            _until(lambda name=name: _answers(found.ports[name]))
        yield found
    finally:
        for child in reversed(found.children.values()):
            child.kill()
            child.wait()


_NAMES = ("legacy", "candidate", "banyan", "plain")


def _start(found: Rig, name: str, argv: list[str], env: dict[str, str] | None = None) -> None:
    with (found.directory / f"{name}.log").open("wb") as log:
        found.children[name] = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
        )


def _start_edge(found: Rig) -> None:
    split = found.plan()
    document = build_document(
        lineage="bench",
        generation=1,
        issued_at=datetime(2026, 1, 1, tzinfo=UTC),
        plans=[split],
        rules=[],
        epochs={SPLIT: "1"},
        block_seconds=10,
        cap_bytes=262_144,
        redact_headers=[],
        release_hold=None,
        prevalidate=[],
    )
    (found.directory / "snapshot.json").write_text(json.dumps(document))
    _start(found, "edge", [sys.executable, "-m", "bench.load_rig", str(found.directory)])
    _until((found.directory / "tap.sock").exists)


def _start_envoys(found: Rig) -> None:
    split, files = found.plan(), XdsFiles(found.directory)
    files.prepare()
    files.write("clusters", "1", clusters([split]))
    files.write("routes", "1", routes([split]))
    ours = bootstrap(
        proxy_id="bench",
        state_dir=str(found.directory),
        listen_host=HOST,
        listen_port=found.ports["banyan"],
    )
    safe = found.plan(mode="safe")
    plain = inlined(clusters([safe], taps=False), routes([safe]), state_dir=str(found.directory))
    del plain["admin"]
    listener = plain["static_resources"]["listeners"][0]
    listener["address"]["socket_address"]["port_value"] = found.ports["plain"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    del manager["access_log"]
    for http_filter in manager["http_filters"]:
        http_filter["typed_config"].pop("upstream_log", None)
    for name, config in (("banyan", ours), ("plain", plain)):
        file = found.directory / f"{name}.json"
        file.write_text(json.dumps(config))
        argv = [str(installed_envoy()), "-c", str(file), "--concurrency", "1"]
        _start(found, name, [*argv, "--use-dynamic-base-id", "--log-level", "warn"])


def _answers(port: int) -> bool:
    try:
        answer = httpx.post(f"http://{HOST}:{port}/infer", json={"input": [0.5]}, timeout=2)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


def _until(true: Any) -> None:
    deadline = time.monotonic() + READY_S
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("the benchmark's processes did not come up")
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def _receive(directory: Path) -> None:
    collector = Collector(directory, None, "bench")
    collector.configure(json.loads((directory / "snapshot.json").read_text()))
    await collector.start()
    await asyncio.to_thread(sys.stdin.read)
    await collector.stop()


if __name__ == "__main__":
    asyncio.run(_receive(Path(sys.argv[1])))
