"""Who may do what: roles in rising order, one question `can(...)`, one refusal `check(...)`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from django.contrib.auth.models import AbstractUser, AnonymousUser

from audit.chain import Actor
from rollout.exceptions import ForbiddenError
from rollout.lifecycle import Action

if TYPE_CHECKING:
    from rollout.models import ServiceMigration


class Role(StrEnum):
    """Groups of the same name carry these; a superuser is an admin."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    LEAD = "lead"
    ADMIN = "admin"


RANK = {role: rank for rank, role in enumerate(Role)}

# The least role for each verb; what is not here is for no person. A stricter policy is anybody's
# who operates; a looser one is a lead's, which `change_policy` asks for itself.
NEEDS: Mapping[Action, Role] = {
    Action.CREATE: Role.OPERATOR,
    Action.START: Role.OPERATOR,
    Action.PROMOTE: Role.OPERATOR,
    Action.HOLD: Role.OPERATOR,
    Action.RESUME: Role.OPERATOR,
    Action.ROLL_BACK: Role.OPERATOR,
    Action.OVERRIDE: Role.LEAD,
    Action.DECOMMISSION: Role.OPERATOR,
    Action.ABANDON: Role.OPERATOR,
    Action.RESET: Role.LEAD,
    Action.CHANGE_POLICY: Role.OPERATOR,
    Action.CHANGE_RULES: Role.OPERATOR,
    Action.WAIVE: Role.LEAD,
    Action.END_WAIVER: Role.LEAD,
    Action.REQUEST_APPROVAL: Role.OPERATOR,
    Action.GRANT_APPROVAL: Role.APPROVER,
    Action.DECLINE_APPROVAL: Role.APPROVER,
    Action.WITHDRAW_APPROVAL: Role.OPERATOR,
    Action.CLOSE_REVIEW: Role.APPROVER,
    Action.RUN_CHECK: Role.OPERATOR,
    Action.CHANGE_CHECK: Role.OPERATOR,
}
LOOSENING_NEEDS = Role.LEAD

# Banyan itself stops and goes back; a command on a proxy host goes back, and what it did there with
# the database dead is entered late. None of them goes forward.
UNATTENDED: Mapping[str, frozenset[Action]] = {
    "automation": frozenset({Action.HOLD, Action.ROLL_BACK}),
    "host": frozenset({Action.ROLL_BACK, Action.LATE_ENTRY}),
}
AUTOMATION = Actor(kind="automation", name="banyan", role="automation")


def role_of(user: AbstractUser | AnonymousUser, *, token_role: str = "") -> Role | None:
    """Return the user's highest role, capped by the token's when one was used."""
    if not user.is_authenticated:
        return None
    if user.is_superuser:
        held = Role.ADMIN
    else:
        names = set(user.groups.values_list("name", flat=True))
        roles = [role for role in Role if role.value in names]
        held = roles[-1] if roles else Role.VIEWER
    if token_role:
        held = min(held, Role(token_role), key=RANK.__getitem__)
    return held


def can(role: Role | None, action: Action, migration: "ServiceMigration | None" = None) -> bool:  # noqa: ARG001  # teams come with object permissions
    """Return whether the role allows the action on the migration."""
    least = NEEDS.get(action)
    return role is not None and least is not None and RANK[role] >= RANK[least]


def may(actor: Actor, action: Action) -> bool:
    """Return whether the actor, a person or a process, may do this."""
    if actor.kind in UNATTENDED:
        return action in UNATTENDED[actor.kind]
    return can(role_named(actor.role), action)


def role_named(name: str) -> Role | None:
    """Return the role of that name; None when there is none."""
    return Role(name) if name in set(Role) else None


def check(actor: Actor, action: Action) -> None:
    """Raise ForbiddenError, naming the role that is needed, unless the actor may do this."""
    if may(actor, action):
        return
    if actor.kind in UNATTENDED:
        raise ForbiddenError(f"{action.words} is for people, not for {actor.kind}.", rule="people")
    if action not in NEEDS:
        raise ForbiddenError(f"{action.words} is for nobody's hand.", rule="people")
    raise ForbiddenError(
        f"{action.words} needs the role {NEEDS[action].value} or higher; "
        f"you are {actor.role or 'nobody'}.",
        rule="role",
    )
