"""What clients asked for and what they were told: the history that is replayed after a fault.

Every operation carries a tag in its reason, so that its traces can be found again. `ok` was
acknowledged, `fail` was refused and must have left nothing, `info` got no answer: it must have
happened whole, or not at all.
"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import httpx

Outcome = Literal["ok", "fail", "info"]
# Longer than any deadline that is promised: what runs into this one has broken its promise.
CLIENT_TIMEOUT_SECONDS = 12.0


@dataclass(slots=True)
class Operation:
    """One call of a verb: when it was invoked and ended (unix seconds), and what it was told."""

    tag: str
    verb: str
    invoked: float
    ended: float = 0.0
    outcome: Outcome = "info"
    status: int = 0
    is_json: bool = False
    answer: dict[str, Any] = field(default_factory=dict)
    # The one who served it was to be killed or stopped meanwhile: no deadline holds.
    hurt: bool = False

    @property
    def seconds(self) -> float:
        return self.ended - self.invoked

    @property
    def changed(self) -> bool:
        """Whether a decision was acknowledged."""
        return self.outcome == "ok" and bool(self.answer.get("changed"))


class History:
    """Calls verbs of one migration and keeps what came of each; safe for many threads."""

    def __init__(self, *, slug: str, token: str, seed: int) -> None:
        self.operations: list[Operation] = []
        self._slug, self._seed = slug, seed
        self._headers = {"Authorization": f"Bearer {token}"}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def call(self, web: str, verb: str, *, hurt: bool = False, **body: Any) -> Operation:
        """POST a verb to one web process and note the outcome; never raises for an answer."""
        operation = self._begin(verb, hurt=hurt)
        url = f"{web}/api/v1/migrations/{self._slug}/{verb}/"
        try:
            answer = httpx.post(
                url,
                json={"reason": operation.tag, **body},
                headers=self._headers,
                timeout=CLIENT_TIMEOUT_SECONDS,
                trust_env=False,
            )
        except httpx.HTTPError:
            operation.ended = time.time()
            return operation
        operation.status, operation.ended = answer.status_code, time.time()
        try:
            operation.answer, operation.is_json = answer.json(), True
        except ValueError:
            operation.is_json = False
        operation.outcome = _outcome(answer.status_code)
        return operation

    def together(self, calls: Sequence[Callable[[], Operation]]) -> list[Operation]:
        """Make the calls at the same time, each in a thread, and wait for all."""
        made: list[Operation] = []
        threads = [threading.Thread(target=lambda c=call: made.append(c())) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return made

    def at_once(self, web: str, verbs: Sequence[str]) -> list[Operation]:
        """Call the verbs at the same time, at a web process that is hurt meanwhile."""
        return self.together([partial(self.call, web, verb, hurt=True) for verb in verbs])

    def since(self, moment: float) -> list[Operation]:
        """Return the operations invoked since then."""
        return [operation for operation in self.operations if operation.invoked >= moment]

    def _begin(self, verb: str, *, hurt: bool) -> Operation:
        with self._lock:
            tag = f"drill {self._seed} op {next(self._numbers)} {verb}"
            operation = Operation(tag, verb, time.time(), hurt=hurt)
            self.operations.append(operation)
        return operation


def _outcome(status: int) -> Outcome:
    if status == httpx.codes.OK:
        return "ok"
    # 503 says that nothing was changed. What another 5xx means nobody knows.
    return "fail" if status < 500 or status == httpx.codes.SERVICE_UNAVAILABLE else "info"
