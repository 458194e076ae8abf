"""Debian's Chromium driven by Playwright, against the served fleet."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.pages.world import PASSWORD

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}
READY_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(state: Path) -> Iterator[str]:
    """Serve a fresh fleet; yields the address, and stops within seconds with pages still open."""
    port = free_port()
    root = Path(__file__).resolve().parents[2]
    with (state / "web.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.pages.serve", str(state), str(port)],
            cwd=root,
            stdout=log,
            stderr=log,
        )
        try:
            _wait(process, port, state / "web.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-3000:]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.1)
    raise AssertionError("the web process did not answer: " + log.read_text()[-3000:])


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


class Visitor:
    """One signed-in person in one browser context; remembers everything that went wrong."""

    def __init__(self, browser: Browser, base: str, *, name: str, **options: object) -> None:
        settings = {"viewport": DESKTOP, "color_scheme": "light", **options}
        self.base = base
        self.context: BrowserContext = browser.new_context(**settings)
        self.context.set_default_timeout(20_000)
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        self._sign_in(name)

    def _heard(self, message) -> None:
        expected = "the server responded with a status of 4"
        if message.type in {"error", "warning"} and expected not in message.text:
            self.problems.append(message.text)

    def _sign_in(self, name: str) -> None:
        self.go("/fleet/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/fleet/")

    def go(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page

    def overflow(self) -> int:
        return int(
            self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )
