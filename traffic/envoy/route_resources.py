"""Envoy's route table of a set of splits: who answers whom, and what is copied where."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from traffic.envoy.cluster_resources import SAMPLE_HEADER, TYPE
from traffic.envoy.plan import (
    FULL_TTH,
    MirrorRule,
    SplitPlan,
    candidate_cluster,
    candidate_load_cluster,
    candidate_safe_cluster,
    candidate_shadow_cluster,
    legacy_cluster,
    legacy_shadow_cluster,
)
from traffic.envoy.rules import is_template, template_regex

Json = dict[str, Any]

ROUTE_CONFIG_NAME = "main"
KEY_HEADER = "x-banyan-key"
SHADOW_HEADER = "x-banyan-shadow"
SECRET_HEADERS = ("authorization", "cookie")
BODY_BUFFER_BYTES = 1 << 20


UNSENT: Json = {
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 1,
    "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"},
}
"""Try once more what was never sent: safe for any request, whatever it does."""


def routes(plans: Sequence[SplitPlan]) -> list[Json]:
    """Build the one route configuration that serves all splits, longest path prefix first."""
    ordered = sorted(plans, key=lambda plan: (-len(plan.path_prefix), plan.path_prefix))
    if any(0 < plan.exposure_tth < FULL_TTH for plan in ordered):
        return [_configuration({"matcher": _matcher(ordered)})]
    # A share of 0 or 100 % needs no matcher. At 100 % one would even be wrong: a request without a
    # user key matches no hash and would stay on legacy.
    return [_configuration({"routes": [route for plan in ordered for route in _whole(plan)]})]


def safe_routes(plans: Sequence[SplitPlan]) -> list[Json]:
    """Everybody to legacy and no copies: what stands ready for break-glass.

    Where legacy is gone, the candidate is the only one that can answer, and stays.
    """
    return routes([p if p.legacy_is_gone else replace(p, mode="safe") for p in plans])


def calm_routes(plans: Sequence[SplitPlan]) -> list[Json]:
    """Build the same without the copies of a load test: what serves once its time is over."""
    return routes([replace(plan, amplify_tth=0) for plan in plans])


def no_snapshot_routes() -> list[Json]:
    """Build what serves before the first snapshot: no service is known, and a 503 says so."""
    answer = {
        "name": "no-snapshot",
        "match": {"prefix": "/"},
        "direct_response": {"status": 503, "body": {"inline_string": "no snapshot yet\n"}},
    }
    return [_configuration({"routes": [answer]})]


def _configuration(content: Json) -> Json:
    return {
        "@type": TYPE + "envoy.config.route.v3.RouteConfiguration",
        "name": ROUTE_CONFIG_NAME,
        # A route to a cluster that is not there yet is then refused instead of answering 503.
        "validate_clusters": True,
        "virtual_hosts": [
            {
                "name": "app",
                "domains": ["*"],
                "include_request_attempt_count": True,
                "include_attempt_count_in_response": True,
                "request_body_buffer_limit": BODY_BUFFER_BYTES,
                **content,
            }
        ],
    }


def _whole(plan: SplitPlan) -> list[Json]:
    if plan.legacy_is_gone:
        return [_candidate_only(plan)]
    return _candidate_routes(plan) if plan.exposure_tth == FULL_TTH else _legacy_routes(plan)


def _matcher(ordered: Sequence[SplitPlan]) -> Json:
    """One or two matchers per split. The split at `/` comes last and needs no path predicate."""
    matchers: list[Json] = []
    for plan in ordered:
        if 0 < plan.exposure_tth < FULL_TTH:
            matchers.append(_on(_and(_path(plan), _share(plan)), _candidate_routes(plan)))
            remaining = _legacy_routes(plan)
        else:
            remaining = _whole(plan)
        if plan.path_prefix == "/":
            return {
                "matcher_list": {"matchers": matchers},
                "on_no_match": {"action": _action(remaining)},
            }
        matchers.append(_on(_and(_path(plan)), remaining))
    return {"matcher_list": {"matchers": matchers}}


def _on(predicate: Json, targets: list[Json]) -> Json:
    return {"predicate": predicate, "on_match": {"action": _action(targets)}}


def _action(targets: list[Json]) -> Json:
    return {
        "name": "route",
        "typed_config": {"@type": TYPE + "envoy.config.route.v3.RouteList", "routes": targets},
    }


def _and(*predicates: Json | None) -> Json:
    present = [predicate for predicate in predicates if predicate is not None]
    return present[0] if len(present) == 1 else {"and_matcher": {"predicate": present}}


def _path(plan: SplitPlan) -> Json | None:
    if plan.path_prefix == "/":
        return None
    return {
        "single_predicate": {
            "input": _header_input("path", ":path"),
            "value_match": {"prefix": plan.path_prefix},
        }
    }


def _share(plan: SplitPlan) -> Json:
    """Match users by a fixed number per key; whoever is at or above the threshold is in.

    Modulo and seed stay the same for the life of the split, so raising the weight only adds users.
    """
    return {
        "single_predicate": {
            "input": _header_input("key", KEY_HEADER),
            "custom_match": {
                "name": "share",
                "typed_config": {
                    "@type": TYPE + "envoy.extensions.matching.input_matchers"
                    ".consistent_hashing.v3.ConsistentHashing",
                    "threshold": FULL_TTH - plan.exposure_tth,
                    "modulo": FULL_TTH,
                    "seed": plan.seed,
                },
            },
        }
    }


def _header_input(name: str, header: str) -> Json:
    return {
        "name": name,
        "typed_config": {
            "@type": TYPE + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
            "header_name": header,
        },
    }


def _legacy_routes(plan: SplitPlan) -> list[Json]:
    cluster = legacy_cluster(plan.name)
    plain: Json = {
        "cluster": cluster,
        "timeout": _seconds(plan.route_timeout_s),
        "retry_policy": UNSENT,
    }
    mirrors = [_mirror(candidate_shadow_cluster(plan.name), "candidate-shadow")]
    if plan.noise_tth:
        # Envoy draws one number per request, so this is a part of the sampled ones by itself.
        noise = _mirror(legacy_shadow_cluster(plan.name), "legacy-shadow")
        mirrors.append(noise | {"runtime_fraction": _fraction(plan.noise_tth)})
    if plan.mode == "safe":
        return _plain_routes(replace(plan, amplify_tth=0), cluster, plain)
    return [
        *_sampled_routes(plan, cluster, plain, mirrors, plan.shadow_tth),
        *_plain_routes(plan, cluster, plain),
    ]


def _candidate_routes(plan: SplitPlan) -> list[Json]:
    name = f"{plan.name}/candidate"
    plain = {
        "cluster": candidate_safe_cluster(plan.name),
        "timeout": _seconds(plan.route_timeout_s),
        "retry_policy": _fallback(plan),
    }
    mirrors = [_mirror(legacy_shadow_cluster(plan.name), "legacy-shadow")]
    return [
        *_sampled_routes(plan, name, plain, mirrors, plan.canary_shadow_tth),
        *_plain_routes(plan, name, plain),
    ]


def _candidate_only(plan: SplitPlan) -> Json:
    action = {
        "cluster": candidate_cluster(plan.name),
        "timeout": _seconds(plan.route_timeout_s),
        "retry_policy": UNSENT,
    }
    name = f"{plan.name}/candidate-only"
    return {"name": name, "match": {"prefix": plan.path_prefix}, "route": action}


def _sampled_routes(
    plan: SplitPlan, side: str, plain: Json, mirrors: list[Json], share_tth: int
) -> list[Json]:
    if not share_tth:
        return []
    action = plain | {"request_mirror_policies": [*mirrors, *_load_mirrors(plan)]}
    return [
        {
            "name": f"{side}-sampled",
            "match": _rule_match(rule) | {"runtime_fraction": _fraction(share_tth)},
            "route": action,
            # The mark is the tap's switch and the pair's id. A request id would not do: clients
            # can send their own.
            "request_headers_to_add": [_set_header(SAMPLE_HEADER, "%UNIQUE_ID%")],
        }
        for rule in plan.mirrored
    ]


def _plain_routes(plan: SplitPlan, side: str, plain: Json) -> list[Json]:
    """Everything that is not sampled; a load test copies what may be copied of that too."""
    name, loaded = f"{side}-plain", _load_mirrors(plan)
    copied = plain | {"request_mirror_policies": loaded}
    return [
        *(
            {"name": name, "match": _rule_match(rule), "route": copied}
            for rule in (plan.mirrored if loaded else ())
        ),
        {"name": name, "match": {"prefix": plan.path_prefix}, "route": plain},
    ]


def _load_mirrors(plan: SplitPlan) -> list[Json]:
    """N times means that many whole copies, and one more of a part of the requests."""
    whole, part = divmod(plan.amplify_tth, FULL_TTH)
    copy = _mirror(candidate_load_cluster(plan.name), "candidate-load", (SAMPLE_HEADER,))
    fraction = [copy | {"runtime_fraction": _fraction(part)}] if part else []
    return [copy] * whole + fraction


def _rule_match(rule: MirrorRule) -> Json:
    method = {"name": ":method", "string_match": {"exact": rule.method}}
    if is_template(rule.path):
        regex = {"google_re2": {}, "regex": template_regex(rule.path)}
        return {"safe_regex": regex, "headers": [method]}
    return {"path": rule.path, "headers": [method]}


def _mirror(cluster: str, mark: str, without: Sequence[str] = ()) -> Json:
    """Send a copy, without credentials and `without` further headers, and marked as a copy."""
    removed: list[Json] = [{"remove": header} for header in (*SECRET_HEADERS, *without)]
    return {
        "cluster": cluster,
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [*removed, {"append": _set_header(SHADOW_HEADER, mark)}],
    }


def _set_header(key: str, value: str) -> Json:
    return {
        "header": {"key": key, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _fraction(tth: int) -> Json:
    # One denominator everywhere: fractions of one request only nest when it is the same.
    return {"default_value": {"numerator": tth, "denominator": "TEN_THOUSAND"}}


def _fallback(plan: SplitPlan) -> Json:
    """Let legacy answer, in the same request, what the candidate does not answer in time."""
    return {
        "retry_on": "5xx,reset,connect-failure,refused-stream",
        "num_retries": 1,
        "per_try_timeout": _seconds(plan.per_try_timeout_s),
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"},
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": TYPE + "envoy.extensions.retry.priority.previous_priorities.v3"
                ".PreviousPrioritiesConfig",
                "update_frequency": 1,
            },
        },
    }


def _seconds(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") + "s"
