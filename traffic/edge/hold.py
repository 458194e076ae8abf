"""Break-glass on the proxy host: all users to legacy, without the control plane.

`python -m traffic.edge hold --state-dir D --reason "..."` asks the running edge over its control
socket. When the edge does not answer, the same is done directly by the files: Envoy needs nobody.
Either way a signed record is on disk first, which the edge reports once the control plane is back.
"""

import argparse
import asyncio
import getpass
import json
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from traffic.edge.acceptance import AcceptanceWatch
from traffic.edge.admin import EnvoyAdmin
from traffic.edge.apply import Applier
from traffic.edge.envoy_log import EnvoyLog
from traffic.edge.fence import Hold
from traffic.edge.files import BARE_SUFFIX, XdsFiles
from traffic.edge.glass import GlassBox
from traffic.edge.state import StateStore
from traffic.edge.validate import Validator
from traffic.edge.writer import ConfigWriter

Json = dict[str, Any]

SOCKET_NAME = "control.sock"
ANSWER_TIMEOUT_SECONDS = 2.0
"""An edge that hangs takes the connection and answers nothing; all of this is to take 5 s."""


def new_hold_id() -> str:
    """Return an id that no version of a snapshot can be mistaken for: its `h` is not hex."""
    return "h" + secrets.token_hex(4)


async def serve_hold(
    state_dir: Path, declare: Callable[[str, str], Awaitable[Hold]]
) -> asyncio.AbstractServer:
    """Listen on the control socket; only the owner of the state directory may connect.

    `declare` is called with the reason and with who asks.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            hold = await declare(str(request["hold"]), str(request.get("by", "")))
            reply: Json = {"hold": asdict(hold)}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reply = {"error": f"expected {{'hold': reason}}: {error!r}"}
        writer.write(json.dumps(reply).encode() + b"\n")
        await writer.drain()
        writer.close()

    path = state_dir / SOCKET_NAME
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(answer, str(path))
    path.chmod(0o600)
    return server


async def hold(state_dir: Path, reason: str, *, admin: Path | None = None) -> tuple[Hold, bool]:
    """Declare a hold and return it, with whether Envoy confirmed the safe routes."""
    admin_socket = admin or state_dir / "admin.sock"
    async with EnvoyAdmin(admin_socket) as client:
        watch = AcceptanceWatch(client, EnvoyLog(state_dir / "envoy.log"))
        applier = _applier(state_dir, watch)
        declared = await _ask_edge(state_dir, reason)
        if declared is None:
            declared = await applier.hold(new_hold_id(), reason, time.time(), by=_who())
        target = applier.status().wanted
        return declared, target is not None and await watch.confirmed(target)


async def _ask_edge(state_dir: Path, reason: str) -> Hold | None:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(state_dir / SOCKET_NAME))
            request = {"hold": reason, "by": _who()}
            writer.write(json.dumps(request).encode() + b"\n")
            reply = json.loads(await reader.readline())
            writer.close()
            return Hold(**reply["hold"])
    except (OSError, TimeoutError, ValueError, KeyError, TypeError):
        return None


def _who() -> str:
    """Return who runs this command, as the host knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _applier(state_dir: Path, watch: AcceptanceWatch) -> Applier:
    files = XdsFiles(state_dir)
    applier = Applier(
        store=StateStore(state_dir),
        writer=ConfigWriter(files, watch),
        watch=watch,
        validator=Validator(Path("/nonexistent")),  # a hold lowers, so nothing is validated
        on_accepted=lambda _doc: None,
        glass=GlassBox(state_dir),
    )
    clusters = files.read("clusters")
    applier.taps = clusters is None or BARE_SUFFIX not in clusters[0]
    return applier


def main(arguments: Sequence[str]) -> int:
    """Run the command; exit status 0 means that Envoy confirmed, 1 that it did not answer."""
    parser = argparse.ArgumentParser(prog="python -m traffic.edge hold", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--admin", type=Path, help="Envoy's admin socket")
    parser.add_argument("--reason", required=True, help="why, for the record of decisions")
    values = parser.parse_args(arguments)
    started = time.monotonic()
    declared, confirmed = asyncio.run(
        hold(values.state_dir.absolute(), values.reason, admin=values.admin)
    )
    took_ms = (time.monotonic() - started) * 1000
    answer = "Envoy confirmed" if confirmed else "Envoy has NOT confirmed; its files are in place"
    sys.stdout.write(f"held {declared.id}: legacy answers everybody. {answer} ({took_ms:.0f} ms)\n")
    return 0 if confirmed else 1
