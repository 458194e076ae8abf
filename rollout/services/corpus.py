"""What people do about the corpus: bring requests in, take them out, set the pace of replay."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import services as ledger
from audit.chain import Actor
from rollout import permissions
from rollout.exceptions import InvalidError, NotFoundError
from rollout.lifecycle import Action
from rollout.services.decide import locked
from shadow import services as shadow
from shadow.checks.base import SettingsError
from shadow.corpus import read_lines

SOURCE = "written"
MAX_BAD_LINES = 50


def import_corpus(
    *,
    slug: str,
    lines: bytes,
    keep_good: bool,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> dict[str, Any]:
    """Add requests, one a line, and return what became of them.

    A line that is no request refuses all of them, with each bad line's number and reason; with
    `keep_good` the others are kept and the bad ones returned.
    """
    permissions.check(actor, Action.CHANGE_CHECK)
    found = read_lines(lines)
    bad = [{"line": number, "reason": reason} for number, reason in found.bad[:MAX_BAD_LINES]]
    if bad and not (keep_good and found.good):
        raise InvalidError(
            f"Line {bad[0]['line']}: {bad[0]['reason']}. Nothing was kept.",
            code="bad_lines",
            field=f"line {bad[0]['line']}",
            lines=bad,
        )
    if not found.good:
        raise InvalidError("There is no request in the body.", field="body", code="no_lines")
    with transaction.atomic():
        migration = locked(slug)
        added = shadow.add_requests(pair=migration.pair, written=found.good, source=SOURCE, now=now)
        _note(slug, actor, now, request_id, {"added": added.added, "refused": len(found.bad)})
    return {
        "added": added.added,
        "duplicates": added.duplicates,
        "redacted": added.redacted,
        "blocked": added.blocked,
        "beyond_capacity": added.beyond,
        "repeated_ids": found.repeated_ids,
        "backwards": found.backwards,
        "refused": bad,
    }


def delete_corpus(  # which requests, and who wants them gone
    *,
    slug: str,
    source: str = "",
    request: int | None = None,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> int:
    """Delete one request, those of a source, or all; return how many went."""
    permissions.check(actor, Action.CHANGE_CHECK)
    with transaction.atomic():
        migration = locked(slug)
        gone = shadow.delete_requests(pair=migration.pair, source=source, request_id=request)
        if request is not None and not gone:
            raise no_request(request)
        if gone:
            _note(slug, actor, now, request_id, {"deleted": gone, "source": source or "any"})
    return gone


def no_request(number: int) -> NotFoundError:
    """Return the refusal of a request that is not in the corpus."""
    return NotFoundError(f"There is no request {number} in the corpus.")


def change_replay(
    *,
    slug: str,
    settings: Mapping[str, Any],
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> None:
    """Put other settings of replay in force and into the ledger."""
    permissions.check(actor, Action.CHANGE_CHECK)
    try:
        shadow.read_replay_settings(settings)
    except SettingsError as exc:
        raise InvalidError(exc.problem, field=f"settings.{exc.field}") from exc
    with transaction.atomic():
        migration = locked(slug)
        before = migration.pair.checks.get(shadow.REPLAY, {})
        shadow.set_check_settings(
            pair=migration.pair, item=shadow.REPLAY, settings=settings, now=now
        )
        changed = {"before": before, "after": dict(settings)}
        _note(slug, actor, now, request_id, changed, item=shadow.REPLAY)


def _note(  # the parts of one entry
    slug: str,
    actor: Actor,
    now: datetime,
    request_id: str,
    facts: Mapping[str, Any],
    *,
    item: str = "corpus",
) -> None:
    ledger.append(
        actor=actor,
        action=f"migration:{Action.CHANGE_CHECK.value}",
        body={"migration": slug, "item": item, **facts, "request_id": request_id},
        now=now,
    )
