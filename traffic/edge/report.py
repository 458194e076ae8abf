"""What the edge tells the control plane: configuration, Envoy, and the collected numbers."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from traffic.edge.acceptance import uses
from traffic.edge.admin import Acceptance, AdminError, EnvoyAdmin, ServerInfo
from traffic.edge.apply import Status
from traffic.edge.control import ControlPlane, TooLargeError
from traffic.edge.glass import GlassBox

Json = dict[str, Any]
log = logging.getLogger(__name__)

CAPABILITIES = ("sticky_monotone", "mirror_percent", "fallback", "load_amplify")
PAIR_TAP = "pair_tap"
_RESTART_SECONDS = 3.0
"""Envoy tells its age in whole seconds, so its start wanders by one or two."""


class ReportPart(Protocol):
    """Blocks in the report's JSON shape, of this run of the edge or of an earlier one."""

    @property
    def boot(self) -> str: ...
    @property
    def blocks(self) -> list[Json]: ...
    @property
    def routing(self) -> list[Json]: ...
    @property
    def taps(self) -> list[Json]: ...


class Collector(Protocol):
    """What the edge needs of the receivers."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def configure(self, snapshot: Mapping[str, Any]) -> None: ...
    def drain_report(self, seq: int, now: float) -> ReportPart: ...
    def acknowledge(self, seq: int) -> None: ...


@dataclass(frozen=True, slots=True)
class EnvoyView:
    """Envoy as the admin socket shows it; both are None when it does not answer."""

    acceptance: Acceptance | None = None
    info: ServerInfo | None = None


async def look_at(admin: EnvoyAdmin) -> EnvoyView:
    """Ask Envoy for its versions and its age."""
    try:
        return EnvoyView(await admin.acceptance(), await admin.server_info())
    except AdminError:
        return EnvoyView()


def configuration_head(status: Status, view: EnvoyView) -> Json:
    """Return the report's fields about the configuration.

    `generation` is the one that `state` speaks of: the offered one when it was rejected, else the
    one we stand on. `version_text` is always what Envoy really uses.
    """
    state, reason, generation = _state(status, view)
    position, hold = status.state.position, status.state.hold
    return {
        "lineage": position.lineage if position else None,
        "generation": generation,
        "state": state,
        "reason": reason,
        "hold": asdict(hold) if hold else None,
        "version_text": {
            "clusters": view.acceptance.clusters.version if view.acceptance else "",
            "routes": view.acceptance.routes.version if view.acceptance else "",
        },
    }


def _state(status: Status, view: EnvoyView) -> tuple[str, str | None, int]:
    position = status.state.position
    generation = position.generation if position else 0
    refusal = status.refusal
    if refusal is not None and refusal.kind == "rejected":
        return "rejected", refusal.reason, refusal.generation
    if status.state.hold is not None:
        return "held", refusal.reason if refusal else status.state.hold.reason, generation
    if refusal is not None:
        return refusal.kind, refusal.reason, generation
    missing = _not_in_effect(status, view)
    return ("silent", missing, generation) if missing else ("accepted", None, generation)


def _not_in_effect(status: Status, view: EnvoyView) -> str | None:
    if status.wanted is None:
        return "no snapshot yet"
    if view.acceptance is None:
        return "Envoy does not answer"
    if not uses(view.acceptance, status.wanted):
        return "Envoy has not taken up the files"
    return None


@dataclass(slots=True)
class Reporter:
    """Numbers the reports and keeps each until it is acknowledged."""

    proxy: str
    control: ControlPlane
    collector: Collector
    clock: Callable[[], float]
    capabilities: list[str] = field(default_factory=lambda: list(CAPABILITIES))
    glass: GlassBox | None = None
    _seq: int = 0
    _drained: int = 0
    _boot: str = ""
    _unsent: Json | None = None
    _started_at: float = 0.0

    async def send(self, status: Status, view: EnvoyView) -> None:
        """Send the numbers that are due. After an error the next call repeats the same seq.

        Raises ControlError.
        """
        if self._unsent is None:
            self._seq += 1
            part = self.collector.drain_report(self._seq, self.clock())
            self._drained, self._boot = self._seq, part.boot
            self._unsent = {"blocks": part.blocks, "routing": part.routing, "taps": part.taps}
        records = self.glass.waiting() if self.glass else []
        head = self._head(status, view)
        if self.glass:
            wires = [sealed.to_wire() for _, sealed in records]
            head |= {"glass_key": self.glass.public_key, "glass": wires}
        await self._post(head, self._unsent)
        if self.glass:
            self.glass.arrived([path for path, _ in records])
        self._unsent = None
        self.collector.acknowledge(self._drained)

    async def _post(self, head: Json, numbers: Json) -> None:
        try:
            await self.control.report({**head, "seq": self._seq, **numbers})
        except TooLargeError:
            first, second = halves(numbers)
            if not any(second.values()):
                # One entry alone is too large: losing it is better than never reporting again.
                log.warning("a report entry is too large and was dropped: %s", str(first)[:200])
                await self.control.report({**head, "seq": self._seq, **_NO_NUMBERS})
                return
            await self._post(head, first)
            self._seq += 1
            self._unsent = second
            await self._post(head, second)

    def _head(self, status: Status, view: EnvoyView) -> Json:
        return {
            "proxy": self.proxy,
            "boot": self._boot,
            **configuration_head(status, view),
            "envoy": self._envoy(view.info),
            "capabilities": self.capabilities,
        }

    def _envoy(self, info: ServerInfo | None) -> Json:
        if info is None:
            return {"version": None, "started_at": None, "ready": False}
        started = self.clock() - info.uptime_seconds
        if abs(started - self._started_at) > _RESTART_SECONDS:
            self._started_at = started
        at = datetime.fromtimestamp(self._started_at, UTC).isoformat(timespec="seconds")
        return {
            "version": info.version,
            "started_at": at.replace("+00:00", "Z"),
            "ready": info.ready,
        }


_NO_NUMBERS: Json = {"blocks": [], "routing": [], "taps": []}


def halves(numbers: Json) -> tuple[Json, Json]:
    """Split each list of a report in two; the second half is empty when nothing can be split."""
    if sum(len(entries) for entries in numbers.values()) == 1:
        return numbers, dict(_NO_NUMBERS)
    first: Json = {}
    second: Json = {}
    # A single entry goes to whichever half is emptier, so that both get smaller.
    for name, entries in numbers.items():
        odd = sum(map(len, first.values())) > sum(map(len, second.values()))
        middle = len(entries) // 2 if odd else (len(entries) + 1) // 2
        first[name], second[name] = entries[:middle], entries[middle:]
    return first, second
