"""Builders of migrations at a wanted place, with the evidence that a test needs."""

from datetime import UTC, datetime, timedelta

from audit.chain import Actor
from rollout import services
from rollout.lifecycle import Action
from rollout.models import ServiceMigration
from rollout.services import NewMigration, RouteInput
from shadow.models import PairBlock, ServicePair
from traffic import services as traffic
from traffic.models import Acknowledgement, Proxy, ProxyGroup, RoutingBlock, Split, TrafficBlock

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
OPERATOR = Actor(kind="user", name="olga", role="operator")
ROUTES = (
    RouteInput("POST", "/infer", safe_to_duplicate=True),
    RouteInput("POST", "/v1/infer", safe_to_duplicate=True, ignore=("$.latency_ms",)),
)


def given(**changes):
    values = {
        "slug": "embeddings",
        "title": "Embeddings",
        "team": "inference",
        "legacy_url": "http://127.0.0.1:9001",
        "candidate_url": "http://127.0.0.1:9002",
        "routes": ROUTES,
        "policy": "demo",
        "group": "default",
    }
    return NewMigration(**{**values, **changes})


def make_migration(*, now=NOW, **changes) -> ServiceMigration:
    if not ProxyGroup.objects.filter(name="default").exists():
        group = traffic.create_group(name="default", now=now)
        traffic.register_proxy(group=group, name="edge-1", token="secret", now=now)
    return services.create_migration(given=given(**changes), actor=OPERATOR, now=now)


def in_dual_run(*, now=NOW, monkeypatch=None) -> ServiceMigration:
    migration = make_migration(now=now)
    ServicePair.objects.filter(pk=migration.pair_id).update(
        legacy_build="legacy-1", candidate_build="candidate-1"
    )
    Proxy.objects.update(last_seen_at=now)
    services.decide(
        slug=migration.slug,
        action=Action.START,
        version=0,
        reason="",
        actor=OPERATOR,
        now=now,
        request_id="",
    )
    return fresh(migration)


def fresh(migration: ServiceMigration) -> ServiceMigration:
    return ServiceMigration.objects.select_related("pair", "split").get(pk=migration.pk)


def accept(migration: ServiceMigration, *, at: datetime) -> None:
    """Let every proxy accept the present place and the place be in effect."""
    migration = fresh(migration)
    for proxy in Proxy.objects.all():
        Proxy.objects.filter(pk=proxy.pk).update(
            state="accepted", generation=migration.placed_generation, last_seen_at=at
        )
        Acknowledgement.objects.get_or_create(
            proxy=proxy,
            generation=migration.placed_generation,
            state="accepted",
            defaults={"at": at},
        )
    ServiceMigration.objects.filter(pk=migration.pk).update(accepted_at=at, in_effect_at=at)


def add_pairs(migration: ServiceMigration, *, compared: int, mismatched: int = 0, at: datetime):
    pair = ServicePair.objects.get(pk=migration.pair_id)
    for rule in pair.routes.all():
        PairBlock.objects.create(
            pair=pair,
            route=rule.label,
            kind="forward",
            builds=pair.builds,
            start=int(at.timestamp()),
            seconds=2,
            compared=compared,
            mismatched=mismatched,
        )


def add_keys(migration: ServiceMigration, *, candidate: int, legacy: int, at: datetime):
    proxy = Proxy.objects.first()
    keys = [n.to_bytes(8, "big") for n in range(1, candidate + legacy + 1)]
    RoutingBlock.objects.create(
        proxy=proxy,
        boot="b",
        split=migration.split.name,
        epoch=split_of(migration).epoch,
        start=int(at.timestamp()) + 2,
        seconds=2,
        arms={"candidate": candidate, "legacy": legacy},
        candidate_keys=b"".join(keys[:candidate]),
        legacy_keys=b"".join(keys[candidate:]),
    )
    TrafficBlock.objects.create(
        proxy=proxy,
        boot="b",
        split=migration.split.name,
        route="POST /infer",
        arm="candidate",
        start=int(at.timestamp()) + 2,
        seconds=2,
        requests=candidate * 10,
    )


def add_latencies(migration: ServiceMigration, *, at: datetime, legacy=400, candidate=200):
    """3,000 sampled requests per route, legacy's and the copies', each side in one bucket."""
    proxy = Proxy.objects.first()
    for rule in ServicePair.objects.get(pk=migration.pair_id).routes.all():
        for arm, part, bucket in (
            ("legacy", "even", legacy),
            ("candidate_shadow", "odd", candidate),
        ):
            TrafficBlock.objects.create(
                proxy=proxy,
                boot="latencies",
                split=migration.split.name,
                route=rule.label,
                arm=arm,
                start=int(at.timestamp()),
                seconds=2,
                requests=6000,
                latency={"table": "us-1pct-v1", "all": {}, part: {str(bucket): 3000}},
            )


def ready_for_canary(*, now=NOW) -> ServiceMigration:
    """In dual-run, a clean minute and a half of pairs behind it, every gate open."""
    migration = in_dual_run(now=now - timedelta(seconds=90))
    accept(migration, at=now - timedelta(seconds=80))
    Proxy.objects.update(last_seen_at=now)
    migration = fresh(migration)
    add_pairs(migration, compared=5000, at=now - timedelta(seconds=60))
    add_keys(migration, candidate=0, legacy=400, at=now - timedelta(seconds=60))
    add_latencies(migration, at=now - timedelta(seconds=60))
    return fresh(migration)


def split_of(migration: ServiceMigration) -> Split:
    return Split.objects.get(pk=migration.split_id)
