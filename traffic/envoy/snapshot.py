"""The numbered document that a proxy pulls: everything it should do, and the hash of it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from traffic.envoy.plan import (
    SplitPlan,
    candidate_cluster,
    candidate_load_cluster,
    candidate_safe_cluster,
    candidate_shadow_cluster,
    legacy_cluster,
    legacy_shadow_cluster,
)
from traffic.envoy.resources import calm_routes, clusters, exposure, routes, safe_routes
from traffic.envoy.rules import RouteRuleDoc

Json = dict[str, Any]

SCHEMA = 1
VERIFIED_ENVOYS = ("1.40.0",)
UNHASHED = frozenset({"sha256", "issued_at", "proxy", "prevalidate"})
"""What may differ between two copies of one generation without changing what the proxy does."""


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode("ascii")


def digest(doc: Mapping[str, Any]) -> str:
    """Hex SHA-256 of a snapshot, over all that decides what a proxy does."""
    hashed = {key: value for key, value in doc.items() if key not in UNHASHED}
    return hashlib.sha256(canonical(hashed)).hexdigest()


def version_text(generation: int, sha256: str) -> str:
    """Return what Envoy reports once it uses this snapshot, as `8-9cab594c`."""
    return f"{generation}-{sha256[:8]}"


def build_document(  # noqa: PLR0913 - one argument per part of the document, all by keyword
    *,
    lineage: str,
    generation: int,
    issued_at: datetime,
    plans: Sequence[SplitPlan],
    rules: Sequence[RouteRuleDoc],
    epochs: Mapping[str, str],
    block_seconds: int,
    cap_bytes: int,
    redact_headers: Sequence[str],
    release_hold: str | Sequence[str] | None,
    prevalidate: Sequence[Sequence[SplitPlan]],
    safe_generation: int = 0,
    warmup_us_until: int | None = None,
    amplify_until: int | None = None,
    proxy: str = "",
) -> Json:
    """Assemble one snapshot with its hash. `proxy` is not hashed and may be set when serving.

    `prevalidate` holds the plans of likely next steps: their documents travel along, so that the
    proxy has them checked before anyone decides. Plans that amplify need `amplify_until`, in unix
    seconds: from then on the proxy serves `calm_routes` by itself, whoever else is dead.
    """
    doc: Json = {
        "schema": SCHEMA,
        "lineage": lineage,
        "generation": generation,
        "issued_at": issued_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "proxy": proxy,
        "exposure": exposure(plans),
        "release_hold": release_hold,
        "envoy": {"verified": list(VERIFIED_ENVOYS)},
        "clusters": clusters(plans),
        "routes": routes(plans),
        "safe_routes": safe_routes(plans),
        "rules": [dict(rule) for rule in rules],
        "capture": {
            "cap_bytes": cap_bytes,
            "redact_headers": sorted({header.lower() for header in redact_headers}),
            "routes": {name: plan.name for plan in plans for name in route_names(plan)},
            "arms": {name: arm for plan in plans for name, arm in cluster_arms(plan).items()},
            "candidates": {
                plan.name: [f"{plan.candidate.host}:{plan.candidate.port}"] for plan in plans
            },
        },
        "block_seconds": block_seconds,
        "epochs": dict(epochs),
        "warmup_us_until": warmup_us_until,
        "safe_generation": safe_generation,
        "prevalidate": [
            {"clusters": clusters(next_), "routes": routes(next_)} for next_ in prevalidate
        ],
        **_amplification(plans, amplify_until),
    }
    return {**doc, "sha256": digest(doc)}


def _amplification(plans: Sequence[SplitPlan], until: int | None) -> Json:
    if not any(plan.amplify_tth for plan in plans):
        return {}
    if until is None:
        raise ValueError("copies for a load test need a time at which they end")
    return {"amplify_until": until, "calm_routes": calm_routes(plans)}


def route_names(plan: SplitPlan) -> list[str]:
    """Every route name a split may have in Envoy, whatever its mode."""
    both = [
        f"{plan.name}/{side}-{kind}"
        for side in ("legacy", "candidate")
        for kind in ("sampled", "plain")
    ]
    return [*both, f"{plan.name}/candidate-only"]


def cluster_arms(plan: SplitPlan) -> dict[str, Json]:
    """Cluster name -> `{"split", "arm"}`: whose counts an answer of that cluster belongs to."""
    arms = {
        legacy_cluster(plan.name): "legacy",
        candidate_cluster(plan.name): "candidate",
        candidate_safe_cluster(plan.name): "candidate",
        candidate_shadow_cluster(plan.name): "candidate_shadow",
        legacy_shadow_cluster(plan.name): "legacy_shadow",
        candidate_load_cluster(plan.name): "candidate_load",
    }
    return {name: {"split": plan.name, "arm": arm} for name, arm in arms.items()}
