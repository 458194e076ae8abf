"""The file Envoy starts from: listener, admin socket, receivers, and where the rest is read."""

from typing import Any

from traffic.envoy.cluster_resources import HTTP_OPTIONS, SAMPLE_HEADER, TAP_CLUSTER, TYPE
from traffic.envoy.route_resources import KEY_HEADER, ROUTE_CONFIG_NAME, SHADOW_HEADER

Json = dict[str, Any]

ALS_CLUSTER = "banyan-als"
STAT_PREFIX = "in"
CRASH_GUARD = {"envoy.reloadable_features.grpc_side_stream_flow_control": False}
"""Envoy 1.40 can crash on a captured body above 64 KB while its upstream is still connecting."""


def bootstrap(
    *,
    proxy_id: str,
    state_dir: str,
    listen_host: str,
    listen_port: int,
    user_key_header: str = "x-user-key",
) -> Json:
    """Envoy's bootstrap. All sockets and dynamic files live under `state_dir`."""
    manager = _connection_manager(state_dir, user_key_header)
    address = {"socket_address": {"address": listen_host, "port_value": listen_port}}
    return {
        "node": {"id": proxy_id, "cluster": "edge"},
        "admin": _admin(state_dir),
        "static_resources": {
            "listeners": [
                {
                    "name": "ingress",
                    "address": address,
                    "filter_chains": [
                        {
                            "filters": [
                                {
                                    "name": "envoy.filters.network.http_connection_manager",
                                    "typed_config": manager,
                                }
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                # Two sockets: captures are many short streams, access records few long ones.
                socket_cluster(TAP_CLUSTER, f"{state_dir}/tap.sock", max_requests=256),
                socket_cluster(ALS_CLUSTER, f"{state_dir}/als.sock", max_requests=64),
            ],
        },
        "dynamic_resources": {"cds_config": _watched(state_dir, "clusters")},
        "layered_runtime": {"layers": [{"name": "banyan", "static_layer": dict(CRASH_GUARD)}]},
        "stats_flush_interval": "5s",
    }


def socket_cluster(name: str, path: str, *, max_requests: int) -> Json:
    """Return a static HTTP/2 cluster over a unix socket."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "0.5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": TYPE + HTTP_OPTIONS,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "circuit_breakers": {"thresholds": [{"max_requests": max_requests}]},
    }


def _admin(state_dir: str) -> Json:
    return {
        "address": {"pipe": {"path": f"{state_dir}/admin.sock", "mode": 0o600}},
        "allow_paths": [
            {"prefix": "/stats"},
            {"exact": "/ready"},
            {"exact": "/server_info"},
            {"prefix": "/config_dump?resource=dynamic_route_configs"},
        ],
    }


def _watched(state_dir: str, kind: str) -> Json:
    # One directory per type: a rename makes Envoy reread every file watched in that directory.
    directory = f"{state_dir}/xds/{kind}"
    return {
        "resource_api_version": "V3",
        "initial_fetch_timeout": "5s",
        "path_config_source": {
            "path": f"{directory}/{kind}.json",
            "watched_directory": {"path": directory},
        },
    }


def _connection_manager(state_dir: str, user_key_header: str) -> Json:
    return {
        "@type": TYPE + "envoy.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": STAT_PREFIX,
        "codec_type": "AUTO",
        "generate_request_id": True,
        "early_header_mutation_extensions": [_control_headers(user_key_header)],
        "rds": {
            "route_config_name": ROUTE_CONFIG_NAME,
            "config_source": _watched(state_dir, "routes"),
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": TYPE + "envoy.extensions.filters.http.router.v3.Router",
                    "upstream_log": [_access_log("banyan-attempt", "attempt")],
                },
            }
        ],
        "access_log": [_access_log("banyan-edge", "edge")],
    }


def _control_headers(user_key_header: str) -> Json:
    """Drop what only the proxy may say, then take the user's key, else the peer's address."""
    ours = [KEY_HEADER, SAMPLE_HEADER, SHADOW_HEADER, "x-banyan-force"]
    sources = [f"%REQ({user_key_header})%", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"]
    mutations: list[Json] = [{"remove": header} for header in ours]
    mutations += [
        {
            "append": {
                "header": {"key": KEY_HEADER, "value": source},
                "append_action": "ADD_IF_ABSENT",
            }
        }
        for source in sources
    ]
    return {
        "name": "banyan-control-headers",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.http.early_header_mutation.header_mutation.v3"
            ".HeaderMutation",
            "mutations": mutations,
        },
    }


def _access_log(name: str, log_name: str) -> Json:
    return {
        "name": name,
        "typed_config": {
            "@type": TYPE + "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": {
                "log_name": log_name,
                "transport_api_version": "V3",
                "buffer_flush_interval": "0.5s",
                "buffer_size_bytes": 65536,
                "grpc_service": {"envoy_grpc": {"cluster_name": ALS_CLUSTER}},
            },
            "additional_request_headers_to_log": [KEY_HEADER, SAMPLE_HEADER, SHADOW_HEADER],
        },
    }
