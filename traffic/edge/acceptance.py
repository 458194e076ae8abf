"""Learns what Envoy made of a file: accepted, rejected with a reason, or nothing at all."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from traffic.edge.admin import Acceptance, AdminError, ConfigStatus, EnvoyAdmin
from traffic.edge.envoy_log import EnvoyLog
from traffic.edge.files import UNION_SUFFIX, Kind, Wanted

POLL_SECONDS = 0.01
ACCEPT_TIMEOUT_SECONDS = 2.0
LOG_GRACE_SECONDS = 0.2
"""Envoy counts a refusal a moment before the reason stands in its log."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What Envoy showed before a file was written, to see what changes after."""

    acceptance: Acceptance
    log_place: int

    def of(self, kind: Kind) -> ConfigStatus:
        """Return the counters of one resource type."""
        return _of(self.acceptance, kind)


@dataclass(frozen=True, slots=True)
class Answer:
    """What Envoy made of a written file."""

    kind: Literal["accepted", "rejected", "silent"]
    reason: str = ""


SILENT = Answer("silent")


class AcceptanceWatch:
    """Reads Envoy's admin socket and log."""

    def __init__(self, admin: EnvoyAdmin, log: EnvoyLog) -> None:
        self._admin = admin
        self._log = log

    async def mark(self) -> Mark | None:
        """Remember the present counters; None when Envoy does not answer."""
        try:
            return Mark(await self._admin.acceptance(), self._log.place())
        except AdminError:
            return None

    async def wait(
        self, mark: Mark | None, kind: Kind, version: str, rewrite: Callable[[Kind], None]
    ) -> Answer:
        """Wait until Envoy uses or refuses `version`. Silence is answered by one rewrite.

        Without a mark Envoy was not there: it will read the files when it starts.
        """
        if mark is None:
            return SILENT
        answer = await self._poll(mark, kind, version)
        if answer is SILENT and await self.mark() is not None:
            rewrite(kind)
            answer = await self._poll(mark, kind, version)
        return answer

    async def confirmed(self, target: Wanted) -> bool:
        """Whether Envoy uses exactly the wanted files now."""
        mark = await self.mark()
        if mark is None:
            return False
        return uses(mark.acceptance, target)

    async def active_requests(self, clusters: Iterable[str]) -> int:
        """Return the requests in flight on the named clusters; 0 when Envoy is not there."""
        try:
            return await self._admin.active_requests(clusters)
        except AdminError:
            return 0

    async def _poll(self, mark: Mark, kind: Kind, version: str) -> Answer:
        deadline = time.monotonic() + ACCEPT_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(AdminError):
                status = _of(await self._admin.acceptance(), kind)
                if status.version == version:
                    return Answer("accepted")
                if status.refused_since(mark.of(kind)):
                    return Answer("rejected", await self._reason(mark, kind))
            await asyncio.sleep(POLL_SECONDS)
        return SILENT

    async def _reason(self, mark: Mark, kind: Kind) -> str:
        deadline = time.monotonic() + LOG_GRACE_SECONDS
        while True:
            reason = self._log.refusal_since(mark.log_place)
            if reason is not None:
                return f"Envoy refused the {kind}: {reason}"
            if time.monotonic() > deadline:
                return f"Envoy refused the {kind} and gave no reason"
            await asyncio.sleep(POLL_SECONDS)


def uses(acceptance: Acceptance, target: Wanted) -> bool:
    """Whether Envoy's versions are the wanted ones; earlier clusters may still drain."""
    clusters = acceptance.clusters.version.removesuffix(UNION_SUFFIX)
    return (clusters, acceptance.routes.version) == (
        target.clusters_version,
        target.routes_version,
    )


def _of(acceptance: Acceptance, kind: Kind) -> ConfigStatus:
    return acceptance.clusters if kind == "clusters" else acceptance.routes
