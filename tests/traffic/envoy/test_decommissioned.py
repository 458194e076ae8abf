"""Once legacy is decommissioned nothing names it any more: no route, no copy, no cluster."""

import json
from typing import Any

import pytest

from tests.traffic.edge.documents import altered, document
from tests.traffic.envoy.plans import plan
from traffic.edge.document import SnapshotError, check_document
from traffic.envoy.resources import clusters, exposure_of_routes, routes, safe_routes

GONE = plan(mode="decommissioned", shadow_tth=10_000, noise_tth=500, canary_shadow_tth=10_000)


def test_the_candidate_is_all_there_is() -> None:
    assert [cluster["name"] for cluster in clusters([GONE])] == ["embeddings/candidate"]
    (route,) = routes([GONE])[0]["virtual_hosts"][0]["routes"]
    assert (route["name"], route["match"]) == ("embeddings/candidate-only", {"prefix": "/"})
    assert route["route"]["cluster"] == "embeddings/candidate"
    assert "request_mirror_policies" not in route["route"]
    assert "legacy" not in json.dumps([clusters([GONE]), routes([GONE]), safe_routes([GONE])])


def test_it_counts_as_everybody() -> None:
    assert exposure_of_routes(routes([GONE])) == {"embeddings": 10_000}


def test_breaking_the_glass_leaves_the_only_one_that_can_answer() -> None:
    assert safe_routes([GONE]) == routes([GONE])


def test_other_splits_of_the_group_keep_their_legacy() -> None:
    other = plan("other", path_prefix="/other", mode="canary", weight_tth=500)
    names = {cluster["name"] for cluster in clusters([GONE, other])}
    assert {"embeddings/candidate", "other/legacy", "other/candidate-safe"} <= names
    assert exposure_of_routes(safe_routes([GONE, other])) == {"embeddings": 10_000, "other": 0}


def test_an_edge_takes_the_document_and_still_refuses_unsafe_routes_beside_a_legacy() -> None:
    doc = document(plans=[GONE])
    assert check_document(doc)["exposure"] == {"embeddings": 10_000}
    both: dict[str, Any] = document(plans=[plan(mode="full")])
    with pytest.raises(SnapshotError, match="safe_routes send users to the candidate"):
        check_document(altered(both, safe_routes=both["routes"]))


def test_the_edge_knows_whose_the_only_route_is() -> None:
    doc = document(plans=[GONE])
    assert doc["capture"]["routes"]["embeddings/candidate-only"] == "embeddings"
