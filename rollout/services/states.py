"""How places and policies stand in ledger entries."""

from typing import Any

from rollout.models import ServiceMigration
from rollout.policy import Policy


def policy_body(policy: Policy) -> dict[str, Any]:
    """Return the policy's name, version and label."""
    return {"name": policy.name, "version": policy.version, "label": policy.label}


def state_of(migration: ServiceMigration) -> dict[str, Any]:
    """Return where a migration stands."""
    return {
        **migration.place.to_dict(),
        "version": migration.version,
        "held": migration.held,
    }
