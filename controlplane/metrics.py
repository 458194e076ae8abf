"""`/metrics`: Banyan watched by Prometheus, read from rows so that every process agrees."""

from collections.abc import Iterator
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from audit import queries as ledger
from controlplane.health import worker_state
from rollout.models import GateEvaluation, ServiceMigration
from traffic.models import Proxy


class BanyanCollector(Collector):
    """Gauges over the rows that decide."""

    def collect(self) -> Iterator[Metric]:
        """Yield weight, hold, verdicts, proxies, ledger size and the worker's age."""
        yield from _migrations()
        verdicts = GaugeMetricFamily(
            "banyan_gate_verdict",
            "1 for the gate's present verdict",
            labels=["migration", "gate", "verdict"],
        )
        for row in GateEvaluation.objects.filter(latest=True).select_related("migration"):
            verdicts.add_metric([row.migration.slug, row.gate, row.verdict], 1)
        yield verdicts
        seen = GaugeMetricFamily(
            "banyan_proxy_last_seen_seconds",
            "age of a proxy's last report",
            labels=["proxy", "state"],
        )
        now = timezone.now()
        for proxy in Proxy.objects.exclude(last_seen_at=None):
            if proxy.last_seen_at:
                age = (now - proxy.last_seen_at).total_seconds()
                seen.add_metric([proxy.name, proxy.state], age)
        yield seen
        yield from _ledger(now)
        age_s = worker_state(now=now)["age_s"]
        if age_s is not None:
            yield GaugeMetricFamily(
                "banyan_worker_age_seconds", "last work of a worker", value=age_s
            )


def _migrations() -> Iterator[Metric]:
    weight = GaugeMetricFamily(
        "banyan_migration_weight_percent",
        "asked share of the candidate",
        labels=["migration", "phase"],
    )
    held = GaugeMetricFamily("banyan_migration_held", "1 while held", labels=["migration"])
    for row in ServiceMigration.objects.all():
        weight.add_metric([row.slug, row.phase], row.weight)
        held.add_metric([row.slug], float(row.held))
    yield weight
    yield held


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
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)
