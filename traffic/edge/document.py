"""An offered snapshot, checked before anything else looks at it."""

from collections.abc import Iterator, Mapping
from typing import Any

from traffic.edge.fence import Offer
from traffic.envoy.plan import candidate_load_cluster, legacy_cluster
from traffic.envoy.resources import exposure_of_routes
from traffic.envoy.snapshot import SCHEMA, digest, version_text

Json = dict[str, Any]

LOAD_SUFFIX = candidate_load_cluster("")


class SnapshotError(ValueError):
    """The document cannot be applied by anybody; the message says why."""


def check_document(doc: object) -> Json:
    """Return `doc` as a snapshot whose hash and declared exposure are true, else raise.

    Raises SnapshotError with the first thing that is wrong.
    """
    if not isinstance(doc, dict):
        raise SnapshotError("the snapshot is not a JSON object")
    if doc.get("schema") != SCHEMA:
        raise SnapshotError(f"schema {doc.get('schema')!r} is not {SCHEMA}")
    _check_types(doc)
    if digest(doc) != doc["sha256"]:
        raise SnapshotError("the content does not match its sha256")
    _check_exposure(doc)
    _check_amplification(doc)
    _check_clusters(doc)
    return doc


def amplified_until(doc: Mapping[str, Any]) -> int | None:
    """Return when the copies of a load test end, in unix seconds; None when there are none."""
    until: int | None = doc.get("amplify_until")
    return until


def offer_of(doc: Mapping[str, Any]) -> Offer:
    """Take from a checked document what the fence looks at."""
    return Offer(
        lineage=doc["lineage"],
        generation=doc["generation"],
        sha256=doc["sha256"],
        exposure=doc["exposure"],
        release_hold=_released(doc.get("release_hold")),
        adopt_from=doc.get("adopt_from"),
    )


def _released(value: object) -> str | list[str] | None:
    """Read one id or a list of them; anything else releases nothing."""
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str)]
    return value if isinstance(value, str) else None


def version_of(doc: Mapping[str, Any]) -> str:
    """Name the version that Envoy reports once it uses `doc`."""
    return version_text(doc["generation"], doc["sha256"])


def _check_types(doc: Json) -> None:
    for field, kind in _FIELDS.items():
        value = doc.get(field)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise SnapshotError(f"{field} is missing or not {kind.__name__}")


_FIELDS: dict[str, type] = {
    "lineage": str,
    "generation": int,
    "sha256": str,
    "exposure": dict,
    "clusters": list,
    "routes": list,
    "safe_routes": list,
}


def _check_exposure(doc: Json) -> None:
    """Recompute the shares from the routes: a builder's mistake must not move users."""
    found = _recomputed(doc["routes"])
    if found != doc["exposure"]:
        raise SnapshotError(f"declared exposure {doc['exposure']} but the routes give {found}")
    # Without a legacy to go to, the candidate is what stays when the glass is broken.
    present = _present(doc)
    unsafe = {
        split: share
        for split, share in _recomputed(doc["safe_routes"]).items()
        if share and legacy_cluster(split) in present
    }
    if unsafe:
        raise SnapshotError(f"safe_routes send users to the candidate: {unsafe}")


def _check_amplification(doc: Json) -> None:
    """Refuse copies for a load test that nobody would end."""
    until, calm = doc.get("amplify_until"), doc.get("calm_routes")
    if until is None and calm is None:
        if any(name.endswith(LOAD_SUFFIX) for name in _named_clusters(doc["routes"])):
            raise SnapshotError("the routes copy for a load test without amplify_until")
        return
    if not isinstance(until, int) or isinstance(until, bool) or not isinstance(calm, list):
        raise SnapshotError("amplify_until is no whole number, or calm_routes are missing")
    if any(name.endswith(LOAD_SUFFIX) for name in _named_clusters(calm)):
        raise SnapshotError("calm_routes still copy for a load test")
    if _recomputed(calm) != doc["exposure"]:
        raise SnapshotError("calm_routes give another exposure than the routes")


def _check_clusters(doc: Json) -> None:
    """Refuse no routes at all, and routes to a cluster that does not come with them.

    Envoy's own check of clusters does not look into matchers, where the routes of a canary are: it
    would take the snapshot and answer 503.
    """
    present = _present(doc)
    for field in ("routes", "safe_routes", *(("calm_routes",) if "calm_routes" in doc else ())):
        if not doc[field]:
            raise SnapshotError(f"there are no {field}")
        lacking = sorted(set(_named_clusters(doc[field])) - present)
        if lacking:
            raise SnapshotError(f"{field} name clusters that are not there: {', '.join(lacking)}")


def _present(doc: Json) -> set[object]:
    return {cluster.get("name") for cluster in doc["clusters"] if isinstance(cluster, dict)}


def _named_clusters(value: object) -> Iterator[str]:
    """Find the clusters of route actions and of their mirrors, however deep they lie."""
    if isinstance(value, Mapping):
        named = value.get("cluster")
        if isinstance(named, str):
            yield named
        for part in value.values():
            yield from _named_clusters(part)
    elif isinstance(value, list):
        for part in value:
            yield from _named_clusters(part)


def _recomputed(routes: list[Json]) -> dict[str, int]:
    try:
        return exposure_of_routes(routes)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SnapshotError(f"the routes cannot be read: {error!r}") from error
