"""What `/readyz` says: as it is, or as the private port has it say; nothing else changes."""

import asyncio
import signal
import threading
import time
from types import FrameType

READY = "ready"
REASONS = {
    "starting": "the model is warming up",
    "draining": "the service is stopping",
    "dependency_down": "the model store does not answer",
}
STATES = (READY, *REASONS)


class Readiness:
    """The service's own state, over which a state that was told lies until it is taken back."""

    def __init__(self, *, warm_up_seconds: float = 0.0, drain_seconds: float = 0.0) -> None:
        self._warm_up_seconds, self._drain_seconds = warm_up_seconds, drain_seconds
        self._warm_at = float("inf")
        self._stopping = False
        self.told: str | None = None

    @property
    def current(self) -> str:
        """One of STATES."""
        if self._stopping:
            return "draining"
        if time.monotonic() < self._warm_at:
            return "starting"
        return self.told or READY

    def tell(self, state: str | None) -> None:
        """Say `state` from now on, None for the truth; ValueError when it is not known."""
        if state is not None and state not in STATES:
            raise ValueError(f"unknown state {state!r}; known are {', '.join(STATES)}")
        self.told = state

    def start(self) -> None:
        """The model is loaded. From here on SIGTERM and SIGINT are seen before the server."""
        self._warm_at = time.monotonic() + self._warm_up_seconds
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._drain_first(number)

    def _drain_first(self, number: signal.Signals) -> None:
        """Say draining for a while, still taking requests; then let the server's handler act."""
        server, loop = signal.getsignal(number), asyncio.get_running_loop()

        def handle(_number: int, frame: FrameType | None) -> None:
            self._stopping = True
            if callable(server):
                loop.call_soon_threadsafe(
                    loop.call_later, self._drain_seconds, server, number, frame
                )

        signal.signal(number, handle)
