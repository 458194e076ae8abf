"""`/metrics`: Banyan watched by Prometheus, read from rows so that every process agrees."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from audit import queries as ledger
from controlplane.health import worker_state
from controlplane.measures import OWN
from rollout.lifecycle import LIVE
from rollout.models import Decision, GateEvaluation, ServiceMigration
from shadow.models import PairBlock
from traffic import queries as traffic
from traffic.models import Proxy
from traffic.queries import TAP_COUNTS

RECENT = timedelta(minutes=5)


class BanyanCollector(Collector):
    """Gauges over the rows that decide."""

    def collect(self) -> Iterator[Metric]:
        """Yield weight, hold, verdicts, proxies, ledger size and the worker's age."""
        now = timezone.now()
        yield from _migrations(now)
        yield from _evidence(now)
        yield _decisions()
        verdicts = GaugeMetricFamily(
            "banyan_gate_verdict",
            "1 for the gate's present verdict",
            labels=["migration", "gate", "verdict"],
        )
        ages = GaugeMetricFamily(
            "banyan_gate_age_seconds",
            "age of the gate's newest evaluation",
            labels=["migration", "gate"],
        )
        newest = GateEvaluation.objects.filter(latest=True, route="", migration__phase__in=LIVE)
        for row in newest.select_related("migration"):
            verdicts.add_metric([row.migration.slug, row.gate, row.verdict], 1)
            ages.add_metric([row.migration.slug, row.gate], (now - row.at).total_seconds())
        yield verdicts
        yield ages
        seen = GaugeMetricFamily(
            "banyan_proxy_last_seen_seconds",
            "age of a proxy's last report",
            labels=["proxy", "state"],
        )
        lag = GaugeMetricFamily(
            "banyan_proxy_generation_lag",
            "snapshots that a proxy is behind its group",
            labels=["proxy"],
        )
        for proxy in Proxy.objects.exclude(last_seen_at=None).select_related("group"):
            if proxy.last_seen_at:
                age = (now - proxy.last_seen_at).total_seconds()
                seen.add_metric([proxy.name, proxy.state], age)
                lag.add_metric([proxy.name], max(0, proxy.group.generation - proxy.generation))
        yield seen
        yield lag
        yield from _ledger(now)
        worker = worker_state(now=now)
        if worker["age_s"] is not None:
            yield GaugeMetricFamily(
                "banyan_worker_age_seconds", "last work of a worker", value=worker["age_s"]
            )
        if worker["pairs_read_age_s"] is not None:
            yield GaugeMetricFamily(
                "banyan_pairs_read_age_seconds",
                "age of the last read of the stream of pairs",
                value=worker["pairs_read_age_s"],
            )


def _migrations(now: datetime) -> Iterator[Metric]:
    weight = GaugeMetricFamily(
        "banyan_migration_weight_percent",
        "asked share of the candidate",
        labels=["migration", "phase"],
    )
    held = GaugeMetricFamily("banyan_migration_held", "1 while held", labels=["migration"])
    took = GaugeMetricFamily(
        "banyan_place_accepted_seconds",
        "time from the present place's decision to its acceptance by the last proxy, or until now",
        labels=["migration"],
    )
    for row in ServiceMigration.objects.all():
        weight.add_metric([row.slug, row.phase], row.weight)
        held.add_metric([row.slug], float(row.held))
        if row.phase in LIVE:
            until = row.accepted_at or now
            took.add_metric([row.slug], max(0.0, (until - row.placed_at).total_seconds()))
    yield weight
    yield held
    yield took


def _evidence(now: datetime) -> Iterator[Metric]:
    """Yield what became of sampled requests and pairs in the last five minutes."""
    since = now - RECENT
    pairs = GaugeMetricFamily(
        "banyan_pairs_recent",
        "pairs of the last five minutes by what became of them",
        labels=["migration", "result"],
    )
    sampled = GaugeMetricFamily(
        "banyan_sampled_recent",
        "sampled requests of the last five minutes by what became of them",
        labels=["migration", "result"],
    )
    blocks = PairBlock.objects.filter(kind="forward", start__gte=int(since.timestamp()))
    for row in ServiceMigration.objects.filter(phase__in=LIVE).select_related("split"):
        found = blocks.filter(pair=row.pair_id).aggregate(
            compared=Sum("compared"), mismatched=Sum("mismatched")
        )
        for result in ("compared", "mismatched"):
            pairs.add_metric([row.slug, result], found[result] or 0)
        routes = traffic.accounting(split=row.split.name, since=since).values()
        for result in TAP_COUNTS:
            sampled.add_metric([row.slug, result], sum(counts[result] for counts in routes))
    yield pairs
    yield sampled


def _decisions() -> Metric:
    made = CounterMetricFamily(
        "banyan_decisions", "decisions ever made", labels=["action", "actor_kind"]
    )
    counted = Decision.objects.order_by().values("action", "actor_kind").annotate(n=Count("pk"))
    for row in counted:
        made.add_metric([row["action"], row["actor_kind"]], row["n"])
    return made


def _ledger(now: datetime) -> Iterator[Metric]:
    found = ledger.glance(now=now)
    yield GaugeMetricFamily("banyan_ledger_entries", "entries", value=found.entries)
    yield GaugeMetricFamily(
        "banyan_ledger_anchored_entries", "entries that an anchor vouches for", value=found.size
    )
    yield GaugeMetricFamily(
        "banyan_ledger_unanchored_seconds",
        "age of the oldest entry that no anchor vouches for",
        value=found.unanchored_s,
    )
    state = GaugeMetricFamily(
        "banyan_ledger_anchor_state", "1 for the present state", labels=["state"]
    )
    for name in ("anchored", "unanchored", "freeze"):
        state.add_metric([name], float(found.state == name))
    yield state
    yield GaugeMetricFamily(
        "banyan_ledger_promotion_closed",
        "1 while the ledger keeps promotions closed",
        value=float(bool(found.promotion_closed)),
    )


REGISTRY = CollectorRegistry()
REGISTRY.register(BanyanCollector())
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus' text format."""
    text = generate_latest(REGISTRY) + generate_latest(OWN)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)
