"""A migration's policy is changed by a decision: anybody tightens, a lead loosens."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit.chain import Actor
from rollout import permissions
from rollout.exceptions import ForbiddenError, InvalidError
from rollout.lifecycle import Action, Phase
from rollout.models import CanaryStep, Decision, ServiceMigration
from rollout.permissions import LOOSENING_NEEDS, RANK
from rollout.policy import Policy, PolicyError
from rollout.policy_reading import changes, loosened
from rollout.services.decide import (
    Ask,
    Grounds,
    check_text,
    deciding,
    legal_move,
    likely_moves,
    settle,
)
from rollout.services.states import whole_policy_body
from traffic import services as traffic
from traffic.models import Split

MAX_NAME = 40


def change_policy(  # noqa: PLR0913  # a document and who wants it
    *,
    slug: str,
    version: int,
    document: Mapping[str, Any],
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> Decision:
    """Put another policy in force; evidence stays, what was decided stands as recorded.

    The version of the policy is counted here, whatever the document says. Steps that were passed
    or are stood on keep their weights, and the block length stays once pairs are compared.
    """
    reason = check_text(reason, "reason", needed="Say why the policy changes.")
    ask = Ask(slug, Action.CHANGE_POLICY, actor, now, version, reason, request_id)
    with deciding(ask) as migration:
        made = legal_move(migration, ask)
        old = Policy.from_dict(migration.policy)
        new = _read({**document, "version": old.version + 1})
        changed = changes(old.to_dict(), new.to_dict())
        loose = loosened(changed)
        _check_role(actor, loose)
        _refuse_impossible(migration, old, new, changed)
        grounds = Grounds(
            values={"policy": new.to_dict()},
            body={
                "policy": whole_policy_body(new),
                "changed": {path: [str(a), str(b)] for path, (a, b) in changed.items()},
                "loosened": list(loose),
            },
            policy=new,
            ends="plan_changed",
        )
        _carry_out(migration, new, now)
        return settle(migration, ask, made, grounds)


def _read(document: Mapping[str, Any]) -> Policy:
    try:
        policy = Policy.from_dict(document)
    except PolicyError as exc:
        raise InvalidError(exc.problem, field=exc.field, code="bad_policy") from exc
    if not policy.name or len(policy.name) > MAX_NAME or not policy.label:
        raise InvalidError("A policy has a short name and a label.", field="name")
    return policy


def _check_role(actor: Actor, loose: tuple[str, ...]) -> None:
    role = permissions.role_named(actor.role)
    if loose and (role is None or RANK[role] < RANK[LOOSENING_NEEDS]):
        raise ForbiddenError(
            f"This loosens {', '.join(loose[:3])}; that needs the role {LOOSENING_NEEDS.value}.",
            rule="loosening",
            loosened=list(loose),
        )


def _refuse_impossible(
    migration: ServiceMigration, old: Policy, new: Policy, changed: Mapping[str, Any]
) -> None:
    if not changed:
        raise InvalidError("Nothing differs from the policy in force.", field="policy")
    if migration.phase != Phase.DRAFT and new.block_seconds != old.block_seconds:
        raise InvalidError("Blocks keep their length once compared.", field="block_seconds")
    passed = 0 if migration.step is None else migration.step + 1
    if migration.phase == Phase.FULL:
        passed = len(old.weights)
    if new.weights[:passed] != old.weights[:passed] or (
        migration.phase == Phase.FULL and len(new.weights) != passed
    ):
        raise InvalidError("Steps already taken keep their weights.", field="steps")


def _carry_out(migration: ServiceMigration, policy: Policy, now: datetime) -> None:
    """Bring the rows beside the policy, and the data plane's copies, in line with it."""
    migration.steps.all().delete()
    CanaryStep.objects.bulk_create(
        CanaryStep(
            migration=migration,
            index=index,
            weight=step.weight,
            bake_seconds=step.bake_seconds,
            min_requests=step.min_requests,
        )
        for index, step in enumerate(policy.steps)
    )
    traffic.lock_group(migration.split.group_id)
    Split.objects.filter(pk=migration.split_id).update(
        shadow_tth=policy.shadow_tth,
        noise_tth=policy.noise_tth,
        canary_shadow_tth=policy.shadow_tth,
        warmup_s=policy.warmup_s,
        block_seconds=policy.block_seconds,
        likely=[list(move) for move in likely_moves(migration.place, policy)],
    )
    type(migration.pair).objects.filter(pk=migration.pair_id).update(
        block_seconds=policy.block_seconds
    )
    traffic.publish(group_id=migration.split.group_id, now=now)
