"""A small fleet with believable traffic, for looking at pages: every number is made from rows."""

import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from unittest.mock import patch

from django.contrib.auth.models import Group, User

from judge.histogram import add_many
from rollout import gates, services
from rollout.lifecycle import Action
from rollout.models import ServiceMigration
from rollout.policy import DEMO, PRESETS, STEP_GATES
from shadow.models import MismatchGroup, MismatchSample, PairBlock, ProbeResult, ServicePair
from tests.rollout.builders import OPERATOR, fresh, given
from traffic import services as traffic
from traffic.models import Acknowledgement, Proxy, RoutingBlock, Split, TapBlock, TrafficBlock

PASSWORD = "correct horse battery staple"
BLOCK = 2
APART = "$.outputs[2] is 0.5, the candidate's 0.5003: 0.0003 apart"
DRIFTING = "recs-ranker"
ROUTES = ("POST /infer", "POST /v1/infer")


def people() -> None:
    for name in ("operator", "viewer", "approver", "lead"):
        user = User.objects.create_user(name, password=PASSWORD)
        user.groups.add(Group.objects.get_or_create(name=name)[0])


def make(slug: str, *, now: datetime, **changes) -> ServiceMigration:
    """In draft, with a proxy group of its own."""
    group = traffic.create_group(name=slug, now=now)
    traffic.register_proxy(group=group, name=f"edge-{slug}", token=slug, now=now)
    port = 9100 + 2 * ServiceMigration.objects.count()
    values = given(
        slug=slug,
        group=slug,
        legacy_url=f"http://10.0.0.5:{port}",
        candidate_url=f"http://10.0.0.5:{port + 1}",
        **{"title": slug, **changes},
    )
    # The drawn fleet has pairs and keys, and says nothing of latency and errors.
    asked = tuple(g for g in DEMO.gates if g.gate in ("discrepancy", *STEP_GATES))
    with patch.dict(PRESETS, demo=replace(DEMO, gates=asked)):
        return services.create_migration(given=values, actor=OPERATOR, now=now)


def proxy_of(made: ServiceMigration) -> Proxy:
    return Proxy.objects.get(group_id=made.split.group_id)


def accept(made: ServiceMigration, *, at: datetime, seen: datetime | None = None) -> None:
    """The proxy uses the present place, and the place is in effect."""
    made, proxy = fresh(made), proxy_of(made)
    Proxy.objects.filter(pk=proxy.pk).update(
        state="accepted", generation=made.placed_generation, last_seen_at=seen or at
    )
    Acknowledgement.objects.get_or_create(
        proxy=proxy, generation=made.placed_generation, state="accepted", defaults={"at": at}
    )
    ServiceMigration.objects.filter(pk=made.pk).update(accepted_at=at, in_effect_at=at)


def seen(made: ServiceMigration, *, at: datetime) -> None:
    Proxy.objects.filter(pk=proxy_of(made).pk).update(last_seen_at=at)


def migration(slug: str, *, now: datetime, minutes: float, **changes) -> ServiceMigration:
    """In dual-run since `minutes`, both builds known, accepted by the one proxy."""
    began = now - timedelta(minutes=minutes)
    made = make(slug, now=began, **changes)
    ServicePair.objects.filter(pk=made.pair_id).update(
        legacy_build="2.41.3", candidate_build="0.9.2", probing=True
    )
    decide(slug, Action.START, now=began, reason="Both teams agreed on the window.")
    accept(made, at=began + timedelta(seconds=2))
    seen(made, at=now)
    probes(fresh(made), now=now)
    return fresh(made)


def decide(slug: str, action: Action, *, now: datetime, reason: str, to_weight: int = 0):
    return services.decide(
        slug=slug,
        action=action,
        version=None,
        reason=reason,
        actor=OPERATOR,
        now=now,
        request_id="",
        to_weight=to_weight,
    )


def in_effect(made: ServiceMigration, *, at: datetime, now: datetime) -> ServiceMigration:
    accept(made, at=at, seen=now)
    return fresh(made)


def shadow_history(
    made: ServiceMigration,
    *,
    since: datetime,
    until: datetime,
    per_block: int = 90,
    mismatch: float = 0.0,
    noise: float = 0.0,
    taps: bool = True,
    seed: int = 1,
) -> None:
    """Pairs per block and route, mismatched at a rate, with the noise floor under it."""
    dice = random.Random(seed)  # noqa: S311
    pair = ServicePair.objects.get(pk=made.pair_id)
    first = int(since.timestamp()) // BLOCK * BLOCK + BLOCK
    rows = []
    for start in range(first, int(until.timestamp()) - BLOCK, BLOCK):
        for route in ROUTES:
            n = dice.randint(per_block - 12, per_block + 12)
            k = sum(dice.random() < mismatch for _ in range(n))
            rows.append(_block(pair, route, "forward", start, n, k))
        m = sum(dice.random() < noise for _ in range(per_block // 5))
        rows.append(_block(pair, ROUTES[0], "noise", start, per_block // 5, m))
    PairBlock.objects.bulk_create(rows, ignore_conflicts=True)
    if not taps:
        return
    sampled = sum(r.compared for r in rows if r.kind == "forward")
    TapBlock.objects.create(
        proxy=proxy_of(made),
        boot="b",
        split=made.split.name,
        route=ROUTES[0],
        start=first,
        seconds=BLOCK,
        sampled=sampled + 41,
        pairs=sampled,
        unpaired=33,
        truncated=8,
    )


def _block(pair, route, kind, start, n, k):
    return PairBlock(
        pair=pair,
        route=route,
        kind=kind,
        builds=pair.builds,
        start=start,
        seconds=BLOCK,
        compared=n,
        mismatched=k,
    )


def traffic_history(
    made: ServiceMigration,
    *,
    now: datetime,
    weight: float,
    rps: int = 100,
    minutes: float = 5,
    legacy_ms: float = 46,
    candidate_ms: float = 11.7,
    errors: float = 0.0002,
    keys: int = 40,
    seed: int = 2,
) -> None:
    """Requests, latencies and keys of both sides up to now."""
    dice = random.Random(seed)  # noqa: S311
    proxy = proxy_of(made)
    split = Split.objects.get(pk=made.split_id)
    first = int((now - timedelta(minutes=minutes)).timestamp()) // BLOCK * BLOCK
    arms = {
        "legacy": (rps * (1 - weight), legacy_ms),
        "candidate" if weight else "candidate_shadow": (
            rps * weight if weight else rps,
            candidate_ms,
        ),
    }
    blocks, routing, key = [], [], 0
    for start in range(first, int(now.timestamp()) - BLOCK, BLOCK):
        sent = {}
        for arm, (rate, p99) in arms.items():
            requests = max(0, round(rate * BLOCK * dice.uniform(0.93, 1.07)))
            if not requests:
                continue
            sent[arm] = requests
            histogram: dict[int, int] = {}
            mean = p99 * 1000 / 3.2
            add_many(
                histogram,
                [int(mean * dice.lognormvariate(0, 0.45)) for _ in range(min(requests, 16))],
            )
            failed = sum(dice.random() < errors for _ in range(requests))
            blocks.append(
                TrafficBlock(
                    proxy=proxy,
                    boot="b",
                    split=split.name,
                    route=ROUTES[0],
                    arm=arm,
                    start=start,
                    seconds=BLOCK,
                    requests=requests,
                    errors=failed,
                    latency={"all": {str(k): v for k, v in histogram.items()}},
                )
            )
        fresh_keys = keys if start < first + 60 else 0
        ours = round(fresh_keys * weight)
        hashes = [n.to_bytes(8, "big") for n in range(key + 1, key + fresh_keys + 1)]
        key += fresh_keys
        routing.append(
            RoutingBlock(
                proxy=proxy,
                boot="b",
                split=split.name,
                epoch=split.epoch,
                start=start,
                seconds=BLOCK,
                arms={"candidate": sent.get("candidate", 0), "legacy": sent.get("legacy", 0)},
                candidate_keys=b"".join(hashes[:ours]),
                legacy_keys=b"".join(hashes[ours:]),
            )
        )
    TrafficBlock.objects.bulk_create(blocks, ignore_conflicts=True)
    RoutingBlock.objects.bulk_create(routing, ignore_conflicts=True)


def probes(made: ServiceMigration, *, now: datetime, candidate: int = 200) -> None:
    ProbeResult.objects.bulk_create(
        ProbeResult(
            pair_id=made.pair_id,
            side=side,
            endpoint=path,
            at=now,
            status=status,
            duration_us=us,
            build=build,
        )
        for side, status, us, build in (
            ("legacy", 200, 3900, "2.41.3"),
            ("candidate", candidate, 840, "0.9.2"),
        )
        for path in ("/healthz", "/readyz")
    )


def drift_causes(made: ServiceMigration, *, now: datetime, total: int = 931) -> None:
    """Three causes with kept examples: drift, a type, a status."""
    pair = ServicePair.objects.get(pk=made.pair_id)
    causes = (
        ("$.outputs[*]", "number", 0.656, 3.1e-4, APART),
        ("$.model", "type", 0.25, None, "$.model is a JSON string, the candidate's a JSON number"),
        ("$", "status", 0.09, None, "legacy answered 422, the candidate 400"),
    )
    for path, kind, share, distance, text in causes:
        group = MismatchGroup.objects.create(
            pair=pair,
            builds=pair.builds,
            pair_kind="forward",
            route="POST /v1/infer",
            path=path,
            kind=kind,
            description=text,
            count=int(total * share),
            max_distance=distance,
            first_seen_at=now - timedelta(minutes=3),
            last_seen_at=now - timedelta(seconds=4),
        )
        for i in range(4):
            _sample(group, i, path, kind, text, now)


def _sample(group, i, path, kind, text, now):
    outputs = [0.1 + 0.2 * n for n in range(24)]
    theirs = [*outputs]
    theirs[2] += 3e-4
    theirs[9] += 3e-5
    legacy = {"model": "14", "outputs": outputs, "latency_ms": 9.1, "version": "2.41.3"}
    candidate = {
        "model": 14 if kind == "type" else "14",
        "outputs": theirs if kind == "number" else outputs,
        "latency_ms": 2.3,
        "version": "0.9.2",
    }
    where = path.replace("[*]", "[2]")
    MismatchSample.objects.create(
        group=group,
        sample_id=f"8f0c{i}9d3e-51d{i}",
        at=now - timedelta(seconds=90 - 20 * i),
        method="POST",
        path="/v1/infer",
        request_body=json.dumps({"model": "14", "inputs": [0, 1, 2], "top_k": 5}),
        legacy_status=422 if kind == "status" else 200,
        legacy_body=json.dumps(legacy),
        legacy_us=9100,
        candidate_status=400 if kind == "status" else 200,
        candidate_body=json.dumps(candidate),
        candidate_us=2300,
        differences=[{"path": where, "kind": kind, "text": text}],
        expires_at=now + timedelta(days=7),
    )


def measure(made: ServiceMigration, *, now: datetime) -> None:
    """Store what the scheduled evaluation would."""
    made = fresh(made)
    services.keep_evaluations(migration=made, results=gates.evaluate(made, now=now), now=now)


def fleet(now: datetime) -> None:
    """The whole small world."""
    people()
    ready(now)
    ready(now, slug="doc-ranker")
    canary(now)
    drifting(now)
    collecting(now)
    finished(now)
    make("geo-lookup", now=now, title="Geo lookup", team="maps")


def canary(now: datetime, slug: str = "fraud-scorer") -> ServiceMigration:
    """At 25 %, held back by its bake time alone."""
    made = migration(slug, now=now, minutes=12, team="sre-inference")
    at5 = now - timedelta(minutes=8)
    rates = {"mismatch": 0.00005, "noise": 2e-5}
    shadow_history(made, since=now - timedelta(minutes=11), until=at5, **rates)
    traffic_history(made, now=at5, weight=0, minutes=1)
    decide(slug, Action.PROMOTE, now=at5, reason="Shadow passed, nobody deploys until noon.")
    made = in_effect(made, at=at5 + timedelta(seconds=1), now=now)
    traffic_history(made, now=now - timedelta(minutes=2), weight=0.05, minutes=5.5, rps=412)
    at25 = now - timedelta(seconds=100)
    shadow_history(made, since=at5, until=at25, seed=2, **rates)
    seen(made, at=at25)
    decide(slug, Action.PROMOTE, now=at25, reason="All gates passed at 5%. Pager quiet overnight.")
    made = in_effect(made, at=at25 + timedelta(seconds=1), now=now)
    traffic_history(made, now=now, weight=0.25, minutes=1.6, rps=412, seed=5)
    shadow_history(made, since=at25, until=now, seed=3, **rates)
    Split.objects.filter(pk=made.split_id).update(weight_tth=2500)
    measure(made, now=now)
    return made


def drifting(now: datetime, slug: str = DRIFTING) -> ServiceMigration:
    """In dual-run, failed: 0.31 % differ."""
    made = migration(slug, now=now, minutes=6, team="recommendations")
    shadow_history(made, since=now - timedelta(minutes=5), until=now, mismatch=0.0031, noise=1e-4)
    traffic_history(made, now=now, weight=0)
    drift_causes(made, now=now)
    measure(made, now=now)
    return made


def collecting(now: datetime, slug: str = "intent-router") -> ServiceMigration:
    """In dual-run since half a minute."""
    made = migration(slug, now=now, minutes=0.6, team="assist")
    shadow_history(made, since=now - timedelta(seconds=30), until=now, per_block=20)
    traffic_history(made, now=now, weight=0, minutes=0.5, rps=40)
    measure(made, now=now)
    return made


def ready(now: datetime, slug: str = "search-embedder") -> ServiceMigration:
    """In dual-run, every gate open."""
    made = migration(slug, now=now, minutes=7, team="search")
    shadow_history(made, since=now - timedelta(minutes=6), until=now)
    traffic_history(made, now=now, weight=0)
    measure(made, now=now)
    return made


def finished(now: datetime, slug: str = "churn-model") -> ServiceMigration:
    """Full: every step taken."""
    made = migration(slug, now=now, minutes=12, team="growth-ml")
    compared = now - timedelta(minutes=12)
    for step in range(5):
        at = now - timedelta(minutes=8 - 1.5 * step)
        shadow_history(made, since=compared, until=at, per_block=60, seed=step)
        compared = at
        before = (0, 0.05, 0.25, 0.5, 1.0)[step]
        Split.objects.filter(pk=made.split_id).update(weight_tth=int(before * 10_000))
        if step:
            traffic_history(made, now=at, weight=before, minutes=1.4, seed=step)
        else:
            traffic_history(made, now=at, weight=0, minutes=1)
        seen(made, at=at)
        decide(slug, Action.PROMOTE, now=at, reason="Gates pass.")
        made = in_effect(made, at=at + timedelta(seconds=1), now=at)
    seen(made, at=now)
    shadow_history(made, since=compared, until=now, per_block=60, seed=9)
    traffic_history(made, now=now, weight=1.0, minutes=1.9, seed=9)
    measure(made, now=now)
    return made


def tick(now: datetime) -> None:
    """Let two seconds of the world pass: proxies report, services answer, gates are measured."""
    for made in ServiceMigration.objects.exclude(phase="draft").select_related("pair", "split"):
        seen(made, at=now)
        ProbeResult.objects.filter(pair=made.pair).update(at=now)
        traffic_history(made, now=now, weight=made.weight / 100, minutes=2.1 * BLOCK / 60, keys=0)
        drifts = made.slug == DRIFTING and made.weight == 0
        shadow_history(
            made,
            since=now - timedelta(seconds=3 * BLOCK),
            until=now,
            mismatch=0.0031 if drifts else 0,
            taps=False,
            seed=int(now.timestamp()),
        )
        measure(made, now=now)
