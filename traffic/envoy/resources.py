"""Desired splits in, Envoy documents out. Pure: the one door to the builders beside this file."""

from traffic.envoy.bootstrap_resources import bootstrap
from traffic.envoy.cluster_resources import clusters, without_taps
from traffic.envoy.exposure import exposure, exposure_of_routes
from traffic.envoy.plan import FULL_TTH, MAX_AMPLIFY_TTH, MirrorRule, Mode, SplitPlan, Upstream
from traffic.envoy.route_resources import calm_routes, no_snapshot_routes, routes, safe_routes

__all__ = [
    "FULL_TTH",
    "MAX_AMPLIFY_TTH",
    "MirrorRule",
    "Mode",
    "SplitPlan",
    "Upstream",
    "bootstrap",
    "calm_routes",
    "clusters",
    "exposure",
    "exposure_of_routes",
    "no_snapshot_routes",
    "routes",
    "safe_routes",
    "without_taps",
]
