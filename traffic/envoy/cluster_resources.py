"""Envoy clusters of a set of splits, with and without the taps that capture answers."""

import copy
import ipaddress
from collections.abc import Sequence
from typing import Any

from traffic.envoy.plan import (
    SplitPlan,
    Upstream,
    candidate_cluster,
    candidate_load_cluster,
    candidate_safe_cluster,
    candidate_shadow_cluster,
    legacy_cluster,
    legacy_shadow_cluster,
)

Json = dict[str, Any]

TYPE = "type.googleapis.com/"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
SAMPLE_HEADER = "x-banyan-sample"
TAP_CLUSTER = "banyan-tap"
USER_LIMIT = 4096
# Servers close idle connections after as little as 2 s (gunicorn; uvicorn 5 s). Envoy closes first:
# a request sent into a connection that is just being closed is an error the user sees.
UPSTREAM_IDLE = "1.5s"


def clusters(plans: Sequence[SplitPlan], *, taps: bool = True) -> list[Json]:
    """Cluster resources of all splits. They depend on addresses only, never on the weight.

    So a change of weight is a change of routes alone, and going back needs no cluster to appear.
    Once legacy is decommissioned, the candidate's cluster is all there is.
    """
    built = [cluster for plan in plans for cluster in _clusters_of(plan)]
    return built if taps else without_taps(built)


def without_taps(resources: Sequence[Json]) -> list[Json]:
    """Return the clusters with every upstream filter removed: mirror and statistics only."""
    bare = copy.deepcopy(list(resources))
    for cluster in bare:
        options = cluster.get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS, {})
        options.pop("http_filters", None)
    return bare


def _clusters_of(plan: SplitPlan) -> list[Json]:
    if plan.legacy_is_gone:
        return [_candidate(plan)]
    return [
        _user_cluster(legacy_cluster(plan.name), plan.legacy)
        | {
            "typed_extension_protocol_options": _http_options(
                [_tap_if_marked(legacy_cluster(plan.name))]
            )
        },
        _candidate(plan),
        _candidate_safe(plan),
        _shadow(candidate_shadow_cluster(plan.name), plan.candidate, plan.shadow_max_requests),
        _shadow(legacy_shadow_cluster(plan.name), plan.legacy, plan.shadow_max_requests),
        _load(plan),
    ]


def _candidate(plan: SplitPlan) -> Json:
    """Build the safe cluster's member. A failing one is ejected, down to the last endpoint."""
    return _user_cluster(candidate_cluster(plan.name), plan.candidate) | {
        "typed_extension_protocol_options": _http_options([]),
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "outlier_detection": {
            "consecutive_5xx": 20,
            "consecutive_gateway_failure": 5,
            "interval": "1s",
            "base_ejection_time": "5s",
            "max_ejection_percent": 100,
        },
    }


def _candidate_safe(plan: SplitPlan) -> Json:
    """Candidate, then legacy within the same request. The tap must be here: members' never run."""
    name = candidate_safe_cluster(plan.name)
    return {
        "@type": TYPE + "envoy.config.cluster.v3.Cluster",
        "name": name,
        "connect_timeout": "0.25s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.aggregate",
            "typed_config": {
                "@type": TYPE + "envoy.extensions.clusters.aggregate.v3.ClusterConfig",
                "clusters": [candidate_cluster(plan.name), legacy_cluster(plan.name)],
            },
        },
        "circuit_breakers": _user_breakers(),
        "typed_extension_protocol_options": _http_options([_tap_if_marked(name)]),
    }


def _shadow(name: str, upstream: Upstream, max_requests: int) -> Json:
    """Give copies their own small breaker, so they can never crowd out users."""
    return _endpoint_cluster(name, upstream) | {
        "typed_extension_protocol_options": _http_options([_tap(name, request_body="STREAMED")]),
        "circuit_breakers": _copies_breakers(max_requests),
    }


def _load(plan: SplitPlan) -> Json:
    """Take the copies of a load test: answers are counted, not captured."""
    return _endpoint_cluster(candidate_load_cluster(plan.name), plan.candidate) | {
        "typed_extension_protocol_options": _http_options([]),
        "circuit_breakers": _copies_breakers(plan.load_max_requests),
    }


def _copies_breakers(max_requests: int) -> Json:
    return {
        "thresholds": [
            {
                "track_remaining": True,
                "max_connections": max_requests,
                "max_pending_requests": max_requests,
                "max_requests": max_requests,
            }
        ]
    }


def _user_cluster(name: str, upstream: Upstream) -> Json:
    return _endpoint_cluster(name, upstream) | {"circuit_breakers": _user_breakers()}


def _user_breakers() -> Json:
    # max_retries is 3 by default and would turn a failing candidate into users' errors.
    return {
        "thresholds": [
            {
                "track_remaining": True,
                "max_connections": USER_LIMIT,
                "max_pending_requests": USER_LIMIT,
                "max_requests": USER_LIMIT,
                "max_retries": 1024,
            }
        ]
    }


def _endpoint_cluster(name: str, upstream: Upstream) -> Json:
    address = {"socket_address": {"address": upstream.host, "port_value": upstream.port}}
    return {
        "@type": TYPE + "envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC" if _is_address(upstream.host) else "STRICT_DNS",
        "connect_timeout": "0.5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _http_options(filters: list[Json]) -> Json:
    options: Json = {
        "@type": TYPE + HTTP_OPTIONS,
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE},
    }
    if filters:
        options["http_filters"] = [*filters, _UPSTREAM_CODEC]
    return {HTTP_OPTIONS: options}


_UPSTREAM_CODEC: Json = {
    "name": "envoy.filters.http.upstream_codec",
    "typed_config": {
        "@type": TYPE + "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
    },
}


def _tap(side: str, *, request_body: str) -> Json:
    """Capture one side. Observability mode: Envoy never waits for the receiver."""
    return {
        "name": "envoy.filters.http.ext_proc",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
            "grpc_service": {
                "envoy_grpc": {"cluster_name": TAP_CLUSTER},
                "timeout": "30s",
                "initial_metadata": [{"key": "x-side", "value": side}],
            },
            "observability_mode": True,
            "failure_mode_allow": True,
            "deferred_close_timeout": "2s",
            "message_timeout": "0.2s",
            "request_attributes": ["xds.cluster_name", "upstream.address"],
            "processing_mode": {
                "request_header_mode": "SEND",
                "response_header_mode": "SEND",
                "request_body_mode": request_body,
                "response_body_mode": "STREAMED",
                "request_trailer_mode": "SKIP",
                "response_trailer_mode": "SKIP",
            },
        },
    }


def _tap_if_marked(side: str) -> Json:
    """Build a tap that only runs for sampled requests.

    The request body is not captured on the users' path: the copy carries the same bytes.
    """
    action = {
        "name": "tap",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.filters.http.composite.v3.ExecuteFilterAction",
            "typed_config": _tap(side, request_body="NONE"),
        },
    }
    marked = {
        "single_predicate": {
            "input": {
                "name": "mark",
                "typed_config": {
                    "@type": TYPE + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
                    "header_name": SAMPLE_HEADER,
                },
            },
            # Envoy refuses the cluster when the engine is not named.
            "value_match": {"safe_regex": {"google_re2": {}, "regex": ".+"}},
        }
    }
    return {
        "name": "banyan-tap",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
            "extension_config": {
                "name": "composite",
                "typed_config": {
                    "@type": TYPE + "envoy.extensions.filters.http.composite.v3.Composite"
                },
            },
            "xds_matcher": {
                "matcher_list": {
                    "matchers": [{"predicate": marked, "on_match": {"action": action}}]
                }
            },
        },
    }
