"""Verbs that write. `_decide` is the only writer of phase, step, weight and version.

A decision is one transaction: lock the migration, check the version, ask the data plane for the
new split, append to the ledger, compare-and-swap the row. Locks are always taken in the order
migration, proxy group, ledger head.
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from audit import services as ledger
from audit.chain import Actor
from rollout import gates
from rollout.exceptions import (
    ConflictError,
    GatesClosedError,
    InvalidError,
    RefusalError,
    StaleVersionError,
)
from rollout.lifecycle import Action, Move, NotAllowedError, Phase, Place, move, next_place
from rollout.models import CanaryStep, ChecklistItem, Decision, GateEvaluation, ServiceMigration
from rollout.policy import CHECKLIST, PRESETS, Policy
from shadow import services as shadow
from shadow.addresses import Address, AddressError, parse_address
from shadow.models import ServicePair
from traffic import services as traffic
from traffic.models import ProxyGroup, Split

MAX_REASON = 2000


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
    legacy, candidate = _addresses(given)
    policy = _preset(given.policy)
    if not given.routes:
        raise InvalidError("A migration needs at least one route.", field="routes")
    with transaction.atomic():
        group = _group(given.group)
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
                "policy": _policy_body(policy),
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
        ChecklistItem.objects.bulk_create(
            ChecklistItem(migration=migration, key=key) for key in CHECKLIST
        )
    return migration


def start(
    *,
    slug: str,
    version: int | None,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> Decision:
    """Begin dual-run: both services must answer, and a proxy must be connected."""
    migration = _get(slug)
    tested = shadow.check_connections(migration.pair)
    if tested.problems:
        raise ConflictError(
            " ".join(tested.problems), code="not_reachable", problems=list(tested.problems)
        )
    if not gates.fleet_connected(migration, now=now):
        raise ConflictError(
            "No proxy of this group is connected. Start an edge beside an Envoy first.",
            code="no_proxy",
        )
    shadow.note_builds(
        pair=migration.pair, legacy=tested.legacy_build, candidate=tested.candidate_build
    )
    return _decide(
        slug=slug,
        action=Action.START,
        version=version,
        reason=reason,
        actor=actor,
        now=now,
        request_id=request_id,
    )


def promote(
    *,
    slug: str,
    version: int,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
    expected_weight: int | None = None,
) -> Decision:
    """Move one place to the right; every gate of that place must PASS now.

    `expected_weight` is what the caller believes comes next: another one is refused, so that a
    pipeline cannot skip or mistake a step.
    """
    if not reason.strip():
        raise InvalidError("Say why you promote.", field="reason")
    _check_expected(_get(slug), expected_weight)
    return _decide(
        slug=slug,
        action=Action.PROMOTE,
        version=version,
        reason=reason,
        actor=actor,
        now=now,
        request_id=request_id,
    )


def hold(
    *,
    slug: str,
    reason: str,
    actor: Actor,
    now: datetime,
    version: int | None = None,
    request_id: str = "",
) -> Decision | None:
    """Stop advancing; the weight stays. Holding what is held changes nothing and returns None."""
    if _get(slug).held and version is None:
        return None
    if not reason.strip():
        raise InvalidError("Say why you hold.", field="reason")
    return _decide(
        slug=slug,
        action=Action.HOLD,
        version=version,
        reason=reason,
        actor=actor,
        now=now,
        request_id=request_id,
    )


def resume(
    *,
    slug: str,
    reason: str,
    actor: Actor,
    now: datetime,
    version: int | None = None,
    request_id: str = "",
) -> Decision:
    """Allow advancing again; never promotes by itself."""
    if not reason.strip():
        raise InvalidError("Say why you resume.", field="reason")
    return _decide(
        slug=slug,
        action=Action.RESUME,
        version=version,
        reason=reason,
        actor=actor,
        now=now,
        request_id=request_id,
    )


def roll_back(
    *,
    slug: str,
    actor: Actor,
    now: datetime,
    to_weight: int = 0,
    reason: str = "",
    request_id: str = "",
) -> Decision | None:
    """Go to a lower weight at once and stay held: no gate, no version, no second person.

    Rolling back to where the migration already is, held, changes nothing and returns None.
    """
    current = _get(slug)
    if current.held and current.weight == to_weight and current.phase == Phase.DUAL_RUN:
        return None
    return _decide(
        slug=slug,
        action=Action.ROLL_BACK,
        version=None,
        reason=reason.strip() or "not given",
        actor=actor,
        now=now,
        request_id=request_id,
        to_weight=to_weight,
    )


def record_denied(
    *, slug: str, action: Action, actor: Actor, code: str, now: datetime, request_id: str = ""
) -> None:
    """Keep a refused attempt in the ledger: who tried what, and why it was refused."""
    migration = ServiceMigration.objects.filter(slug=slug).first()
    if migration is None:
        return
    with transaction.atomic():
        ledger.append(
            actor=actor,
            action="migration:denied",
            body={
                "migration": slug,
                "attempt": action.value,
                "code": code,
                "place": _state(migration),
                "request_id": request_id,
            },
            now=now,
        )


def mark_accepted(*, migration: ServiceMigration, accepted_at: datetime) -> None:
    """Note when the last proxy accepted the present place; written once per place."""
    ServiceMigration.objects.filter(
        pk=migration.pk, version=migration.version, accepted_at=None
    ).update(accepted_at=accepted_at)


def mark_in_effect(*, migration: ServiceMigration, share: str, keys: int, now: datetime) -> bool:
    """Record that the present place is in effect: accepted everywhere and observed as asked."""
    with transaction.atomic():
        changed = ServiceMigration.objects.filter(
            pk=migration.pk, version=migration.version, in_effect_at=None
        ).update(in_effect_at=now)
        if not changed:
            return False
        ledger.append(
            actor=Actor(kind="automation", name="banyan", role="automation"),
            action="migration:in_effect",
            body={
                "migration": migration.slug,
                "place": _state(migration),
                "generation": migration.placed_generation,
                "share": share,
                "keys": keys,
            },
            now=now,
        )
    return True


def keep_evaluations(
    *, migration: ServiceMigration, results: Sequence[gates.GateResult], now: datetime
) -> list[GateEvaluation]:
    """Store results: a new row per change of verdict or after a decision used the old one."""
    return [_keep(migration, result, now) for result in results]


def _decide(  # noqa: PLR0913  # one decision is these facts, all by keyword
    *,
    slug: str,
    action: Action,
    version: int | None,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str,
    to_weight: int = 0,
) -> Decision:
    """Write a migration's place: the only function that does."""
    if len(reason) > MAX_REASON:
        raise InvalidError(f"A reason has at most {MAX_REASON} characters.", field="reason")
    with transaction.atomic():
        migration = _locked(slug)
        _check_version(migration, version)
        policy = Policy.from_dict(migration.policy)
        made = _move(action, migration, policy, to_weight)
        evaluations: list[GateEvaluation] = []
        if action is Action.PROMOTE:
            evaluations = _passing_gates(migration, made.to, now)
        generation = _ask_data_plane(migration, made, policy, now)
        entry = ledger.append(
            actor=actor,
            action=f"migration:{action.value}",
            body=_body(migration, made, policy, reason, evaluations, request_id, generation),
            now=now,
        )
        _swap(migration, made, actor, reason, generation, entry, now)
        decision = Decision.objects.create(
            migration=migration,
            from_version=migration.version,
            action=action.value,
            from_place=_state(migration),
            to_place=_to_state(migration, made),
            actor_kind=actor.kind,
            actor=actor.name,
            role=actor.role,
            reason=reason,
            entry=entry,
            request_id=request_id,
            at=now,
        )
        decision.evaluations.set(evaluations)
    return decision


def _swap(  # noqa: PLR0913  # the row's new values
    migration: ServiceMigration,
    made: Move,
    actor: Actor,
    reason: str,
    generation: int,
    entry: Any,
    now: datetime,
) -> None:
    moved = made.to != migration.place
    values: dict[str, Any] = {
        "phase": made.to.phase,
        "step": made.to.step,
        "weight": made.to.weight,
        "held": made.held,
        "version": migration.version + 1,
        "last_audit_seq": entry,
    }
    if made.held != migration.held or made.held:
        values |= {
            "held_by": actor.name if made.held else "",
            "held_reason": reason if made.held else "",
            "held_at": now if made.held else None,
        }
    if moved:
        values |= {
            "placed_at": now,
            "placed_generation": generation,
            "accepted_at": None,
            "in_effect_at": None,
        }
    if migration.phase == Phase.DRAFT and moved:
        values["shadow_since"] = now
    changed = ServiceMigration.objects.filter(pk=migration.pk, version=migration.version).update(
        **values
    )
    if changed != 1:
        raise _stale(migration.slug)


def _move(action: Action, migration: ServiceMigration, policy: Policy, to_weight: int) -> Move:
    try:
        return move(
            action,
            migration.place,
            held=migration.held,
            weights=policy.weights,
            to_weight=to_weight,
        )
    except NotAllowedError as exc:
        raise ConflictError(exc.detail, code=exc.code, version=migration.version) from exc


def _passing_gates(migration: ServiceMigration, to: Place, now: datetime) -> list[GateEvaluation]:
    results = gates.evaluate(migration, now=now)
    closed = [r for r in results if r.blocks]
    if closed:
        first = closed[0]
        raise GatesClosedError(
            f"Not promoted to {to.words()}: {first.title} is {first.evidence.verdict}. "
            f"{first.evidence.sentence}",
            version=migration.version,
            gates=[r.to_dict() for r in closed],
        )
    # The decision rests on the gates that the policy requires; the others are shown, never cited.
    required = [r for r in results if r.required]
    return keep_evaluations(migration=migration, results=required, now=now)


def _ask_data_plane(migration: ServiceMigration, made: Move, policy: Policy, now: datetime) -> int:
    """Publish the split of the new place; a place that stays keeps its generation."""
    if made.to == migration.place:
        return migration.placed_generation
    mode, weight_tth = _desired(made.to)
    snapshot = traffic.ask_for_split(
        split=migration.split,
        mode=mode,
        weight_tth=weight_tth,
        epoch=f"{migration.slug}-{migration.version + 1}"[:40],
        likely=_likely(made.to, policy),
        now=now,
    )
    return snapshot.generation


def _desired(place: Place) -> tuple[str, int]:
    """Return the data plane's mode and weight in ten-thousandths for a place."""
    if place.phase is Phase.DUAL_RUN:
        return "dual_run", 0
    if place.weight == 100:  # noqa: PLR2004  # percent: a route without a matcher, see DATAPLANE
        return "full", 10_000
    return "canary", place.weight * 100


def _likely(place: Place, policy: Policy) -> list[tuple[str, int]]:
    following = next_place(place, policy.weights)
    moves = [_desired(following)] if following else []
    return [*moves, ("dual_run", 0)]


def _body(  # noqa: PLR0913, PLR0917  # the parts of one ledger entry
    migration: ServiceMigration,
    made: Move,
    policy: Policy,
    reason: str,
    evaluations: Sequence[GateEvaluation],
    request_id: str,
    generation: int,
) -> dict[str, Any]:
    return {
        "migration": migration.slug,
        "from": _state(migration),
        "to": _to_state(migration, made),
        "reason": reason,
        "builds": {
            "legacy": migration.pair.legacy_build,
            "candidate": migration.pair.candidate_build,
        },
        "generation": generation,
        "verdicts": [
            {"gate": e.gate, "verdict": e.verdict, "evidence_sha256": e.evidence_sha256}
            for e in evaluations
        ],
        "policy": _policy_body(policy),
        "request_id": request_id,
    }


def _policy_body(policy: Policy) -> dict[str, Any]:
    return {"name": policy.name, "version": policy.version, "label": policy.label}


def _state(migration: ServiceMigration) -> dict[str, Any]:
    return {
        **migration.place.to_dict(),
        "version": migration.version,
        "held": migration.held,
    }


def _to_state(migration: ServiceMigration, made: Move) -> dict[str, Any]:
    return {**made.to.to_dict(), "version": migration.version + 1, "held": made.held}


def _keep(migration: ServiceMigration, result: gates.GateResult, now: datetime) -> GateEvaluation:
    evidence = result.evidence.to_dict()
    values = {
        "verdict": result.evidence.verdict.value,
        "evidence": evidence,
        "evidence_sha256": gates.evidence_sha256(evidence),
        "at": now,
    }
    with transaction.atomic():
        rows = GateEvaluation.objects.filter(
            migration=migration, gate=result.key, route=result.route, latest=True
        )
        latest = rows.select_for_update().first()
        if latest and _same_story(latest, migration, result) and not latest.decisions.exists():
            rows.update(**values)
            for name, value in values.items():
                setattr(latest, name, value)
            return latest
        rows.update(latest=False)
        return GateEvaluation.objects.create(
            migration=migration,
            gate=result.key,
            route=result.route,
            builds=migration.pair.builds,
            version=migration.version,
            first_at=now,
            **values,
        )


def _same_story(
    latest: GateEvaluation, migration: ServiceMigration, result: gates.GateResult
) -> bool:
    return (
        latest.verdict == result.evidence.verdict.value
        and latest.builds == migration.pair.builds
        and latest.version == migration.version
    )


def _get(slug: str) -> ServiceMigration:
    migration = ServiceMigration.objects.select_related("pair", "split").filter(slug=slug).first()
    if migration is None:
        raise _not_found(slug)
    return migration


def _locked(slug: str) -> ServiceMigration:
    migration = (
        ServiceMigration.objects.select_for_update(of=("self",))
        .select_related("pair", "split")
        .filter(slug=slug)
        .first()
    )
    if migration is None:
        raise _not_found(slug)
    return migration


def _not_found(slug: str) -> RefusalError:
    error = RefusalError(f"There is no migration {slug[:60]!r}.", code="not_found")
    error.status = 404
    return error


def _check_expected(migration: ServiceMigration, weight: int | None) -> None:
    if weight is None:
        return
    following = next_place(migration.place, Policy.from_dict(migration.policy).weights)
    if following is None or following.weight != weight:
        place = following.words() if following else "nothing"
        raise ConflictError(
            f"After {migration.place.words()} comes {place}, not {weight} %.",
            code="not_allowed_step",
            field="to",
            version=migration.version,
        )


def _check_version(migration: ServiceMigration, version: int | None) -> None:
    if version is not None and version != migration.version:
        raise _stale(migration.slug)


def _stale(slug: str) -> StaleVersionError:
    """Say who moved the migration, to where and when."""
    current = _get(slug)
    last = current.decisions.first()
    who = (
        f"{last.actor} decided {last.action.replace('_', ' ')} at {last.at:%H:%M:%S} UTC"
        if last
        else "It was changed"
    )
    return StaleVersionError(
        f"Nothing was changed by you. {who}; {slug} is now in {current.place.words()}"
        f"{', held' if current.held else ''} (version {current.version}).",
        version=current.version,
        moved_by=last.actor if last else None,
        moved_at=last.at.isoformat() if last else None,
        action=last.action if last else None,
    )


def _addresses(given: NewMigration) -> tuple[Address, Address]:
    found = []
    for field in ("legacy_url", "candidate_url"):
        try:
            found.append(parse_address(getattr(given, field)))
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


def _create_split(
    given: NewMigration, legacy: Address, candidate: Address, policy: Policy, group: ProxyGroup
) -> Split:
    if Split.objects.filter(group=group, path_prefix="/").exists():
        raise ConflictError(
            f"Proxy group {group.name} already carries a migration. Use another group.",
            code="group_taken",
            field="group",
        )
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
