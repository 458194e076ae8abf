"""A second web process on the same database, as production has several; made to be killed."""

import os
import signal
import socket
import subprocess
import sys
import time

import httpx

from controlplane.stack import launch
from tests.drill.world import DrillError, World
from tests.walkthrough.stack import ROOT

START_SECONDS = 40.0


class Spare:
    """One web process, started without waiting; `ready` waits."""

    def __init__(self, world: World) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        serve = ("-m", "uvicorn", "controlplane.asgi:application", "--port", str(port))
        guarded = (sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), sys.executable)
        with (world.state_dir / "logs" / "spare.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*guarded, *serve, "--no-access-log", "--log-level", "warning"],
                cwd=ROOT,
                env=world.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ready(self) -> "Spare":
        """Return it once it answers from the database."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                # A refused question loads what decisions need as well.
                asked = [self.url + path for path in ("/readyz", "/api/v1/migrations/")]
                if [httpx.get(url, timeout=5, trust_env=False).status_code for url in asked] == [
                    httpx.codes.OK,
                    httpx.codes.UNAUTHORIZED,
                ]:
                    return self
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise DrillError("a second web process did not start; see logs/spare.log")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL it."""
        self.process.kill()
        self.process.wait()
