"""What the edge must know to name things: whose cluster, whose route, which step. From a snapshot.

Pure: values only, replaced as a whole when a new snapshot is configured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from traffic.envoy.rules import OTHER_ROUTE, RouteRuleDoc, match_route

LEGACY, CANDIDATE = "legacy", "candidate"
CANDIDATE_SHADOW, LEGACY_SHADOW = "candidate_shadow", "legacy_shadow"
USER_ARMS = frozenset({LEGACY, CANDIDATE})
CANDIDATE_ARMS = frozenset({CANDIDATE, CANDIDATE_SHADOW})

SlowLimits = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """One snapshot's names. The empty topology knows nothing, so nothing is counted.

    `arms` maps a cluster to (split, arm), `routes` a route name to its split, `candidates` a split
    to its candidate's `host:port` addresses, `epochs` a split to the id of its step. Copies and
    users of the candidate that started before `warm_us` count as warming.
    """

    arms: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    routes: Mapping[str, str] = field(default_factory=dict)
    candidates: Mapping[str, frozenset[str]] = field(default_factory=dict)
    rules: Sequence[RouteRuleDoc] = ()
    epochs: Mapping[str, str] = field(default_factory=dict)
    block_seconds: int = 10
    salt: bytes = b""
    warm_us: int = 0

    @classmethod
    def of(cls, snapshot: Mapping[str, Any]) -> "Topology":
        """Read a snapshot. Raises KeyError, TypeError or ValueError for a malformed one."""
        capture = snapshot["capture"]
        return cls(
            arms={
                cluster: (str(where["split"]), str(where["arm"]))
                for cluster, where in capture["arms"].items()
            },
            routes=dict(capture["routes"]),
            candidates={
                split: frozenset(addresses) for split, addresses in capture["candidates"].items()
            },
            rules=list(snapshot["rules"]),
            epochs=dict(snapshot["epochs"]),
            block_seconds=int(snapshot["block_seconds"]),
            # The lineage is the same on every edge of a group, so their key hashes can be united.
            salt=str(snapshot["lineage"]).encode()[:64],
            warm_us=int(snapshot.get("warmup_us_until") or 0),
        )

    def arm(self, cluster: str) -> tuple[str, str] | None:
        """(split, arm) of a cluster, None for one that is not ours."""
        return self.arms.get(cluster)

    def decision(self, route_name: str) -> tuple[str, str] | None:
        """(split, legacy or candidate): whom the routing decision chose, whoever answered."""
        split = self.routes.get(route_name)
        if split is None:
            return None
        meant = route_name.rpartition("/")[2]
        return split, CANDIDATE if meant.startswith(CANDIDATE) else LEGACY

    def is_candidate(self, split: str, address: str) -> bool:
        """Whether `host:port` is an endpoint of the split's candidate."""
        return address in self.candidates.get(split, frozenset())

    def route(self, split: str, method: str, path: str) -> str:
        """Return the declared route of a request, or "other"."""
        return match_route(self.rules, method, path, split=split)

    def declares(self, split: str, method: str, path: str) -> bool:
        """Whether a rule of the split names this request."""
        return self.route(split, method, path) != OTHER_ROUTE

    def slow_limits(self, split: str, route: str) -> SlowLimits:
        """Thresholds in µs by name (p50, p95, p99), empty when the step has none."""
        for rule in self.rules:
            if rule["split"] == split and rule["route"] == route:
                return rule["slow_us"] or {}
        return {}
