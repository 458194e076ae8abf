"""Clusters: the safe order of fallback, breakers, taps in the right places."""

from typing import Any

from tests.traffic.envoy.plans import plan
from traffic.envoy.resources import Upstream, bootstrap, clusters, without_taps

Json = dict[str, Any]
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def by_name(resources: list[Json]) -> dict[str, Json]:
    return {cluster["name"].partition("/")[2]: cluster for cluster in resources}


def tap_of(cluster: Json) -> Json | None:
    filters = cluster["typed_extension_protocol_options"][OPTIONS].get("http_filters")
    if not filters:
        return None
    config: Json = filters[0]["typed_config"]
    if "xds_matcher" in config:
        entry = config["xds_matcher"]["matcher_list"]["matchers"][0]
        config = entry["on_match"]["action"]["typed_config"]["typed_config"]["typed_config"]
    return config


def test_weight_and_mode_do_not_change_the_clusters() -> None:
    assert clusters([plan(mode="safe")]) == clusters([plan(mode="canary", weight_tth=2500)])


def test_the_safe_cluster_is_candidate_then_legacy_with_room_for_retries() -> None:
    safe = by_name(clusters([plan()]))["candidate-safe"]
    assert safe["cluster_type"]["typed_config"]["clusters"] == [
        "embeddings/candidate",
        "embeddings/legacy",
    ]
    assert safe["circuit_breakers"]["thresholds"][0]["max_retries"] == 1024


def test_copies_have_their_own_small_breaker() -> None:
    for name in ("candidate-shadow", "legacy-shadow"):
        limits = by_name(clusters([plan(shadow_max_requests=9)]))[name]["circuit_breakers"]
        assert limits["thresholds"][0]["max_requests"] == 9


def test_users_taps_capture_no_request_body_and_copies_do() -> None:
    found = {name: tap_of(cluster) for name, cluster in by_name(clusters([plan()])).items()}
    bodies = {
        name: tap and tap["processing_mode"]["request_body_mode"] for name, tap in found.items()
    }
    assert bodies == {
        "legacy": "NONE",
        "candidate": None,  # filters of a member of an aggregate never run
        "candidate-safe": "NONE",
        "candidate-shadow": "STREAMED",
        "legacy-shadow": "STREAMED",
        "candidate-load": None,
    }
    assert all(tap["observability_mode"] for tap in found.values() if tap)


def test_each_tap_says_which_cluster_it_sits_on() -> None:
    for cluster in clusters([plan()]):
        tap = tap_of(cluster)
        if tap:
            (side,) = tap["grpc_service"]["initial_metadata"]
            assert side == {"key": "x-side", "value": cluster["name"]}


def test_removing_taps_changes_nothing_else_and_not_the_input() -> None:
    tapped = clusters([plan()])
    bare = without_taps(tapped)
    assert all(tap_of(cluster) is None for cluster in bare)
    assert tapped == clusters([plan()])
    assert bare == clusters([plan()], taps=False)
    for cluster in (*bare, *tapped):
        cluster["typed_extension_protocol_options"][OPTIONS].pop("http_filters", None)
    assert bare == tapped


def test_a_host_name_is_resolved_and_an_address_is_not() -> None:
    found = by_name(clusters([plan(legacy=Upstream("legacy.local", 80))]))
    assert (found["legacy"]["type"], found["candidate"]["type"]) == ("STRICT_DNS", "STATIC")


def test_the_bootstrap_carries_the_crash_guard_and_drops_forged_headers() -> None:
    doc = bootstrap(proxy_id="e", state_dir="/s", listen_host="127.0.0.1", listen_port=80)
    guard = doc["layered_runtime"]["layers"][0]["static_layer"]
    assert guard == {"envoy.reloadable_features.grpc_side_stream_flow_control": False}
    listener = doc["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    early = manager["early_header_mutation_extensions"][0]["typed_config"]["mutations"]
    removed = [change["remove"] for change in early if "remove" in change]
    assert removed == ["x-banyan-key", "x-banyan-sample", "x-banyan-shadow", "x-banyan-force"]
    assert doc["admin"]["address"]["pipe"]["mode"] == 0o600
