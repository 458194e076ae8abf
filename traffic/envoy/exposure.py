"""How many users a set of documents would send to the candidate, read from the documents."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from traffic.envoy.plan import FULL_TTH, SplitPlan

Json = dict[str, Any]

_ANSWERING = frozenset({"candidate", "candidate-safe"})
_SPLIT_CLUSTERS = _ANSWERING | {"legacy"}


def exposure(plans: Sequence[SplitPlan]) -> dict[str, int]:
    """Return what plans declare: the candidate's share of users per split, in ten-thousandths."""
    return {plan.name: plan.exposure_tth for plan in plans}


def exposure_of_routes(routes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Recompute the same from route documents; what cannot be bounded counts as everybody.

    The edge refuses a snapshot whose declaration differs, so a builder's mistake cannot raise a
    share unnoticed. Copies are not exposure: their answers reach nobody.
    """
    found: dict[str, int] = {}
    for configuration in routes:
        for host in configuration.get("virtual_hosts", ()):
            for cluster, share in _targets(host):
                split, _, kind = cluster.rpartition("/")
                if kind in _SPLIT_CLUSTERS:
                    reached = share if kind in _ANSWERING else 0
                    found[split] = max(found.get(split, 0), reached)
    return found


def _targets(host: Json) -> Iterator[tuple[str, int]]:
    for route in host.get("routes", ()):
        yield from _clusters(route, FULL_TTH)
    if "matcher" in host:
        yield from _matcher_targets(host["matcher"], FULL_TTH)


def _matcher_targets(matcher: Json, bound: int) -> Iterator[tuple[str, int]]:
    for entry in matcher.get("matcher_list", {}).get("matchers", ()):
        share = min(bound, _share(entry.get("predicate", {})))
        yield from _on_match_targets(entry.get("on_match", {}), share)
    for entry in matcher.get("matcher_tree", {}).get("exact_match_map", {}).get("map", {}).values():
        yield from _on_match_targets(entry, bound)
    yield from _on_match_targets(matcher.get("on_no_match", {}), bound)


def _on_match_targets(on_match: Json, share: int) -> Iterator[tuple[str, int]]:
    if "matcher" in on_match:
        yield from _matcher_targets(on_match["matcher"], share)
    config = on_match.get("action", {}).get("typed_config", {})
    for route in config.get("routes", [config] if "route" in config else []):
        yield from _clusters(route, share)


def _clusters(route: Json, share: int) -> Iterator[tuple[str, int]]:
    action = route.get("route", {})
    if "cluster" in action:
        yield action["cluster"], share
    for weighted in action.get("weighted_clusters", {}).get("clusters", ()):
        yield weighted.get("name", ""), share


def _share(predicate: Json) -> int:
    """Upper bound of the users a predicate lets through: only `and` and a plain hash narrow it."""
    if "and_matcher" in predicate:
        return min(
            (_share(part) for part in predicate["and_matcher"].get("predicate", ())),
            default=FULL_TTH,
        )
    custom = predicate.get("single_predicate", {}).get("custom_match", {}).get("typed_config", {})
    if custom.get("modulo") != FULL_TTH or "threshold" not in custom:
        return FULL_TTH
    return FULL_TTH - int(custom["threshold"])
