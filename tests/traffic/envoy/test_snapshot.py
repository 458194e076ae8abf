"""The snapshot document and its hash."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.traffic.envoy.plans import plan
from traffic.envoy.resources import routes
from traffic.envoy.rules import RouteRuleDoc
from traffic.envoy.snapshot import build_document, canonical, digest, version_text

RULE: RouteRuleDoc = {
    "split": "embeddings",
    "route": "POST /infer",
    "method": "POST",
    "path": "/infer",
    "safe_to_duplicate": True,
    "slow_us": None,
}


def document(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "lineage": "L1",
        "generation": 8,
        "issued_at": datetime(2026, 11, 23, 8, tzinfo=UTC),
        "plans": [plan(mode="canary", weight_tth=2500)],
        "rules": [RULE],
        "epochs": {"embeddings": "step-2"},
        "block_seconds": 10,
        "cap_bytes": 262_144,
        "redact_headers": ["Cookie", "authorization", "cookie"],
        "release_hold": None,
        "prevalidate": [[plan(mode="canary", weight_tth=5000)]],
    }
    return build_document(**(values | changes))


def test_the_document_has_the_shape_of_the_contract() -> None:
    doc = document()
    assert list(doc) == [
        *("schema", "lineage", "generation", "issued_at", "proxy", "exposure", "release_hold"),
        *("envoy", "clusters", "routes", "safe_routes", "rules", "capture", "block_seconds"),
        *("epochs", "warmup_us_until", "safe_generation", "prevalidate", "sha256"),
    ]
    assert doc["exposure"] == {"embeddings": 2500}
    assert doc["issued_at"] == "2026-11-23T08:00:00Z"
    assert doc["capture"]["redact_headers"] == ["authorization", "cookie"]
    assert doc["capture"]["routes"] == {
        f"embeddings/{side}-{kind}": "embeddings"
        for side in ("legacy", "candidate")
        for kind in ("sampled", "plain")
    } | {"embeddings/candidate-only": "embeddings"}
    assert doc["capture"]["arms"]["embeddings/legacy-shadow"] == {
        "split": "embeddings",
        "arm": "legacy_shadow",
    }
    assert doc["capture"]["candidates"] == {"embeddings": ["127.0.0.1:9002"]}
    assert doc["prevalidate"][0]["routes"] == routes([plan(mode="canary", weight_tth=5000)])


def test_the_hash_survives_a_trip_through_json_in_any_key_order() -> None:
    doc = document()
    backwards = dict(reversed(json.loads(json.dumps(doc)).items()))
    assert digest(backwards) == doc["sha256"] == digest(doc)


def test_the_hash_ignores_who_asked_when_and_what_may_come_next() -> None:
    other = document(
        proxy="edge-9",
        prevalidate=[],
        issued_at=datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=2))),
    )
    assert other["sha256"] == document()["sha256"]


def test_the_hash_sees_everything_else() -> None:
    ours = document()["sha256"]
    changes: list[dict[str, Any]] = [
        {"generation": 9},
        {"lineage": "L2"},
        {"plans": [plan()]},
        {"rules": []},
        {"epochs": {}},
        {"block_seconds": 2},
        {"cap_bytes": 1},
        {"release_hold": "h1"},
        {"safe_generation": 3},
    ]
    assert all(document(**change)["sha256"] != ours for change in changes)


def test_canonical_json_is_ascii_sorted_and_tight() -> None:
    assert canonical({"b": [1, "é"], "a": None}) == b'{"a":null,"b":[1,"\\u00e9"]}'


def test_the_version_names_generation_and_hash() -> None:
    assert version_text(8, "9cab594c00") == "8-9cab594c"
