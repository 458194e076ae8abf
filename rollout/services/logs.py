"""Log lines that somebody posts for one side of a migration."""

from collections.abc import Sequence
from datetime import datetime

from audit.chain import Actor
from rollout import permissions
from rollout.exceptions import ConflictError, NotFoundError
from rollout.lifecycle import LIVE, Action
from rollout.services.decide import get
from shadow import services as shadow
from shadow.models import LogBatch

SIDES = ("legacy", "candidate")


def post_lines(  # whose lines, which, and who posts them
    *,
    slug: str,
    side: str,
    lines: Sequence[str],
    actor: Actor,
    now: datetime,
    request_id: str = "",  # noqa: ARG001  # as every verb is called; this one leaves no entry
) -> LogBatch:
    """Keep lines for the log format check until they expire."""
    # Lines are what a run of the check would gather itself: who may run it may bring them.
    permissions.check(actor, Action.RUN_CHECK)
    migration = get(slug)
    if side not in SIDES:
        raise NotFoundError(f"There is no side {side[:40]!r}. Known: {', '.join(SIDES)}.")
    if migration.phase not in LIVE:
        raise ConflictError(
            f"Lines are taken while a migration is live, not in {migration.place.words()}.",
            code="not_allowed_here",
        )
    return shadow.record_lines(
        pair=migration.pair, side=side, lines=lines, source=actor.name, now=now
    )
