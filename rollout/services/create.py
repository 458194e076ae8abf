"""Describe a migration: its two services, its routes, its split, in draft."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from audit import services as ledger
from audit.chain import Actor
from rollout.exceptions import ConflictError, InvalidError
from rollout.lifecycle import Phase, Place
from rollout.models import CanaryStep, ServiceMigration
from rollout.policy import PRESETS, Policy
from rollout.services.decide import ENDED_PHASES
from rollout.services.states import whole_policy_body
from shadow import services as shadow
from shadow.addresses import Address, AddressError, parse_address
from shadow.models import ServicePair
from traffic import services as traffic
from traffic.models import ProxyGroup, Split


@dataclass(frozen=True, slots=True)
class RouteInput:
    """A route as its owner declares it."""

    method: str
    path: str
    safe_to_duplicate: bool
    ignore: tuple[str, ...] = ()
    atol: float = 1e-4


@dataclass(frozen=True, slots=True)
class NewMigration:
    """What a person or a pipeline gives to describe a migration."""

    slug: str
    title: str
    team: str
    legacy_url: str
    candidate_url: str
    routes: tuple[RouteInput, ...]
    policy: str = "guide"
    group: str = "default"


def create_migration(
    *, given: NewMigration, actor: Actor, now: datetime, request_id: str = ""
) -> ServiceMigration:
    """Describe a migration in draft; nothing is mirrored yet."""
    legacy, candidate = _checked(given.legacy_url, given.candidate_url)
    policy = _preset(given.policy)
    if not given.routes:
        raise InvalidError("A migration needs at least one route.", field="routes")
    with transaction.atomic():
        group = _group(given.group)
        traffic.lock_group(group.pk)
        if ServiceMigration.objects.filter(slug=given.slug).exists():
            raise ConflictError(
                f"A migration named {given.slug} exists.", code="exists", field="slug"
            )
        pair = _create_pair(given, legacy, candidate, policy)
        split = _create_split(given, legacy, candidate, policy, group)
        # From now on proxies of the group send everything to legacy, as a draft should.
        snapshot = traffic.publish(group_id=group.pk, now=now)
        entry = ledger.append(
            actor=actor,
            action="migration:create",
            body={
                "migration": given.slug,
                "to": {**Place(Phase.DRAFT).to_dict(), "version": 0, "held": False},
                "team": given.team,
                "services": {"legacy": legacy.url, "candidate": candidate.url},
                "policy": whole_policy_body(policy),
                "reason": "",
                "request_id": request_id,
            },
            now=now,
        )
        migration = ServiceMigration.objects.create(
            slug=given.slug,
            title=given.title or given.slug,
            team=given.team,
            pair=pair,
            split=split,
            policy=policy.to_dict(),
            placed_at=now,
            placed_generation=snapshot.generation,
            created_at=now,
            last_audit_seq=entry,
        )
        CanaryStep.objects.bulk_create(
            CanaryStep(
                migration=migration,
                index=index,
                weight=step.weight,
                bake_seconds=step.bake_seconds,
                min_requests=step.min_requests,
            )
            for index, step in enumerate(policy.steps)
        )
    return migration


def change_addresses(
    *, slug: str, legacy_url: str, candidate_url: str, actor: Actor, now: datetime
) -> bool:
    """Point a migration at other addresses of the same services; False when nothing differs."""
    legacy, candidate = _checked(legacy_url, candidate_url)
    with transaction.atomic():
        migration = (
            ServiceMigration.objects.select_for_update(of=("self",))
            .select_related("pair", "split")
            .get(slug=slug)
        )
        pair, split = migration.pair, migration.split
        if (pair.legacy_url, pair.candidate_url) == (legacy.url, candidate.url):
            return False
        ServicePair.objects.filter(pk=pair.pk).update(
            legacy_url=legacy.url, candidate_url=candidate.url
        )
        traffic.lock_group(split.group_id)
        Split.objects.filter(pk=split.pk).update(
            legacy_host=legacy.host,
            legacy_port=legacy.port,
            candidate_host=candidate.host,
            candidate_port=candidate.port,
        )
        traffic.publish(group_id=split.group_id, now=now)
        ledger.append(
            actor=actor,
            action="migration:addresses",
            body={
                "migration": slug,
                "from_services": {"legacy": pair.legacy_url, "candidate": pair.candidate_url},
                "services": {"legacy": legacy.url, "candidate": candidate.url},
            },
            now=now,
        )
    return True


def _checked(legacy_url: str, candidate_url: str) -> tuple[Address, Address]:
    found = []
    for field, url in (("legacy_url", legacy_url), ("candidate_url", candidate_url)):
        try:
            found.append(parse_address(url))
        except AddressError as exc:
            raise InvalidError(str(exc), field=field, code="bad_address") from exc
    if found[0] == found[1]:
        raise InvalidError(
            "Legacy and candidate have the same address.",
            field="candidate_url",
            code="same_upstream",
        )
    return found[0], found[1]


def _preset(name: str) -> Policy:
    if name not in PRESETS:
        known = ", ".join(PRESETS)
        raise InvalidError(f"There is no policy {name!r}. Choose one of: {known}.", field="policy")
    return PRESETS[name]


def _group(name: str) -> ProxyGroup:
    group = ProxyGroup.objects.filter(name=name).first()
    if group is None:
        raise InvalidError(f"There is no proxy group {name!r}.", field="group")
    return group


def _create_pair(
    given: NewMigration, legacy: Address, candidate: Address, policy: Policy
) -> ServicePair:
    return shadow.create_pair(
        name=given.slug,
        legacy_url=legacy.url,
        candidate_url=candidate.url,
        block_seconds=policy.block_seconds,
        routes=[
            {
                "method": r.method,
                "path": r.path,
                "safe_to_duplicate": r.safe_to_duplicate,
                "ignore": list(r.ignore),
                "atol": r.atol,
            }
            for r in given.routes
        ],
    )


def _make_room(group: ProxyGroup, legacy: Address) -> None:
    """Let the group's ended migration give way; its users go on to where they are served now.

    The new migration's legacy must be that service: describing a draft moves nobody.
    """
    before = (
        ServiceMigration.objects.select_related("split")
        .filter(split__group=group, split__path_prefix="/", split__retired=False)
        .first()
    )
    if before is None:
        return
    if before.phase not in ENDED_PHASES:
        raise ConflictError(
            f"Proxy group {group.name} carries {before.slug}, which is not over. "
            "Use another group.",
            code="group_taken",
            field="group",
        )
    gone = before.phase == Phase.DECOMMISSIONED
    serves = before.pair.candidate_url if gone else before.pair.legacy_url
    if parse_address(serves) != legacy:
        raise ConflictError(
            f"After {before.slug} the proxies of {group.name} send everybody to {serves}. "
            "That is the legacy that a new migration of this group begins with.",
            code="another_service",
            field="legacy_url",
        )
    Split.objects.filter(pk=before.split_id).update(retired=True)


def _create_split(
    given: NewMigration, legacy: Address, candidate: Address, policy: Policy, group: ProxyGroup
) -> Split:
    _make_room(group, legacy)
    try:
        return Split.objects.create(
            group=group,
            name=given.slug,
            legacy_host=legacy.host,
            legacy_port=legacy.port,
            candidate_host=candidate.host,
            candidate_port=candidate.port,
            seed=int.from_bytes(hashlib.sha256(uuid.uuid4().bytes).digest()[:4], "big"),
            shadow_tth=policy.shadow_tth,
            noise_tth=policy.noise_tth,
            canary_shadow_tth=policy.shadow_tth,
            warmup_s=policy.warmup_s,
            block_seconds=policy.block_seconds,
            routes=[
                {
                    "route": f"{r.method} {r.path}",
                    "method": r.method,
                    "path": r.path,
                    "safe_to_duplicate": r.safe_to_duplicate,
                }
                for r in given.routes
            ],
        )
    except IntegrityError as exc:
        raise ConflictError(
            f"A split named {given.slug} exists.", code="exists", field="slug"
        ) from exc
