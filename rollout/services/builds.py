"""A new build is a new hypothesis: evidence begins anew, and a canary is held."""

from datetime import datetime

from django.db import transaction

from audit import services as ledger
from rollout.lifecycle import LIVE, Action
from rollout.models import Approval, Decision, ServiceMigration
from rollout.permissions import AUTOMATION
from rollout.services.decide import Ask, Grounds, legal_move, locked, settle
from rollout.services.states import builds_body, state_of


def notice_build(migration: ServiceMigration, *, now: datetime) -> Decision | None:
    """Compare the reported builds with those that evidence is about, and act when they differ.

    Evidence counts from now on; approvals end. While users are served by the candidate and its
    build changed, Banyan holds, and that decision is returned. Repeating it changes nothing.
    """
    if migration.phase not in LIVE or migration.builds == migration.pair.builds:
        return None
    with transaction.atomic():
        current = locked(migration.slug)
        if current.phase not in LIVE or current.builds == current.pair.builds:
            return None
        noted = {"builds": current.pair.builds, "evidence_since": now}
        was = current.builds.partition("|")[2]
        changed = was not in ("", current.pair.candidate_build)
        if changed and current.weight and not current.held:
            return _hold(current, was, noted, now)
        _note(current, noted, now)
    return None


def _hold(
    migration: ServiceMigration, was: str, noted: dict[str, object], now: datetime
) -> Decision:
    reason = (
        f"The candidate's build changed from {was} to {migration.pair.candidate_build}. "
        "Its evidence begins anew."
    )
    ask = Ask(migration.slug, Action.HOLD, AUTOMATION, now, None, reason)
    grounds = Grounds(
        values=noted,
        body={"builds_before": _sides(migration.builds), "evidence_since": now},
        ends="build_changed",
    )
    return settle(migration, ask, legal_move(migration, ask), grounds)


def _note(migration: ServiceMigration, noted: dict[str, object], now: datetime) -> None:
    ServiceMigration.objects.filter(pk=migration.pk).update(**noted)
    migration.approvals.filter(state__in=Approval.OPEN).update(
        state=Approval.State.EXPIRED, ended_because="build_changed"
    )
    ledger.append(
        actor=AUTOMATION,
        action="migration:new_build",
        body={
            "migration": migration.slug,
            "place": state_of(migration),
            "builds_before": _sides(migration.builds),
            "builds": builds_body(migration),
            "evidence_since": now,
        },
        now=now,
    )


def _sides(builds: str) -> dict[str, str]:
    legacy, _, candidate = builds.partition("|")
    return {"legacy": legacy, "candidate": candidate}
