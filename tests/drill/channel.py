"""The wire between the real edge and web, as something that can be cut, slowed and hung."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from controlplane.stack import launch
from tests.drill.world import DrillError, World
from tests.walkthrough.stack import ROOT

# open: as it should be. refuse: closed at once. hang: taken, and nothing goes through.
# slow: every piece a second late. cut: an answer ends in its midst.
Mode = Literal["open", "refuse", "hang", "slow", "cut"]
PIECE = 16_384
CUT_AFTER = 600
SLOW_SECONDS = 1.0
TICK_SECONDS = 0.05
READY_SECONDS = 40.0


class Channel:
    """Passes bytes from a port of its own to web's, as the mode of the moment says.

    A connection that hung is dead for ever (`half_open`) or goes on when the mode is open again.
    """

    def __init__(self, web: str) -> None:
        """Listen at once."""
        address = urlsplit(web)
        self._target = (address.hostname or "", address.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.mode: Mode = "open"
        self.over = False
        self._links: list[tuple[socket.socket, socket.socket]] = []
        self._dead: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, mode: Mode) -> None:
        """Change the mode; what refuses ends what is there."""
        self.mode = mode
        if mode == "refuse":
            self._reset()

    def half_open(self) -> None:
        """Let all that is connected now hang for ever, and nobody is told; new ones work."""
        self._dead |= {end for link in self._links for end in link}
        self.mode = "open"

    def close(self) -> None:
        """End everything."""
        self.over = True
        self._listener.close()
        self._reset()

    def _reset(self) -> None:
        links, self._links = self._links, []
        for link in links:
            for end in link:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _accept(self) -> None:
        while not self.over:
            with suppress(OSError):
                near, _ = self._listener.accept()
                if self.mode == "refuse":
                    near.close()
                    continue
                far = socket.create_connection(self._target, timeout=5)
                far.settimeout(None)
                self._links.append((near, far))
                for source, sink in ((near, far), (far, near)):
                    answers = source is far
                    threading.Thread(
                        target=self._pump, args=[source, sink, answers], daemon=True
                    ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        passed = 0
        with suppress(OSError):
            while piece := source.recv(PIECE):
                while self.mode == "hang" or source in self._dead:
                    if self.over:
                        return
                    time.sleep(TICK_SECONDS)
                if self.mode == "slow":
                    time.sleep(SLOW_SECONDS)
                if self.mode == "cut" and answers and passed + len(piece) > CUT_AFTER:
                    sink.sendall(piece[: CUT_AFTER - min(passed, CUT_AFTER)])
                    break
                sink.sendall(piece)
                passed += len(piece)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def edge_through(world: World) -> Iterator[Channel]:
    """Run the stack's edge anew behind a channel, on the same files, until the block ends."""
    pid = world.stack.pid("edge")
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    raw = Path(f"/proc/{pid}/environ").read_bytes().decode()
    environment = dict(item.split("=", 1) for item in raw.split("\0") if "=" in item)
    channel = Channel(world.web)
    command[command.index("--control") + 1] = channel.url
    guarded = (sys.executable, "-I", "-S", launch.__file__, str(os.getpid()))
    with world.down("edge"):
        ready = world.edge_dir / "edge.ready"
        ready.unlink(missing_ok=True)
        with (world.state_dir / "logs" / "edge-channel.log").open("ab") as log:
            process = subprocess.Popen(
                [*guarded, *command],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            world.wait("the edge behind the channel", ready.exists, seconds=READY_SECONDS)
            world.returned("edge")
            yield channel
        finally:
            channel.close()
            process.terminate()
            process.wait(timeout=20)
            if process.returncode not in (0, -15, 143):
                raise DrillError(f"the edge behind the channel ended with {process.returncode}")
