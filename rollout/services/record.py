"""What Banyan itself notes: refused attempts, places in effect, scheduled evaluations."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from audit import services as ledger
from audit.chain import Actor
from rollout import gates
from rollout.lifecycle import Action
from rollout.models import GateEvaluation, ServiceMigration
from rollout.services.decide import locked
from rollout.services.evaluations import keep_evaluations
from rollout.services.states import state_of


def record_denied(
    *, slug: str, action: Action, actor: Actor, code: str, now: datetime, request_id: str = ""
) -> None:
    """Keep a refused attempt in the ledger: who tried what, and why it was refused.

    About a migration that is not there nothing is kept, unless it was to be created.
    """
    migration = ServiceMigration.objects.filter(slug=slug).first()
    if migration is None and action is not Action.CREATE:
        return
    with transaction.atomic():
        ledger.append(
            actor=actor,
            action="migration:denied",
            body={
                "migration": slug,
                "attempt": action.value,
                "code": code,
                "request_id": request_id,
                **({"place": state_of(migration)} if migration else {}),
            },
            now=now,
        )


def mark_accepted(*, migration: ServiceMigration, accepted_at: datetime) -> None:
    """Note when the last proxy accepted the present place; written once per place."""
    ServiceMigration.objects.filter(
        pk=migration.pk, version=migration.version, accepted_at=None
    ).update(accepted_at=accepted_at)


def mark_in_effect(
    *,
    migration: ServiceMigration,
    share: str,
    keys: int,
    now: datetime,
    accepted: Sequence[str] = (),
) -> bool:
    """Record that the present place is in effect: accepted everywhere and observed as asked.

    `accepted` names the proxies that accepted its generation.
    """
    with transaction.atomic():
        changed = ServiceMigration.objects.filter(
            pk=migration.pk, version=migration.version, in_effect_at=None
        ).update(in_effect_at=now)
        if not changed:
            return False
        ledger.append(
            actor=Actor(kind="automation", name="banyan", role="automation"),
            action="migration:in_effect",
            body={
                "migration": migration.slug,
                "place": state_of(migration),
                "generation": migration.placed_generation,
                "accepted": list(accepted),
                "share": share,
                "keys": keys,
            },
            now=now,
        )
    return True


def note_evaluations(
    *, migration: ServiceMigration, results: Sequence[gates.GateResult], now: datetime
) -> list[GateEvaluation]:
    """Store what the schedule found, unless the migration has moved on or has other builds.

    Empty then: who slept over a decision writes nothing about the time before it.
    """
    with transaction.atomic():
        current = locked(migration.slug)
        read = (migration.version, migration.pair.builds)
        if (current.version, current.pair.builds) != read:
            return []
        return keep_evaluations(migration=migration, results=results, now=now)
