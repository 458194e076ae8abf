"""Snapshots for tests of the edge."""

from datetime import UTC, datetime
from typing import Any

from tests.traffic.envoy.plans import plan
from traffic.envoy.snapshot import build_document, digest

Json = dict[str, Any]


def document(generation: int = 8, weight_tth: int = 2500, **changes: Any) -> Json:
    values: Json = {
        "lineage": "L1",
        "generation": generation,
        "issued_at": datetime(2026, 11, 23, 8, tzinfo=UTC),
        "plans": [plan(mode="canary", weight_tth=weight_tth)],
        "rules": [],
        "epochs": {},
        "block_seconds": 10,
        "cap_bytes": 1000,
        "redact_headers": [],
        "release_hold": None,
        "prevalidate": [],
    }
    return build_document(**(values | changes))


def altered(doc: Json, **changes: Any) -> Json:
    """Return `doc` with changes and a hash that fits them."""
    changed = {**doc, **changes}
    return {**changed, "sha256": digest(changed)}
