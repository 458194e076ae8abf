"""Users of the walkthrough, who can pause: a drill needs quiet moments to count in."""

import threading
import time

import httpx

from tests.walkthrough.users import Users, Window


class Crowd:
    """Calls Envoy without pause, or not at all; remembers all answers."""

    def __init__(self, url: str, *, rate: int) -> None:
        self._url, self._rate = url, rate
        self._all: list[Users] = []

    def start(self) -> None:
        """Begin, or go on."""
        self._all.append(Users(self._url, rate=self._rate))
        self._all[-1].start()

    def pause(self) -> None:
        """Stop asking and wait for what is in flight."""
        self._all[-1].stop()

    def since(self, moment: float, until: float | None = None) -> Window:
        """Return what started in the window (unix seconds)."""
        return Window([s for users in self._all for s in users.since(moment, until).seen])


class Probe:
    """One question put to web: when, how long it took, and what came."""

    __slots__ = ("at", "error", "is_json", "path", "seconds", "status")

    def __init__(self, at: float, path: str) -> None:
        self.at, self.path = at, path
        self.seconds, self.status, self.is_json, self.error = 0.0, 0, False, ""


class Prober:
    """Puts questions to web all the time and keeps how each ended."""

    PATHS = (
        "/api/v1/proxies/",
        "/api/v1/migrations/{slug}/",
        "/api/v1/migrations/none/",
        "/readyz",
    )
    PAUSE_SECONDS = 0.6

    def __init__(self, web: str, *, slug: str, token: str) -> None:
        self._web, self._slug = web, slug
        self._headers = {"Authorization": f"Bearer {token}"}
        self.probes: list[Probe] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(timeout=15)

    def since(self, moment: float) -> list[Probe]:
        """Return the finished probes that began since then."""
        return [probe for probe in list(self.probes) if probe.at >= moment]

    def ask(self, path: str, *, timeout: float = 12) -> Probe:
        """Ask once and keep the answer."""
        probe = Probe(time.time(), path.format(slug=self._slug))
        try:
            answer = httpx.get(
                self._web + probe.path, headers=self._headers, timeout=timeout, trust_env=False
            )
            probe.status = answer.status_code
            probe.is_json = "json" in answer.headers.get("content-type", "")
        except httpx.HTTPError as error:
            probe.error = type(error).__name__
        probe.seconds = time.time() - probe.at
        self.probes.append(probe)
        return probe

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(self.PAUSE_SECONDS):
            self.ask(self.PATHS[number % len(self.PATHS)])
            number += 1
