"""How places, builds and policies stand in ledger entries."""

from typing import Any

from rollout.models import ServiceMigration
from rollout.policy import Policy


def policy_body(policy: Policy) -> dict[str, Any]:
    """Return the policy's name, version, label and steps, and the weight that needs approval."""
    body: dict[str, Any] = {
        "name": policy.name,
        "version": policy.version,
        "label": policy.label,
        "steps": list(policy.weights),
    }
    if policy.approvals_required:
        body["approval_from"] = 1
    return body


def state_of(migration: ServiceMigration) -> dict[str, Any]:
    """Return where a migration stands."""
    return {
        **migration.place.to_dict(),
        "version": migration.version,
        "held": migration.held,
    }


def builds_body(migration: ServiceMigration) -> dict[str, str]:
    """Return the builds of both sides as last reported."""
    return {
        "legacy": migration.pair.legacy_build,
        "candidate": migration.pair.candidate_build,
    }
