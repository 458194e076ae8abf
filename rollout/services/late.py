"""What proxies did on their own while the control plane was away, entered into the ledger late.

A host that breaks its glass keeps a signed record; its edge reports it until it arrived. Here each
record is imported exactly once: as the roll back that it was while its hold is in force, as a note
when nothing is left to move, as a denied attempt when it is not to be believed. Nothing is lost.

The whole fleet follows whoever broke the glass: one proxy at 0 % and others at 25 % would be a
place that nobody decided. So the migration's row says what the proxies really do.
"""

import logging
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import services as ledger
from audit.chain import Actor
from audit.models import LedgerEntry
from rollout.lifecycle import LIVE, Action, Phase
from rollout.models import Decision, Review, ServiceMigration
from rollout.permissions import AUTOMATION
from rollout.policy import Policy
from rollout.services.decide import NO_GROUNDS, Ask, Grounds, legal_move, locked, settle
from rollout.services.states import builds_body, policy_body, state_of
from traffic import holds
from traffic.glass import BrokenGlass
from traffic.holds import Held
from traffic.models import GlassRecord

log = logging.getLogger(__name__)

ACTION = f"migration:{Action.LATE_ENTRY.value}"
NOT_GIVEN = "not given"
Outcome = GlassRecord.Outcome


def follow_holds(*, now: datetime) -> int:
    """Import every record that waits, then roll back where a proxy holds without one.

    Returns how many things were done. One that fails is logged and stays for the next time.
    """
    done = import_records(now=now)
    for migration in _live():
        try:
            done += follow_unproven(migration, now=now) is not None
        except Exception:
            log.exception("%s could not follow the holds of its proxies", migration.slug)
    return done


def import_records(*, now: datetime, group_id: int | None = None) -> int:
    """Import the records that wait, oldest first, each in a transaction of its own."""
    rows = holds.waiting_records() if group_id is None else holds.waiting_of(group_id=group_id)
    done = 0
    for row in rows:
        try:
            done += _import(row, now)
        except Exception:
            log.exception("the record %s could not be imported", row.sha256)
    return done


def follow_unproven(migration: ServiceMigration, *, now: datetime) -> Decision | None:
    """Roll back when a proxy says that it holds, and no believed record told of it.

    That is a hold whose record was lost or is not believed, or one from before the migration was
    started. Toward legacy no proof is needed; what a resume then releases is at 0 %.
    """
    group_id = migration.split.group_id
    waiting = {row.proxy.name for row in holds.waiting_of(group_id=group_id)}
    found = [each for each in holds.held(group_id=group_id) if not each.released]
    found = [each for each in found if each.proxy not in waiting]
    if not found:
        return None
    with transaction.atomic():
        current = locked(migration.slug)
        if current.phase not in LIVE or _lowered(current):
            return None
        reason = _unproven_words(found)
        ask = Ask(current.slug, Action.ROLL_BACK, AUTOMATION, now, None, reason)
        return settle(current, ask, legal_move(current, ask), NO_GROUNDS)


def _unproven_words(found: list[Held]) -> str:
    said = "; ".join(f"{each.proxy} (hold {each.id}: {each.reason[:200]})" for each in found[:5])
    return f"Legacy answers everybody at {said}."[:2000]


def _live() -> list[ServiceMigration]:
    return list(ServiceMigration.objects.select_related("pair", "split").filter(phase__in=LIVE))


def _lowered(migration: ServiceMigration) -> bool:
    return migration.phase == Phase.DUAL_RUN and migration.held


def _import(row: GlassRecord, now: datetime) -> bool:
    """Import one record; False when somebody else did in the meantime."""
    slug = _migration_of(row.proxy.group_id)
    with transaction.atomic():
        migration = locked(slug) if slug else None
        claimed = GlassRecord.objects.select_for_update().filter(pk=row.pk, outcome=Outcome.WAITING)
        if not claimed.exists():
            return False
        judged = holds.judge(row)
        outcome, entry = _enter(row, judged, migration, now)
        claimed.update(outcome=outcome, code=judged.code, entry=entry, settled_at=now)
    return True


def _enter(
    row: GlassRecord, judged: holds.Judged, migration: ServiceMigration | None, now: datetime
) -> tuple[str, LedgerEntry]:
    if judged.broken is None or judged.code:
        return Outcome.REFUSED, _deny(row, judged, migration, now)
    if migration is not None and _moves(migration, row, judged.broken):
        return Outcome.MOVED, _move(migration, row, judged.broken, now)
    return Outcome.NOTED, _note(migration, row, judged.broken, now)


def _migration_of(group_id: int) -> str:
    """Name the group's migration: the live one, else the newest; empty without any."""
    rows = ServiceMigration.objects.filter(split__group_id=group_id)
    found = rows.filter(phase__in=LIVE).first() or rows.order_by("-created_at", "-pk").first()
    return found.slug if found else ""


def _moves(migration: ServiceMigration, row: GlassRecord, broken: BrokenGlass) -> bool:
    """Whether the record's hold still stands and the migration does not show it yet."""
    live = migration.phase in LIVE and not _lowered(migration)
    return live and holds.in_force(row, broken)


def _move(
    migration: ServiceMigration, row: GlassRecord, broken: BrokenGlass, now: datetime
) -> LedgerEntry:
    actor, reason = _actor(row, broken), broken.reason or NOT_GIVEN
    ask = Ask(migration.slug, Action.LATE_ENTRY, actor, now, None, reason)
    grounds = Grounds(body=_body(row, broken, now), review=_review(row, broken))
    return settle(migration, ask, legal_move(migration, ask), grounds).entry


def _note(
    migration: ServiceMigration | None, row: GlassRecord, broken: BrokenGlass, now: datetime
) -> LedgerEntry:
    """Enter a record that moves nothing (any more); another person looks at it all the same."""
    actor, body = _actor(row, broken), _body(row, broken, now)
    body |= {"reason": broken.reason or NOT_GIVEN, "request_id": ""}
    if migration is None:
        return ledger.append(actor=actor, action="proxy:late_entry", body=body, now=now)
    stands = state_of(migration)
    body |= {
        "migration": migration.slug,
        "from": stands,
        "to": stands,
        "builds": builds_body(migration),
        "generation": migration.placed_generation,
        "verdicts": [],
        "policy": policy_body(Policy.from_dict(migration.policy)),
    }
    entry = ledger.append(actor=actor, action=ACTION, body=body, now=now)
    Review.objects.create(
        migration=migration,
        entry=entry,
        opened_by=actor.name,
        opened_at=now,
        **_review(row, broken),
    )
    return entry


def _deny(
    row: GlassRecord, judged: holds.Judged, migration: ServiceMigration | None, now: datetime
) -> LedgerEntry:
    body: dict[str, Any] = {
        "attempt": Action.LATE_ENTRY.value,
        "code": judged.code,
        "text": judged.text,
        **_as_it_came(row),
        "request_id": "",
    }
    if migration is not None:
        body |= {"migration": migration.slug, "place": state_of(migration)}
    actor = Actor(kind="host", name=row.proxy.name, role="host")
    action = "migration:denied" if migration is not None else "proxy:denied"
    return ledger.append(actor=actor, action=action, body=body, now=now)


def _actor(row: GlassRecord, broken: BrokenGlass) -> Actor:
    name = f"{broken.by or 'somebody'}@{row.proxy.name}"
    return Actor(kind="host", name=name[:150], role="host")


def _body(row: GlassRecord, broken: BrokenGlass, now: datetime) -> dict[str, Any]:
    # A host's clock may run ahead; the record itself keeps what it said.
    happened_at = min(broken.moment, now)
    return {**_as_it_came(row), "hold": broken.hold, "happened_at": happened_at}


def _as_it_came(row: GlassRecord) -> dict[str, Any]:
    return {
        "proxy": row.proxy.name,
        "record_sha256": row.sha256,
        "record": row.text,
        "signature": row.signature,
        "key": row.key,
    }


def _review(row: GlassRecord, broken: BrokenGlass) -> dict[str, Any]:
    said = f"{broken.by or 'Somebody'} broke the glass at {row.proxy.name}"
    when = f"{broken.moment:%Y-%m-%d %H:%M:%S} UTC"
    detail = f"{said}, {when}: {broken.reason or NOT_GIVEN}"
    return {"cause": Review.Cause.BREAK_GLASS, "detail": detail}
