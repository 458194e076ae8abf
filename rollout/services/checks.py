"""What people do about checks: ask for a run, stop one, change how one measures."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import services as ledger
from audit.chain import Actor
from rollout import permissions
from rollout.exceptions import ConflictError, InvalidError, NotFoundError
from rollout.lifecycle import LIVE, Action
from rollout.models import ServiceMigration
from rollout.services.decide import get, locked
from shadow import readings
from shadow import services as shadow
from shadow.checks.base import SettingsError
from shadow.models import CheckRun
from shadow.readings import CheckState


def check_of(migration: ServiceMigration, item: str) -> CheckState:
    """Return one check of the migration, or raise the 404 refusal that names the others."""
    state = readings.check_state(pair=migration.pair, item=item)
    if state is None:
        known = ", ".join(readings.check_items())
        raise NotFoundError(f"There is no check {item[:60]!r}. Known: {known}.")
    return state


def run_check(
    *,
    slug: str,
    item: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",  # noqa: ARG001  # as every verb is called; this one leaves no entry
) -> CheckRun:
    """Ask for a run; one that is queued or running already is returned."""
    permissions.check(actor, Action.RUN_CHECK)
    migration = get(slug)
    check_of(migration, item)
    if migration.phase not in LIVE:
        raise ConflictError(
            f"Checks run while a migration is live, not in {migration.place.words()}.",
            code="not_allowed_here",
        )
    return shadow.request_run(pair=migration.pair, item=item, requested_by=actor.name, now=now)


def stop_check(
    *,
    slug: str,
    item: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",  # noqa: ARG001  # as every verb is called; this one leaves no entry
) -> CheckRun | None:
    """Stop the open run; None when none is open. What it found so far is dropped."""
    permissions.check(actor, Action.RUN_CHECK)
    migration = get(slug)
    check_of(migration, item)
    return shadow.stop_run(pair=migration.pair, item=item, now=now)


def change_check(  # noqa: PLR0913  # which check, what it becomes, and who wants it
    *,
    slug: str,
    item: str,
    settings: Mapping[str, Any],
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> CheckState:
    """Put other settings of a check in force and into the ledger.

    What was found under the old settings expires at once, and a run under the new ones is queued.
    """
    permissions.check(actor, Action.CHANGE_CHECK)
    with transaction.atomic():
        migration = locked(slug)
        before = check_of(migration, item)
        try:
            before.check.read_settings(settings)
        except SettingsError as exc:
            raise InvalidError(exc.problem, field=f"settings.{exc.field}") from exc
        shadow.set_check_settings(pair=migration.pair, item=item, settings=settings, now=now)
        ledger.append(
            actor=actor,
            action=f"migration:{Action.CHANGE_CHECK.value}",
            body={
                "migration": slug,
                "item": item,
                "before": before.settings,
                "after": settings,
                "reason": reason,
                "request_id": request_id,
            },
            now=now,
        )
        if migration.phase in LIVE:
            pair = migration.pair
            shadow.request_run(pair=pair, item=item, requested_by=actor.name, now=now)
    return check_of(get(slug), item)
