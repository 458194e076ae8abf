"""Asks health endpoints, and switches a service's state so that it always comes back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from shadow.checks.base import Finding, Subject
from shadow.checks.health.answers import Answer
from shadow.checks.health.settings import SIDES, HealthSettings, Switch
from shadow.http import Reply, Request, send_all

log = structlog.get_logger(__name__)

# How long a service may take to say a state that it was told, and to say the truth again.
SETTLE_SECONDS = 2.0
RESTORE_SECONDS = 15.0
PAUSE_SECONDS = 0.1
DEADLINE_SECONDS = 3.0
JSON = (("content-type", "application/json"),)

Answers = dict[str, Answer]
"""By endpoint: the two paths."""


@dataclass(slots=True)
class Asker:
    """Both services of one run. `left` gathers what could not be put back."""

    subject: Subject
    settings: HealthSettings
    ready: dict[str, int] = field(default_factory=dict)
    left: list[Finding] = field(default_factory=list)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Health and readiness; once when they are the same."""
        return tuple(dict.fromkeys((self.subject.health_path, self.subject.ready_path)))

    def ask(self, side: str) -> Answers:
        """Ask both endpoints of one side."""
        asked = [Request("GET", self._address(side), path) for path in self.endpoints]
        replies = send_all(asked, deadline_s=DEADLINE_SECONDS)
        return dict(zip(self.endpoints, map(_answer, replies), strict=True))

    def ask_up(self) -> dict[str, Answers]:
        """Ask both sides as they are, and remember what ready looks like."""
        answers = {side: self.ask(side) for side in SIDES}
        self.ready = {side: answers[side][self.subject.ready_path].status for side in SIDES}
        return answers

    @contextmanager
    def provoked(self, side: str, state: str) -> Iterator[bool]:
        """Have one side say a state within the block; yields whether the switch accepted it.

        Whatever happens inside, a stop or a defect too, the side is put back, or it is said loudly.
        """
        switch, accepted = self.settings.switches[side], False
        try:
            accepted = _order(switch, switch.states[state])
            yield accepted
        finally:
            back = self.restore(side, patience_s=RESTORE_SECONDS if accepted else 0.0)
            # A switch that took nothing has nothing to give back, if the service says so too.
            if not back and (accepted or not self._is_back(side)):
                log.error("service_left_provoked", side=side, pair=self.subject.name)
                self.left.append(_left(side, switch))

    def ask_settled(self, side: str) -> Answers:
        """Ask until readiness is no longer what it was, or SETTLE_SECONDS have passed."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            answers = self.ask(side)
            changed = answers[self.subject.ready_path].status != self.ready[side]
            if changed or time.monotonic() > deadline:
                return answers
            time.sleep(PAUSE_SECONDS)

    def restore(self, side: str, *, patience_s: float = 0.0) -> bool:
        """Tell one side to say the truth; whether it did, asked again for `patience_s`."""
        switch, deadline = self.settings.switches[side], time.monotonic() + patience_s
        while True:
            if _order(switch, switch.restore) and self._is_back(side):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_SECONDS)

    def _is_back(self, side: str) -> bool:
        """Whether readiness is again as it was, given SETTLE_SECONDS; True before it was seen."""
        wanted, until = self.ready.get(side), time.monotonic() + SETTLE_SECONDS
        while wanted is not None:
            if self.ask(side)[self.subject.ready_path].status == wanted:
                return True
            if time.monotonic() > until:
                return False
            time.sleep(PAUSE_SECONDS)
        return True

    def _address(self, side: str) -> str:
        return self.subject.legacy_url if side == "legacy" else self.subject.candidate_url


def _order(switch: Switch, body: bytes) -> bool:
    request = Request(switch.method, switch.address.url, switch.path, JSON, body)
    (reply,) = send_all([request], deadline_s=DEADLINE_SECONDS)
    return reply.status // 100 == 2  # noqa: PLR2004  # any success


def _answer(reply: Reply) -> Answer:
    if reply.error and reply.error != "body_too_large":
        return Answer(0, error=reply.error)
    return Answer(reply.status, reply.header("content-type"), reply.body)


def _left(side: str, switch: Switch) -> Finding:
    url = f"{switch.address.url}{switch.path}"
    return Finding(
        code="not_restored",
        where=url,
        sentence=f"{side.capitalize()} was told a state and could not be put back within "
        f"{RESTORE_SECONDS:.0f} s: it may still say that it is not ready. "
        f"Send {switch.restore.decode()} to {url} yourself, now.",
    )
