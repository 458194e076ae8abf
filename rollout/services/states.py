"""How places, builds and policies stand in ledger entries."""

import hashlib
from dataclasses import asdict
from typing import Any

from audit.chain import canonical
from rollout.models import ServiceMigration
from rollout.policy import Policy


def policy_body(policy: Policy) -> dict[str, Any]:
    """Return what names a policy."""
    return {"name": policy.name, "version": policy.version, "label": policy.label}


def whole_policy_body(policy: Policy) -> dict[str, Any]:
    """Return a policy as the entry that brings it in: what a verifier needs to replay its rules.

    Promotions from `approval_from` per cent on need approval; absent, none does.
    """
    body: dict[str, Any] = {
        **policy_body(policy),
        "steps": list(policy.weights),
        "gates": [
            *(asdict(rule) for rule in policy.gates),
            *({"gate": m.gate, "from_weight": m.from_weight} for m in policy.metrics),
        ],
        "sha256": hashlib.sha256(canonical(policy.to_dict())).hexdigest(),
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
