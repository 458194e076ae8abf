"""Banyan's REST API as a pipeline uses it."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.walkthrough.stack import WalkthroughError


class Rest:
    """A token's view of one migration."""

    def __init__(self, web: str, token: str, slug: str) -> None:
        """Open a client; every call ends within 20 s."""
        self.slug = slug
        self._client = httpx.Client(
            base_url=f"{web}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
            trust_env=False,
        )

    def get(self, path: str) -> dict[str, Any]:
        """GET a document."""
        answer = self._client.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def text(self, path: str) -> str:
        """GET a text."""
        answer = self._client.get(path)
        answer.raise_for_status()
        return answer.text

    def migration(self) -> dict[str, Any]:
        """Return the migration whole."""
        return self.get(f"/migrations/{self.slug}/")

    def post(self, verb: str, **body: Any) -> httpx.Response:
        """POST a verb and return the answer, whatever its status."""
        return self._client.post(f"/migrations/{self.slug}/{verb}/", json=body)

    def put(self, path: str, **body: Any) -> dict[str, Any]:
        """PUT a document that must be taken."""
        answer = self._client.put(f"/migrations/{self.slug}/{path}/", json=body)
        if answer.status_code != httpx.codes.OK:
            raise WalkthroughError(f"{path}: {answer.status_code} {answer.text[:400]}")
        found: dict[str, Any] = answer.json()
        return found

    def do(self, verb: str, **body: Any) -> dict[str, Any]:
        """POST a verb that must succeed."""
        answer = self.post(verb, **body)
        if answer.status_code != httpx.codes.OK:
            raise WalkthroughError(f"{verb}: {answer.status_code} {answer.text[:400]}")
        made: dict[str, Any] = answer.json()
        return made

    def wait(
        self, what: str, holds: Callable[[dict[str, Any]], bool], *, seconds: float
    ) -> dict[str, Any]:
        """Poll the migration until a condition holds; raise with why it is closed otherwise."""
        deadline, last = time.monotonic() + seconds, {}
        while time.monotonic() < deadline:
            try:
                last = self.migration()
            except httpx.HTTPError:
                last = {}
            if last and holds(last):
                return last
            time.sleep(0.5)
        why = last.get("why_closed", "no answer") if last else "no answer"
        raise WalkthroughError(f"{what}: not within {seconds:.0f} s ({why})")


def in_effect(document: dict[str, Any]) -> bool:
    """Whether the present place is in effect."""
    return document["in_effect_at"] is not None


def open_for_promote(document: dict[str, Any]) -> bool:
    """Whether promote is open."""
    return bool(document["can_promote"])


def sums(document: dict[str, Any]) -> dict[str, int]:
    """Return sampled, joined, compared and mismatched pairs since the shadow began."""
    routes = document["accounting"].values()
    return {
        "sampled": sum(r["sampled"] for r in routes),
        "joined": sum(r["pairs"] for r in routes),
        "compared": document["pairs"]["compared"],
        "mismatched": document["pairs"]["mismatched"],
    }
