"""The metrics of a policy for one migration: what is asked, and what was read."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.models import MetricReading, ServiceMigration
from rollout.policy import MetricRule, Policy
from rollout.promql import render


@dataclass(frozen=True, slots=True)
class Asked:
    """One metric of one route ("" is all) as it is sent to its provider."""

    rule: MetricRule
    route: str
    queries: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Names provider, queries and expectation: readings under another name don't count."""
        said = {"to": self.rule.provider, "expect": self.rule.expect, "queries": dict(self.queries)}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def asked_of(migration: ServiceMigration, policy: Policy) -> list[Asked]:
    """Return what is asked for a migration now; builds are part of it where a query names them."""
    if not policy.metrics:
        return []
    pair = migration.pair
    values = {
        "migration": migration.slug,
        "team": migration.team,
        "legacy_build": pair.legacy_build,
        "candidate_build": pair.candidate_build,
    }
    routes = [r.label for r in pair.routes.order_by("path") if r.safe_to_duplicate]
    found = []
    for rule in policy.metrics:
        for route in routes if rule.per_route else [""]:
            rendered = {
                name: render(query, {**values, "route": route})
                for name, query in rule.queries.items()
            }
            found.append(Asked(rule, route, rendered))
    return found


def metric_readings(
    migration: ServiceMigration, *, now: datetime
) -> dict[tuple[str, str], Sequence[MetricReading]]:
    """Return the readings that count for the present place and builds, newest first.

    A key for everything that is asked, with no readings if there are none.
    """
    policy = Policy.from_dict(migration.policy)
    asked = asked_of(migration, policy)
    if not asked or migration.in_effect_at is None:
        return {(each.rule.name, each.route): () for each in asked}
    longest = max(each.rule.max_age_s for each in asked)
    since = max(migration.in_effect_at, now - timedelta(seconds=2 * longest))
    rows = MetricReading.objects.filter(
        migration=migration, builds=migration.pair.builds, at__gte=since
    ).order_by("-at")
    by_sha: dict[tuple[str, str, str], list[MetricReading]] = defaultdict(list)
    for row in rows:
        by_sha[row.metric, row.route, row.asked_sha256].append(row)
    return {
        (each.rule.name, each.route): by_sha[each.rule.name, each.route, each.sha256]
        for each in asked
    }
