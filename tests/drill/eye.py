"""An eye on the proxy that asks nobody of ours: the edge's state on disk, Envoy's own admin."""

import contextlib
import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAUSE_SECONDS = 0.15
ADMIN_SECONDS = 1.0
UNREADABLE = -1


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment (unix seconds).

    `generation` and `hold` are the edge's state, UNREADABLE when its file is not there or broken.
    It is only tried while `applied` is false, and given up when Envoy refuses it. `served` is the
    version of Envoy's routes, "" when Envoy did not answer.
    """

    at: float
    generation: int
    applied: bool
    hold: str
    served: str

    @property
    def served_generation(self) -> int | None:
        """The generation whose routes serve; None when Envoy did not answer."""
        head = self.served.partition("-")[0]
        return int(head) if head.isdigit() else None

    @property
    def safe_routes(self) -> bool:
        """Whether a hold's routes serve: all users on legacy, whatever the generation says."""
        return self.served.partition("-")[2].startswith("h")


class Eye:
    """Looks several times a second, in a thread, until it is stopped."""

    def __init__(self, edge: Path) -> None:
        self._edge = edge
        self.looks: list[Look] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(timeout=5)

    def since(self, moment: float) -> list[Look]:
        """Return what was seen since then."""
        return [look for look in list(self.looks) if look.at >= moment]

    def look(self) -> Look:
        """Look once, now."""
        state = self._state()
        hold = state.get("hold") or {}
        at = time.time()
        return Look(
            at=at,
            generation=int(state.get("generation", UNREADABLE)),
            applied=bool(state.get("applied", False)),
            hold=str(hold.get("id", "")),
            served=served_version(self._edge / "admin.sock"),
        )

    def _state(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads((self._edge / "state.json").read_bytes())
            return found
        return {}

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            self.looks.append(self.look())


def served_version(admin: Path) -> str:
    """Ask Envoy which routes serve; "" when it does not answer."""
    for line in ask_admin(admin, "/stats?filter=version_text").splitlines():
        name, _, value = line.partition(": ")
        if ".rds." in name and name.endswith(".version_text"):
            return value.strip().strip('"')
    return ""


def ask_admin(admin: Path, path: str) -> str:
    """GET from Envoy's admin socket; "" when it does not answer."""
    link = _UnixConnection(admin)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(link):
        link.request("GET", path)
        return link.getresponse().read().decode()
    return ""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("envoy", timeout=ADMIN_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
