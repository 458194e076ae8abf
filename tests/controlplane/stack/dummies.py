"""A stack of tiny children: `python -m tests.controlplane.stack.dummies STATE JSON`.

JSON is a list of {"name", "code", "probe", "tier", "needs", "timeout"}; probe is `alive`, `once`,
`file:<path>` or `http:<port>`.
Prints READY once all are ready; the pids then stand in STATE/stack.json.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from controlplane.stack import probes
from controlplane.stack.child import Probe, Spec
from controlplane.stack.console import Console
from controlplane.stack.errors import StackError
from controlplane.stack.housekeeping import Guard
from controlplane.stack.state import State
from controlplane.stack.supervisor import Places, Supervisor


def probe_of(text: str) -> Probe | None:
    kind, _, rest = text.partition(":")
    if kind == "file":
        return probes.file_ready(Path(rest))
    if kind == "http":
        return probes.http_ready("127.0.0.1", int(rest), "/")
    return None if kind == "once" else probes.alive


def spec_of(item: dict) -> Spec:
    return Spec(
        name=item["name"],
        argv=(sys.executable, "-c", item["code"]),
        probe=probe_of(item.get("probe", "alive")),
        tier=item.get("tier", 0),
        needs=tuple(item.get("needs", ())),
        ready_timeout_s=item.get("timeout", 20),
    )


async def serve(root: Path, items: list[dict]) -> int:
    state = State(root)
    console, guard = Console(), Guard(lock=state.lock)
    supervisor = Supervisor(
        [spec_of(item) for item in items],
        places=Places(logs=state.logs, hold=state.hold),
        console=console,
        guard=guard,
        env=dict(os.environ),
    )

    def publish() -> None:
        state.publish({"ready": True, "pids": supervisor.pids(), "guard": guard.pid})

    def ready() -> None:
        publish()
        console.say("READY")

    supervisor.on_ready, supervisor.on_change = ready, publish
    try:
        return await supervisor.run()
    finally:
        guard.finish()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(serve(Path(sys.argv[1]), json.loads(sys.argv[2]))))
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
