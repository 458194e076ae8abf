"""Applies an offered snapshot: check, fence, validate, state, files, and Envoy's answer.

This is the only writer of the state and of Envoy's files while the edge runs.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from traffic.edge.acceptance import AcceptanceWatch
from traffic.edge.document import SnapshotError, amplified_until, check_document, offer_of
from traffic.edge.fence import Hold, Ruling, rises, rule, served_exposure, serves_safe_routes
from traffic.edge.files import Wanted, wanted
from traffic.edge.glass import GlassBox
from traffic.edge.state import EdgeState, StateStore, position_of
from traffic.edge.validate import Validation, Validator
from traffic.edge.writer import ConfigWriter

Json = dict[str, Any]
log = logging.getLogger(__name__)

Result = Literal["accepted", "nothing", "refused", "rejected", "silent", "superseded", "unchecked"]
RefusalKind = Literal["rejected", "held", "stale"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The last offer that was not applied, until a later one is."""

    kind: RefusalKind
    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """All that a report says about the configuration, except what Envoy itself shows."""

    state: EdgeState
    wanted: Wanted | None
    refusal: Refusal | None


class Applier:
    """Owns where this proxy stands. `on_accepted` gets each document that Envoy accepted."""

    def __init__(  # noqa: PLR0913  # the parts it works with, all by keyword
        self,
        *,
        store: StateStore,
        writer: ConfigWriter,
        watch: AcceptanceWatch,
        validator: Validator,
        on_accepted: Callable[[Json], None],
        glass: GlassBox | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self.taps = True
        self._glass = glass
        self._store = store
        self._writer = writer
        self._watch = watch
        self._validator = validator
        self._on_accepted = on_accepted
        self._writing = asyncio.Lock()
        self._refusal: Refusal | None = None
        self._seen = 0

    @property
    def seen_generation(self) -> int:
        """The newest generation of our lineage that was answered, applied or not."""
        position = self._store.load().position
        return max(self._seen, position.generation if position else 0)

    def status(self) -> Status:
        """Return where we stand, read from disk: break-glass may have changed it meanwhile."""
        state = self._store.load()
        doc = self._store.document(state)
        return Status(state, self._wanted(state, doc) if doc else None, self._refusal)

    async def resume(self) -> None:
        """Make Envoy's files match the state on disk, after a restart at any point."""
        async with self._writing:
            state = self._store.load()
            doc = self._store.document(state)
            if doc is None:
                return
            if state.applied and self._writer.matches(self._wanted(state, doc)):
                self._on_accepted(doc)
            else:
                await self._write(state, doc)

    async def offer(self, value: object, *, superseded: asyncio.Event | None = None) -> Result:
        """Apply an offered document or say why not. Returns what came of it.

        A validation in progress is dropped when `superseded` is set: a newer offer is waiting, and
        it may be the order to go back.
        """
        try:
            doc = check_document(value)
        except SnapshotError as error:
            return self._reject(_generation(value), str(error))
        state = self._store.load()
        ruling = rule(state.position, state.hold, offer_of(doc))
        if ruling.action != "apply":
            return self._not_applied(doc, ruling)
        verdict = await self._validate(state, doc, superseded)
        if verdict is None:
            return "superseded"
        if not verdict.ok:
            rejected = self._reject(doc["generation"], verdict.reason)
            return rejected if verdict.final else "unchecked"
        async with self._writing:
            return await self._apply(doc)

    async def hold(self, hold_id: str, reason: str, now: float, *, by: str = "") -> Hold:
        """Break-glass: all users to legacy now, and no more than that until it is released.

        Its signed record is on disk before anything else is done, in the name of `by`.

        Returns the hold that stands; it is the earlier one when its safe routes serve already.
        """
        async with self._writing:
            state = self._store.load()
            position = state.position
            if state.hold and (position is None or serves_safe_routes(position, state.hold)):
                return state.hold
            generation = position.generation if position else 0
            hold = Hold(id=hold_id, cap_tth=0, reason=reason, at=now, generation=generation)
            if self._glass is not None:
                await asyncio.to_thread(self._glass.write, hold, state, by)
            held = replace(state, hold=hold)
            await asyncio.to_thread(self._store.save, held)
            log.warning("held (%s): %s", hold.id, reason)
            doc = self._store.document(held)
            if doc is not None:
                await self._write(held, doc)
            return hold

    async def settle(self) -> None:
        """Notice that Envoy, silent when the files were written, uses them by now.

        Also drops the clusters of earlier snapshots once no request uses them any more, and the
        copies of a load test once their time is over.
        """
        async with self._writing:
            state = await self._settle()
            doc = self._store.document(state)
            if doc and await self._writer.drained():
                self._writer.tidy(self._wanted(state, doc))
            if doc and self._amplified_too_long(state, doc):
                log.warning("the load test of generation %s is over", doc["generation"])
                await self._write(state, doc)

    def heard_nothing_newer(self) -> None:
        """Forget an earlier stale offer: the control plane agrees with where we stand."""
        if self._refusal and self._refusal.kind == "stale":
            self._refusal = None

    def refuse_unknown(self, reason: str) -> None:
        """Remember that the control plane does not know our lineage; we keep serving."""
        self._refusal = Refusal("stale", self.seen_generation, reason)

    async def _settle(self) -> EdgeState:
        state = self._store.load()
        if state.applied:
            return state
        doc = self._store.document(state)
        if doc and await self._watch.confirmed(self._wanted(state, doc)):
            await self._commit(state, doc)
            return self._store.load()
        return state

    def _not_applied(self, doc: Json, ruling: Ruling) -> Result:
        if ruling.action == "nothing":
            # What was refused in between is not asked any more; its number may be given again.
            self._refusal, self._seen = None, 0
            return "nothing"
        if ruling.code in ("held", "reused", "empty"):
            self._seen = max(self._seen, doc["generation"])
        kinds: dict[str, RefusalKind] = {"held": "held", "reused": "rejected", "empty": "rejected"}
        kind = kinds.get(ruling.code, "stale")
        self._refusal = Refusal(kind, doc["generation"], ruling.reason)
        log.warning("refused generation %s: %s", doc["generation"], ruling.reason)
        return "refused"

    def _reject(self, generation: int, reason: str) -> Result:
        self._seen = max(self._seen, generation)
        self._refusal = Refusal("rejected", generation, reason)
        log.error("rejected generation %s: %s", generation, reason)
        return "rejected"

    async def _validate(
        self, state: EdgeState, doc: Json, superseded: asyncio.Event | None
    ) -> Validation | None:
        """Return Envoy's verdict, a yes when no share rises, or None when superseded."""
        if not rises(served_exposure(state.position, state.hold), doc["exposure"]):
            # The emergency path. Envoy itself still refuses what it cannot use.
            return Validation(ok=True)
        check = asyncio.ensure_future(self._validator.check(doc["clusters"], doc["routes"]))
        if superseded is None:
            return await check
        newer = asyncio.ensure_future(superseded.wait())
        try:
            await asyncio.wait([check, newer], return_when=asyncio.FIRST_COMPLETED)
            return check.result() if check.done() else None
        finally:
            check.cancel()
            newer.cancel()

    async def _apply(self, doc: Json) -> Result:
        before = await self._settle()
        # Break-glass may have come in while we validated.
        ruling = rule(before.position, before.hold, offer_of(doc))
        if ruling.action != "apply":
            return self._not_applied(doc, ruling)
        state = EdgeState(
            position=position_of(doc),
            hold=None if ruling.ends_hold else before.hold,
            applied=False,
        )
        started = time.monotonic()
        await asyncio.to_thread(self._store.begin, state, doc)
        result = await self._write(state, doc, previous=before)
        took_ms = (time.monotonic() - started) * 1000
        log.info("generation %s: %s in %.0f ms", doc["generation"], result, took_ms)
        return result

    async def _write(
        self, state: EdgeState, doc: Json, previous: EdgeState | None = None
    ) -> Result:
        """Write the files for `state`, wait for Envoy, and settle the state accordingly."""
        answer = await self._writer.write(self._wanted(state, doc))
        if answer.kind == "rejected":
            if previous is not None:
                await self._go_back(previous)
            return self._reject(doc["generation"], answer.reason)
        self._refusal = None
        self._seen = 0
        if answer.kind == "silent":
            # The files are in place and Envoy reads them when it starts; `settle` notices.
            return "silent"
        await self._commit(state, doc)
        return "accepted"

    async def _commit(self, state: EdgeState, doc: Json) -> None:
        await asyncio.to_thread(self._store.commit, replace(state, applied=True))
        self._on_accepted(doc)

    async def _go_back(self, previous: EdgeState) -> None:
        """Stand again where Envoy last said yes; a hold stays whatever happens."""
        if not previous.applied:
            last_good = self._store.last_good()
            position = position_of(last_good) if last_good else None
            previous = replace(previous, position=position, applied=True)
        await asyncio.to_thread(self._store.abort, previous)
        doc = self._store.document(previous)
        self._writer.put_back(self._wanted(previous, doc) if doc else None)

    def _amplified_too_long(self, state: EdgeState, doc: Json) -> bool:
        until = amplified_until(doc)
        if until is None or self._clock() < until:
            return False
        return not self._writer.routes_match(self._wanted(state, doc))

    def _wanted(self, state: EdgeState, doc: Json) -> Wanted:
        return wanted(state, doc, taps=self.taps, now=self._clock())


def _generation(value: object) -> int:
    found = value.get("generation") if isinstance(value, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else 0
