"""Wrong requests, sent through Envoy and to legacy itself: users must get legacy's answer."""

import json
import sys
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "traffic"))

VOLATILE = ("latency_ms", "version", "request_id")


class WrongRequests:
    """Sends the light rows of the shared table both ways and counts the equal answers."""

    def __init__(self, envoy: str, legacy: str) -> None:
        """Load the table."""
        from wrong_requests import wrong_requests  # type: ignore[import-not-found]

        self._rows = [row for row in wrong_requests() if row.light]
        self._envoy, self._legacy = envoy, legacy
        self.sent = self.equal = 0
        self.different: list[str] = []

    def send_all(self) -> None:
        """Send each row once to both."""
        with httpx.Client(timeout=20, trust_env=False) as client:
            for number, row in enumerate(self._rows):
                headers = {"x-user-key": f"wrong-{self.sent}-{number}"}
                if row.content_type:
                    headers["content-type"] = row.content_type
                answers = [
                    client.request(row.method, base + row.path, content=row.body, headers=headers)
                    for base in (self._envoy, self._legacy)
                ]
                self.sent += 1
                if _story(answers[0]) == _story(answers[1]):
                    self.equal += 1
                elif len(self.different) < 5:
                    self.different.append(f"{row.method} {row.path}: {answers[0].text[:200]}")

    def report(self) -> dict[str, Any]:
        """Return the counts."""
        return {
            "sent": self.sent,
            "answered_as_legacy": self.equal,
            "different": self.different,
        }


def _story(answer: httpx.Response) -> tuple[int, str, Any]:
    kind = answer.headers.get("content-type", "").partition(";")[0]
    try:
        body: Any = json.loads(answer.content)
    except ValueError:
        body = answer.content
    if isinstance(body, dict):
        body = {key: value for key, value in body.items() if key not in VOLATILE}
    return answer.status_code, kind, body
