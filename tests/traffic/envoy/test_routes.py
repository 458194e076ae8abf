"""The route table: who is sent where, and which requests are copied."""

from typing import Any

import pytest

from tests.traffic.envoy.plans import plan
from traffic.envoy.resources import no_snapshot_routes, routes, safe_routes
from traffic.envoy.route_resources import UNSENT

Json = dict[str, Any]


def host(resources: list[Json]) -> Json:
    found: Json = resources[0]["virtual_hosts"][0]
    return found


def names(targets: list[Json]) -> list[str]:
    return [route["name"] for route in targets]


def on_match(matcher: Json) -> list[Json]:
    found: list[Json] = matcher["on_match"]["action"]["typed_config"]["routes"]
    return found


def test_dual_run_sends_everybody_to_legacy_without_a_matcher() -> None:
    found = host(routes([plan(shadow_tth=1000)]))
    assert "matcher" not in found
    assert {route["route"]["cluster"] for route in found["routes"]} == {"embeddings/legacy"}
    assert names(found["routes"]) == [
        "embeddings/legacy-sampled",
        "embeddings/legacy-sampled",
        "embeddings/legacy-plain",
    ]


def test_noise_is_an_absolute_share_inside_the_shadow_share_with_one_denominator() -> None:
    sampled = host(routes([plan(shadow_tth=1000, noise_tth=200)]))["routes"][0]
    shadow = sampled["match"]["runtime_fraction"]["default_value"]
    to_candidate, to_legacy = sampled["route"]["request_mirror_policies"]
    noise = to_legacy["runtime_fraction"]["default_value"]
    assert (shadow["numerator"], noise["numerator"]) == (1000, 200)
    assert shadow["denominator"] == noise["denominator"] == "TEN_THOUSAND"
    assert "runtime_fraction" not in to_candidate


def test_noise_beyond_the_shadow_share_is_refused() -> None:
    with pytest.raises(ValueError, match="noise_tth must be a part of shadow_tth"):
        plan(shadow_tth=100, noise_tth=101)


@pytest.mark.parametrize("field", ["weight_tth", "shadow_tth", "canary_shadow_tth"])
@pytest.mark.parametrize("value", [-1, 10_001])
def test_a_share_outside_of_zero_to_all_is_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match="is outside"):
        plan(**{field: value})


def test_canary_threshold_counts_down_from_the_top() -> None:
    matcher = host(routes([plan(mode="canary", weight_tth=2500, seed=7)]))["matcher"]
    predicate = matcher["matcher_list"]["matchers"][0]["predicate"]
    share = predicate["single_predicate"]["custom_match"]["typed_config"]
    assert (share["threshold"], share["modulo"], share["seed"]) == (7500, 10_000, 7)


def test_a_full_canary_and_full_are_the_same_routes_without_a_matcher() -> None:
    assert routes([plan(mode="canary", weight_tth=10_000)]) == routes([plan(mode="full")])
    found = host(routes([plan(mode="full")]))
    assert "matcher" not in found
    assert found["routes"][0]["route"]["cluster"] == "embeddings/candidate-safe"


def test_a_canary_of_nobody_is_dual_run() -> None:
    zero = plan(mode="canary", weight_tth=0, shadow_tth=1000)
    assert routes([zero]) == routes([plan(mode="dual_run", shadow_tth=1000)])


def test_only_requests_declared_safe_are_copied() -> None:
    found = host(routes([plan(shadow_tth=10_000)]))["routes"]
    exact, template, plain = (route["match"] for route in found)
    assert exact["path"] == "/infer"
    assert exact["headers"] == [{"name": ":method", "string_match": {"exact": "POST"}}]
    assert template["safe_regex"]["regex"] == "/items/[^/]+"
    assert plain == {"prefix": "/"}
    assert names(host(routes([plan(shadow_tth=10_000, mirrored=())]))["routes"]) == [
        "embeddings/legacy-plain"
    ]


def test_copies_lose_credentials_and_are_marked() -> None:
    for route in host(routes([plan(mode="full", canary_shadow_tth=1)]))["routes"][:1]:
        (mirror,) = route["route"]["request_mirror_policies"]
        removed = [change["remove"] for change in mirror["request_headers_mutations"][:2]]
        assert removed == ["authorization", "cookie"]
        assert mirror["request_headers_mutations"][2]["append"]["header"] == {
            "key": "x-banyan-shadow",
            "value": "legacy-shadow",
        }


def test_several_splits_are_tried_longest_prefix_first_and_the_root_last() -> None:
    plans = [
        plan("root", mode="canary", weight_tth=500),
        plan("short", path_prefix="/a", mode="full"),
        plan("long", path_prefix="/a/b", mode="canary", weight_tth=5000),
    ]
    matcher = host(routes(plans))["matcher"]
    order = [names(on_match(entry))[-1] for entry in matcher["matcher_list"]["matchers"]]
    assert order == [
        "long/candidate-plain",
        "long/legacy-plain",
        "short/candidate-plain",
        "root/candidate-plain",
    ]
    assert names(on_match({"on_match": matcher["on_no_match"]}))[-1] == "root/legacy-plain"
    path, share = matcher["matcher_list"]["matchers"][0]["predicate"]["and_matcher"]["predicate"]
    assert path["single_predicate"]["value_match"] == {"prefix": "/a/b"}
    assert share["single_predicate"]["custom_match"]["typed_config"]["threshold"] == 5000


def test_without_a_canary_several_splits_are_plain_routes_longest_first() -> None:
    found = host(routes([plan("root"), plan("short", path_prefix="/a", mode="full")]))
    assert [route["match"]["prefix"] for route in found["routes"]] == ["/a", "/"]


def test_safe_routes_copy_nothing_and_use_legacy_alone() -> None:
    found = host(safe_routes([plan(mode="full", shadow_tth=1000, canary_shadow_tth=1000)]))
    assert found["routes"] == [
        {
            "name": "embeddings/legacy-plain",
            "match": {"prefix": "/"},
            "route": {
                "cluster": "embeddings/legacy",
                "timeout": "15s",
                "retry_policy": UNSENT,
            },
        }
    ]


def test_before_the_first_snapshot_a_503_says_so() -> None:
    (route,) = host(no_snapshot_routes())["routes"]
    assert route["direct_response"]["status"] == 503
