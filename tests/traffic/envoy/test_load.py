"""Copies for a load test: how many, of what, marked, and with an end."""

from typing import Any

import pytest

from tests.traffic.envoy.plans import plan
from tests.traffic.envoy.test_snapshot import document
from traffic.envoy.resources import MAX_AMPLIFY_TTH, calm_routes, clusters, exposure_of_routes
from traffic.envoy.resources import routes as build_routes

Json = dict[str, Any]
LOAD = "embeddings/candidate-load"


def listed(resources: list[Json]) -> list[Json]:
    found: list[Json] = resources[0]["virtual_hosts"][0]["routes"]
    return found


def load_copies(route: Json) -> list[Json]:
    policies = route["route"].get("request_mirror_policies", [])
    return [policy for policy in policies if policy["cluster"] == LOAD]


def test_two_and_a_half_times_is_two_whole_copies_and_one_of_half_the_requests() -> None:
    sampled, *_, plain = listed(build_routes([plan(shadow_tth=1000, amplify_tth=25_000)]))[:3]
    for route in (sampled, plain):
        whole, again, part = load_copies(route)
        assert whole == again
        assert "runtime_fraction" not in whole
        assert part["runtime_fraction"]["default_value"] == {
            "numerator": 5000,
            "denominator": "TEN_THOUSAND",
        }


def test_every_declared_route_is_copied_sampled_or_not_and_nothing_else() -> None:
    found = listed(build_routes([plan(shadow_tth=1000, amplify_tth=10_000)]))
    assert [(route["name"], len(load_copies(route))) for route in found] == [
        ("embeddings/legacy-sampled", 1),
        ("embeddings/legacy-sampled", 1),
        ("embeddings/legacy-plain", 1),
        ("embeddings/legacy-plain", 1),
        ("embeddings/legacy-plain", 0),
    ]
    assert found[-1]["match"] == {"prefix": "/"}


def test_users_of_the_candidate_are_copied_too() -> None:
    found = listed(build_routes([plan(mode="full", canary_shadow_tth=100, amplify_tth=10_000)]))
    assert [len(load_copies(route)) for route in found] == [1, 1, 1, 1, 0]


def test_a_copy_has_no_secrets_no_mark_of_a_pair_and_says_what_it_is() -> None:
    (copy,) = load_copies(listed(build_routes([plan(shadow_tth=9, amplify_tth=10_000)]))[0])
    removed = [part["remove"] for part in copy["request_headers_mutations"] if "remove" in part]
    assert removed == ["authorization", "cookie", "x-banyan-sample"]
    assert copy["request_headers_mutations"][-1]["append"]["header"] == {
        "key": "x-banyan-shadow",
        "value": "candidate-load",
    }


def test_a_draft_is_never_amplified_and_calm_routes_are_the_ones_without() -> None:
    assert build_routes([plan(mode="safe", amplify_tth=20_000)]) == build_routes(
        [plan(mode="safe")]
    )
    loud = plan(mode="canary", weight_tth=500, shadow_tth=10, amplify_tth=20_000)
    quiet = plan(mode="canary", weight_tth=500, shadow_tth=10)
    assert calm_routes([loud]) == build_routes([quiet]) != build_routes([loud])


def test_amplifying_moves_nobody_and_needs_no_other_cluster() -> None:
    loud = plan(mode="canary", weight_tth=500, amplify_tth=20_000)
    quiet = plan(mode="canary", weight_tth=500)
    assert exposure_of_routes(build_routes([loud])) == exposure_of_routes(build_routes([quiet]))
    assert clusters([loud]) == clusters([quiet])


def test_the_breaker_of_load_copies_is_their_own() -> None:
    (cluster,) = [c for c in clusters([plan(load_max_requests=9)]) if c["name"] == LOAD]
    assert cluster["circuit_breakers"]["thresholds"][0]["max_requests"] == 9


@pytest.mark.parametrize("tth", [-1, MAX_AMPLIFY_TTH + 1])
def test_more_copies_than_anybody_needs_are_refused(tth: int) -> None:
    with pytest.raises(ValueError, match="amplify_tth is outside"):
        plan(amplify_tth=tth)


def test_a_snapshot_that_amplifies_says_until_when_and_carries_what_serves_then() -> None:
    loud = plan(amplify_tth=20_000)
    with pytest.raises(ValueError, match="need a time at which they end"):
        document(plans=[loud])
    doc = document(plans=[loud], amplify_until=1_800_000_000)
    assert doc["amplify_until"] == 1_800_000_000
    assert doc["calm_routes"] == build_routes([plan()])
    assert "amplify_until" not in document(plans=[plan()])
