"""The two ends of a migration: legacy is gone, or the candidate was given up."""

from datetime import datetime, timedelta
from typing import Any

from audit.chain import Actor
from rollout import gates, oversight
from rollout.exceptions import ConflictError, InvalidError
from rollout.lifecycle import Action, Move
from rollout.models import Decision, ServiceMigration
from rollout.policy import Policy
from rollout.services.consent import consent
from rollout.services.decide import Ask, Grounds, check_text, deciding, legal_move, settle
from rollout.services.promote import open_gates
from shadow.models import ServicePair
from traffic import queries as traffic_queries
from traffic import services as traffic
from traffic.models import Split

# How many of the last blocks must show legacy without a single attempt, and for how long at least.
DRAIN_BLOCKS = 10
DRAIN_MIN_S = 30


def decommission(  # noqa: PLR0913  # what a caller says about the last move
    *,
    slug: str,
    version: int,
    reason: str,
    confirm: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> Decision:
    """Declare legacy gone: there is no way back from here.

    1. `confirm` is typed: the slug, a space, "decommission".
    2. Full has been in effect for as long as the policy asks.
    3. Legacy answered nobody in the last blocks, copies apart.
    4. Every gate PASSes; items of the checklist may be waived.
    5. No review is open.
    6. A second person approved, whatever the policy says about promotions.
    """
    reason = check_text(reason, "reason", needed="Say why legacy can go.")
    if confirm != f"{slug} decommission":
        raise InvalidError(
            f"Type “{slug} decommission” to confirm.", field="confirm", code="confirmation"
        )
    ask = Ask(slug, Action.DECOMMISSION, actor, now, version, reason, request_id)
    with deciding(ask) as migration:
        made = legal_move(migration, ask)
        grounds = _grounds(migration, ask, made)
        _stop_copies(migration)
        return settle(migration, ask, made, grounds)


def abandon(
    *,
    slug: str,
    version: int,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> Decision:
    """Give the candidate up while no user is on it; legacy stays, nothing is mirrored any more."""
    reason = check_text(reason, "reason", needed="Say why it is given up.")
    ask = Ask(slug, Action.ABANDON, actor, now, version, reason, request_id)
    with deciding(ask) as migration:
        made = legal_move(migration, ask)
        _stop_copies(migration)
        return settle(migration, ask, made)


def _grounds(migration: ServiceMigration, ask: Ask, made: Move) -> Grounds:
    policy = Policy.from_dict(migration.policy)
    held_s = _held_long_enough(migration, policy, ask.now)
    drain = _drained(migration, policy, ask.now)
    _no_open_review(migration)
    checked = open_gates(migration, made, ask.now)
    return Grounds(
        evaluations=checked.evaluations,
        verdicts=checked.verdicts,
        recorded=checked.recorded,
        body={
            "confirmed": migration.slug,
            "in_effect_s": held_s,
            "drain": drain,
            "plan_sha256": oversight.plan_sha256(migration),
        },
        approval=consent(migration, ask, made.to),
    )


def _held_long_enough(migration: ServiceMigration, policy: Policy, now: datetime) -> int:
    since = migration.in_effect_at
    if since is None:
        raise ConflictError("Full is not in effect on every proxy yet.", code="not_in_effect")
    lasted = now - since
    if lasted < timedelta(seconds=policy.decommission_hold_s):
        left = timedelta(seconds=policy.decommission_hold_s) - lasted
        raise ConflictError(
            f"The candidate serves everyone since {since:%Y-%m-%d %H:%M} UTC; "
            f"{_duration(left)} more are asked for.",
            code="too_early",
        )
    return int(lasted.total_seconds())


def _duration(left: timedelta) -> str:
    seconds = int(left.total_seconds()) + 1
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"


def _drained(migration: ServiceMigration, policy: Policy, now: datetime) -> dict[str, Any]:
    """Prove that legacy answers nobody: no attempt in blocks in which the candidate had some."""
    window_s = max(DRAIN_MIN_S, DRAIN_BLOCKS * policy.block_seconds)
    arms = traffic_queries.arm_totals(
        split=migration.split.name, since=now - timedelta(seconds=window_s)
    )
    legacy = arms["legacy"].requests if "legacy" in arms else 0
    candidate = arms["candidate"].requests if "candidate" in arms else 0
    if legacy:
        raise ConflictError(
            f"Legacy answered {legacy} requests in the last {window_s} s.", code="not_drained"
        )
    if not candidate or not gates.convergence_of(migration, now=now).complete:
        raise ConflictError(
            f"The proxies did not all report traffic in the last {window_s} s, "
            "so nothing shows that legacy is drained.",
            code="not_drained",
        )
    return {"window_s": window_s, "legacy_requests": legacy, "candidate_requests": candidate}


def _no_open_review(migration: ServiceMigration) -> None:
    waiting = oversight.open_reviews(migration)
    if waiting:
        raise ConflictError(
            f"{len(waiting)} review{'s' if len(waiting) > 1 else ''} must be closed first: "
            f"{waiting[-1].detail[:200]}",
            code="open_review",
            reviews=[review.pk for review in waiting],
        )


def _stop_copies(migration: ServiceMigration) -> None:
    """Let nothing be copied to the side that goes; and ask it nothing more."""
    traffic.lock_group(migration.split.group_id)
    Split.objects.filter(pk=migration.split_id).update(
        shadow_tth=0, noise_tth=0, canary_shadow_tth=0
    )
    ServicePair.objects.filter(pk=migration.pair_id).update(probing=False)
