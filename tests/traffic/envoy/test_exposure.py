"""Exposure is read from the documents, and never smaller than what they do."""

import copy
from typing import Any

import pytest
from hypothesis import given

from tests.traffic.envoy.plans import plan, plan_sets
from traffic.envoy.resources import (
    SplitPlan,
    exposure,
    exposure_of_routes,
    routes,
    safe_routes,
)

Json = dict[str, Any]


@given(plan_sets())
def test_recomputed_exposure_equals_the_declared_one(plans: list[SplitPlan]) -> None:
    assert exposure_of_routes(routes(plans)) == exposure(plans)


@given(plan_sets())
def test_safe_routes_expose_nobody_who_has_a_legacy(plans: list[SplitPlan]) -> None:
    expected = {plan.name: 10_000 if plan.legacy_is_gone else 0 for plan in plans}
    assert exposure_of_routes(safe_routes(plans)) == expected


def canary() -> list[Json]:
    return copy.deepcopy(routes([plan(mode="canary", weight_tth=500)]))


def matcher(resources: list[Json]) -> Json:
    found: Json = resources[0]["virtual_hosts"][0]["matcher"]["matcher_list"]["matchers"][0]
    return found


def test_a_predicate_that_is_not_understood_counts_as_everybody() -> None:
    doc = canary()
    matcher(doc)["predicate"] = {"not_matcher": matcher(doc)["predicate"]}
    assert exposure_of_routes(doc) == {"embeddings": 10_000}


def test_another_modulo_counts_as_everybody() -> None:
    doc = canary()
    hashing = matcher(doc)["predicate"]["single_predicate"]["custom_match"]["typed_config"]
    hashing["modulo"] = 100
    assert exposure_of_routes(doc) == {"embeddings": 10_000}


@pytest.mark.parametrize(
    "action",
    [
        {"cluster": "embeddings/candidate"},
        {"weighted_clusters": {"clusters": [{"name": "embeddings/candidate-safe", "weight": 1}]}},
    ],
)
def test_the_candidate_hidden_among_legacy_routes_counts_as_everybody(action: Json) -> None:
    doc = canary()
    no_match = doc[0]["virtual_hosts"][0]["matcher"]["on_no_match"]
    no_match["action"]["typed_config"]["routes"].append(
        {"match": {"prefix": "/x"}, "route": action}
    )
    assert exposure_of_routes(doc) == {"embeddings": 10_000}


def test_a_nested_matcher_is_bounded_by_the_outer_share() -> None:
    doc = canary()
    entry = matcher(doc)
    inner = {"on_no_match": {"action": entry["on_match"]["action"]}}
    entry["on_match"] = {"matcher": inner}
    assert exposure_of_routes(doc) == {"embeddings": 500}


def test_a_matcher_tree_is_looked_into() -> None:
    doc = canary()
    action = matcher(doc)["on_match"]
    doc[0]["virtual_hosts"][0]["matcher"] = {
        "matcher_tree": {"exact_match_map": {"map": {"/x": action}}}
    }
    assert exposure_of_routes(doc) == {"embeddings": 10_000}
