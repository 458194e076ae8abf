"""Proxies that exist on paper: they speak the edge's protocol and serve nobody.

One obeys, or is silent, or lies: says that it accepted and shows keys that fall as before.
"""

import hashlib
import secrets
import threading
import time
from typing import Any, Literal

import httpx

from tests.drill.world import World

Mode = Literal["obeys", "silent", "lies"]
PAUSE_SECONDS = 0.5
KEYS = 1000

REGISTER = """
from django.utils import timezone
from traffic import services
from traffic.models import ProxyGroup
for name in sys.argv[2:]:
    services.register_proxy(
        group=ProxyGroup.objects.get(), name=name, token=sys.argv[1] + name, now=timezone.now()
    )
"""
REMOVE = """
from traffic.models import Proxy
Proxy.objects.filter(name__in=sys.argv[1:]).delete()
"""


class Node:
    """One of them, in a thread of its own."""

    def __init__(self, web: str, *, name: str, token: str) -> None:
        """Prepare; `start` begins."""
        self.name, self.mode, self.generation = name, "obeys", 0
        self._client = httpx.Client(
            base_url=web,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
            trust_env=False,
        )
        self._document: dict[str, Any] = {}
        self._boot, self._seq = secrets.token_hex(8), 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(timeout=15)

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            if self.mode == "silent":
                continue
            try:
                self._ask()
                self._tell()
            except httpx.HTTPError:
                continue

    def _ask(self) -> None:
        answer = self._client.get("/edge/v1/snapshot", params={"generation": self.generation})
        if answer.status_code == httpx.codes.OK:
            self._document = answer.json()
            self.generation = self._document["generation"]

    def _tell(self) -> None:
        self._seq += 1
        self._client.post(
            "/edge/v1/report",
            json={
                "proxy": self.name,
                "boot": self._boot,
                "seq": self._seq,
                "lineage": self._document.get("lineage", ""),
                "generation": self.generation,
                "state": "accepted",
                "blocks": [],
                "routing": self._lie() if self.mode == "lies" else [],
                "taps": [],
            },
        ).raise_for_status()

    def _lie(self) -> list[dict[str, Any]]:
        """Return blocks in which every key of this proxy stayed on legacy."""
        start = int(time.time()) // 2 * 2
        return [
            {
                "split": split,
                "start": start,
                "seconds": 2,
                "epoch": epoch,
                "intended": KEYS,
                "failed_over": 0,
                "diverted": 0,
                "arms": {"legacy": KEYS, "candidate": 0},
                "new_keys": {"legacy": [_key(n) for n in range(KEYS)], "candidate": []},
                "flip_count": 0,
            }
            for split, epoch in self._document.get("epochs", {}).items()
        ]


def _key(number: int) -> str:
    return hashlib.sha256(f"nobody {number}".encode()).hexdigest()[:16]


def add(world: World, *names: str) -> list[Node]:
    """Register proxies and start them."""
    secret = secrets.token_hex(16)
    world.django(REGISTER, secret, *names)
    nodes = [Node(world.web, name=name, token=secret + name) for name in names]
    for node in nodes:
        node.start()
    return nodes


def remove(world: World, nodes: list[Node]) -> None:
    """Stop them and take them out of the fleet."""
    for node in nodes:
        node.stop()
    world.django(REMOVE, *[node.name for node in nodes])
