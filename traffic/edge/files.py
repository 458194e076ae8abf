"""Envoy's dynamic files: one directory per type, always by rename, in an order that never breaks.

Adding = clusters, acceptance, routes. Removing = routes, acceptance, drain, clusters. Both at once
is the same: first the union of old and new clusters, then the routes, later the new clusters alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from traffic.edge.document import amplified_until, version_of
from traffic.edge.fence import serves_safe_routes
from traffic.edge.state import EdgeState
from traffic.envoy.resources import no_snapshot_routes, without_taps

Json = dict[str, Any]
Kind = Literal["clusters", "routes"]

UNION_SUFFIX = "+"
"""Ends the version of a clusters file that still has clusters of the previous snapshot."""
BARE_SUFFIX = "-bare"
"""Ends the version of clusters whose taps were removed: same snapshot, other content."""
CALM_SUFFIX = "-calm"
"""Ends the version of routes whose load test is over: same snapshot, without its copies."""
NO_VERSION = "0-none"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the two files should hold, with the version that Envoy then reports."""

    clusters_version: str
    clusters: list[Json]
    routes_version: str
    routes: list[Json]


def wanted(state: EdgeState, doc: Mapping[str, Any], *, taps: bool, now: float) -> Wanted:
    """Derive the files from the state and its document, as of `now` in unix seconds.

    The safe routes while a hold says so; the routes without the copies of a load test once its time
    is over, whether or not anybody is left to say so.
    """
    version = version_of(doc)
    clusters_version, clusters = version, doc["clusters"]
    if not taps:
        clusters_version, clusters = version + BARE_SUFFIX, without_taps(clusters)
    if state.position and state.hold and serves_safe_routes(state.position, state.hold):
        held = f"{doc['generation']}-{state.hold.id}"
        return Wanted(clusters_version, clusters, held, doc["safe_routes"])
    until = amplified_until(doc)
    if until is not None and now >= until:
        return Wanted(clusters_version, clusters, version + CALM_SUFFIX, doc["calm_routes"])
    return Wanted(clusters_version, clusters, version, doc["routes"])


def merge_clusters(old: Sequence[Json], new: Sequence[Json]) -> tuple[list[Json], frozenset[str]]:
    """Return all new clusters plus the old ones that `new` lacks, and the names of the latter."""
    names = {cluster["name"] for cluster in new}
    leftover = [cluster for cluster in old if cluster["name"] not in names]
    return [*new, *leftover], frozenset(cluster["name"] for cluster in leftover)


class XdsFiles:
    """The two watched directories under `directory`/xds."""

    def __init__(self, directory: Path) -> None:
        self._root = directory / "xds"

    def prepare(self) -> None:
        """Make the directories."""
        for kind in ("clusters", "routes"):
            (self._root / kind).mkdir(parents=True, exist_ok=True, mode=0o750)

    def write(self, kind: Kind, version: str, resources: Sequence[Json]) -> None:
        """Move a new file into place; Envoy only notices moves.

        Not fsynced: after a power cut the start-up rebuilds these files from the durable state.
        """
        # The temporary file lies outside of the watched directory, on the same file system.
        temporary = self._root / f".{kind}.tmp"
        content = {"version_info": version, "resources": list(resources)}
        temporary.write_bytes(json.dumps(content).encode())
        temporary.replace(self._path(kind))

    def write_initial(self) -> None:
        """Write what serves before the first snapshot: no clusters and an honest 503."""
        self.write("clusters", NO_VERSION, [])
        self.write("routes", NO_VERSION, no_snapshot_routes())

    def read(self, kind: Kind) -> tuple[str, list[Json]] | None:
        """Return version and resources as they lie on disk, or None when they cannot be read."""
        try:
            content = json.loads(self._path(kind).read_bytes())
            return str(content["version_info"]), list(content["resources"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _path(self, kind: Kind) -> Path:
        return self._root / kind / f"{kind}.json"
