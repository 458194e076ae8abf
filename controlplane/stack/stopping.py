"""Stops children within 5 seconds: SIGTERM tier by tier, the last started first, then SIGKILL."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from controlplane.stack.child import Child

STOP_SECONDS = 4.0  # then SIGKILL, so that all is gone within 5
TIER_SECONDS = 0.5  # of those, kept for each tier still to come
REAP_SECONDS = 1.0


async def first(waits: Iterable[asyncio.Future[Any]], seconds: float | None = None) -> None:
    """Wait for any of these, at most so long."""
    timeout = None if seconds is None else max(seconds, 0)
    await asyncio.wait(list(waits), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)


async def stop_children(living: Sequence[Child], kill: asyncio.Event) -> None:
    """Return once all are gone; `kill` (a second Ctrl-C) cuts the waiting short."""
    deadline = asyncio.get_running_loop().time() + STOP_SECONDS
    killed = asyncio.ensure_future(kill.wait())
    tiers = sorted({child.spec.tier for child in living}, reverse=True)
    for to_come, tier in zip(reversed(range(len(tiers))), tiers, strict=True):
        group = [child for child in living if child.spec.tier == tier]
        for child in group:
            child.terminate()
        await _until_gone(group, killed, deadline - to_come * TIER_SECONDS)
    await _until_gone(living, killed, deadline)
    killed.cancel()
    for child in living:
        child.kill()
    await asyncio.wait([child.exited for child in living], timeout=REAP_SECONDS)


async def _until_gone(group: Sequence[Child], killed: asyncio.Future[Any], when: float) -> None:
    """Wait until all of the group are gone, somebody said kill, or it is `when` (loop time)."""
    gone = asyncio.ensure_future(asyncio.wait([child.exited for child in group]))
    await first({gone, killed}, when - asyncio.get_running_loop().time())
    gone.cancel()
