"""Who may do what: roles in rising order, one question `can(...)`."""

from enum import StrEnum
from typing import TYPE_CHECKING

from django.contrib.auth.models import AbstractUser, AnonymousUser

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

NEEDS = dict.fromkeys(Action, Role.OPERATOR)


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
    return role is not None and RANK[role] >= RANK[NEEDS[action]]
