"""Do without a checklist item: named, reasoned, for at most seven days."""

from datetime import datetime, timedelta

from django.db import transaction

from audit import services as ledger
from audit.chain import Actor
from rollout import permissions
from rollout.exceptions import ConflictError, InvalidError
from rollout.lifecycle import BEFORE_THE_END, Action
from rollout.models import ServiceMigration, Waiver
from rollout.policy import CHECKLIST
from rollout.services.decide import check_text, locked


def waive(  # noqa: PLR0913  # a waiver is these facts
    *,
    slug: str,
    item: str,
    reason: str,
    lifetime_s: int,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> Waiver:
    """Let one item's gate be open although it does not PASS; a FAIL stays closed all the same."""
    permissions.check(actor, Action.WAIVE)
    reason = check_text(reason, "reason", needed="Say why it can be done without.")
    if item not in CHECKLIST:
        raise InvalidError(f"The checklist's items are: {', '.join(CHECKLIST)}.", field="item")
    if not 1 <= lifetime_s <= Waiver.MAX_LIFETIME_S:
        raise InvalidError("A waiver lasts from one second to seven days.", field="expires_in_s")
    expires_at = now + timedelta(seconds=lifetime_s)
    with transaction.atomic():
        migration = _changeable(slug)
        _end_expired(migration, now)
        if migration.waivers.filter(item=item, ended_at=None).exists():
            raise ConflictError(f"{item} is waived already. End that first.", code="waived")
        entry = ledger.append(
            actor=actor,
            action=f"migration:{Action.WAIVE.value}",
            body={
                "migration": slug,
                "item": item,
                "reason": reason,
                "expires_at": expires_at,
                "request_id": request_id,
            },
            now=now,
        )
        return Waiver.objects.create(
            migration=migration,
            item=item,
            reason=reason,
            by=actor.name,
            since=now,
            lifetime_s=lifetime_s,
            expires_at=expires_at,
            entry=entry,
        )


def end_waiver(
    *, slug: str, item: str, actor: Actor, now: datetime, reason: str = "", request_id: str = ""
) -> Waiver:
    """Ask for the item again, before the waiver would have ended by itself."""
    permissions.check(actor, Action.END_WAIVER)
    check_text(reason, "reason")
    with transaction.atomic():
        migration = _changeable(slug)
        _end_expired(migration, now)
        found = migration.waivers.filter(item=item, ended_at=None).first()
        if found is None:
            raise ConflictError(f"{item[:60]} is not waived.", code="not_waived")
        Waiver.objects.filter(pk=found.pk).update(ended_at=now, ended_by=actor.name)
        ledger.append(
            actor=actor,
            action=f"migration:{Action.END_WAIVER.value}",
            body={
                "migration": slug,
                "waiver": found.entry_id,
                "item": found.item,
                "reason": reason,
                "request_id": request_id,
            },
            now=now,
        )
    found.refresh_from_db()
    return found


def _changeable(slug: str) -> ServiceMigration:
    migration = locked(slug)
    if migration.phase not in BEFORE_THE_END:
        raise ConflictError(
            f"{slug} is {migration.place.words()}: its checklist is closed.",
            code="not_allowed_here",
        )
    return migration


def _end_expired(migration: ServiceMigration, now: datetime) -> None:
    """Mark what ended by itself, so that the item can be waived anew."""
    for row in migration.waivers.filter(ended_at=None, expires_at__lte=now):
        Waiver.objects.filter(pk=row.pk).update(ended_at=row.expires_at)
