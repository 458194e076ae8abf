"""Do without a checklist item: named, reasoned, for at most seven days."""

from datetime import datetime, timedelta

from audit.chain import Actor
from rollout.exceptions import ConflictError, InvalidError
from rollout.lifecycle import Action
from rollout.models import Decision, ServiceMigration, Waiver
from rollout.policy import CHECKLIST
from rollout.services.decide import Ask, Grounds, check_text, deciding, legal_move, settle


def waive(  # noqa: PLR0913  # a waiver is these facts
    *,
    slug: str,
    item: str,
    version: int,
    reason: str,
    lifetime_s: int,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> Decision:
    """Let one item's gate be open although it does not PASS; a FAIL stays closed all the same."""
    reason = check_text(reason, "reason", needed="Say why it can be done without.")
    if item not in CHECKLIST:
        raise InvalidError(f"The checklist's items are: {', '.join(CHECKLIST)}.", field="item")
    if not 1 <= lifetime_s <= Waiver.MAX_LIFETIME_S:
        raise InvalidError("A waiver lasts from one second to seven days.", field="expires_in_s")
    expires_at = now + timedelta(seconds=lifetime_s)
    ask = Ask(slug, Action.WAIVE, actor, now, version, reason, request_id)
    with deciding(ask) as migration:
        made = legal_move(migration, ask)
        _end_expired(migration, now)
        if migration.waivers.filter(item=item, ended_at=None).exists():
            raise ConflictError(f"{item} is waived already. End that first.", code="waived")
        grounds = Grounds(body={"item": item, "expires_at": expires_at})
        decision = settle(migration, ask, made, grounds)
        Waiver.objects.create(
            migration=migration,
            item=item,
            reason=reason,
            by=actor.name,
            since=now,
            lifetime_s=lifetime_s,
            expires_at=expires_at,
            entry=decision.entry,
        )
    return decision


def end_waiver(  # noqa: PLR0913  # which waiver, and who ends it
    *,
    slug: str,
    item: str,
    version: int,
    actor: Actor,
    now: datetime,
    reason: str = "",
    request_id: str = "",
) -> Decision:
    """Ask for the item again, before the waiver would have ended by itself."""
    ask = Ask(slug, Action.END_WAIVER, actor, now, version, reason.strip(), request_id)
    with deciding(ask) as migration:
        made = legal_move(migration, ask)
        _end_expired(migration, now)
        found = migration.waivers.filter(item=item, ended_at=None).first()
        if found is None:
            raise ConflictError(f"{item[:60]} is not waived.", code="not_waived")
        Waiver.objects.filter(pk=found.pk).update(ended_at=now, ended_by=actor.name)
        return settle(migration, ask, made, Grounds(body={"item": found.item}))


def _end_expired(migration: ServiceMigration, now: datetime) -> None:
    """Mark what ended by itself, so that the item can be waived anew."""
    for row in migration.waivers.filter(ended_at=None, expires_at__lte=now):
        Waiver.objects.filter(pk=row.pk).update(ended_at=row.expires_at)
