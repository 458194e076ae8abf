"""What REST gives out: plain documents of migrations, gates, causes, decisions and entries."""

from datetime import datetime
from typing import Any

from audit.models import LedgerEntry
from judge.histogram import quantile
from rollout.models import (
    Approval,
    Decision,
    GateLatch,
    Review,
    ServiceMigration,
    Waiver,
)
from rollout.queries import MigrationView
from shadow.models import MismatchGroup, MismatchSample, ProbeResult
from traffic.models import Proxy
from traffic.queries import ArmTotals


def moment(at: datetime | None) -> str | None:
    """Return a time in UTC as REST writes it."""
    return at.isoformat().replace("+00:00", "Z") if at else None


def brief(migration: ServiceMigration) -> dict[str, Any]:
    """Return a migration as lists show it."""
    return {
        "slug": migration.slug,
        "title": migration.title,
        "team": migration.team,
        "phase": migration.phase,
        "step": migration.step,
        "weight": migration.weight,
        "version": migration.version,
        "held": migration.held,
        "policy": migration.policy["name"],
        "policy_label": migration.policy["label"],
        "in_effect_at": moment(migration.in_effect_at),
    }


def whole(view: MigrationView) -> dict[str, Any]:
    """Return one migration with everything its overview shows."""
    m, seen = view.migration, view.observed
    return {
        **brief(m),
        "held_by": m.held_by,
        "held_reason": m.held_reason,
        "held_at": moment(m.held_at),
        "placed_at": moment(m.placed_at),
        "accepted_at": moment(m.accepted_at),
        "generation": m.placed_generation,
        "services": {
            "legacy": {"url": m.pair.legacy_url, "build": m.pair.legacy_build},
            "candidate": {"url": m.pair.candidate_url, "build": m.pair.candidate_build},
        },
        "steps": [
            {"weight": s.weight, "bake_seconds": s.bake_seconds, "min_requests": s.min_requests}
            for s in view.policy.steps
        ],
        "next": view.following.to_dict() if view.following else None,
        "lower": [place.to_dict() for place in view.lower],
        "can_promote": view.can_promote,
        "why_closed": view.why_closed,
        "observed": {
            "share_of_keys": seen.key_share,
            "share_of_requests": seen.request_share,
            "keys": seen.keys,
            "failed_over": seen.failed_over,
            "diverted": seen.diverted,
            "flipped": seen.flip_count,
            "flips": list(seen.flips),
        },
        "proxies": {
            "total": view.convergence.total,
            "accepted": list(view.convergence.accepted),
            "waiting": list(view.convergence.waiting),
            "rejected": dict(view.convergence.rejected),
            "silent": list(view.convergence.silent),
            "held": [
                {
                    "proxy": each.proxy,
                    "hold": each.id,
                    "reason": each.reason,
                    "at": moment(each.at),
                    "released": each.released,
                }
                for each in view.convergence.holds
            ],
        },
        "live": {arm: arm_document(totals) for arm, totals in view.arms.items()},
        "accounting": view.accounting,
        "pairs": {
            "compared": int(view.evidence.overall.compared.sum()),
            "mismatched": int(view.evidence.overall.mismatched.sum()),
            "excluded": view.evidence.excluded,
            "uncomparable": dict(view.evidence.uncomparable),
            "noise": {
                "compared": int(view.evidence.noise.compared.sum()),
                "mismatched": int(view.evidence.noise.mismatched.sum()),
            },
        },
        "gates": [gate.to_dict() for gate in view.gates],
        "approvals_required": view.policy.approvals_required,
        "approval": approval(view.approval) if view.approval else None,
        "waivers": [waiver(row) for row in view.waived.values()],
        "open_reviews": [review(row) for row in view.open_reviews],
        "latched": [latch(row) for row in view.latched],
    }


def arm_document(totals: ArmTotals) -> dict[str, Any]:
    """Return one arm of the last minute: rate, errors, percentiles in microseconds."""
    return {
        "requests": totals.requests,
        "per_second": round(totals.requests / totals.seconds, 2) if totals.seconds else None,
        "errors": totals.errors,
        "status": dict(totals.status),
        "p50_us": quantile(totals.latency, 0.5),
        "p99_us": quantile(totals.latency, 0.99),
    }


def decision(row: Decision) -> dict[str, Any]:
    """Return a decision."""
    return {
        "action": row.action,
        "from_version": row.from_version,
        "from": row.from_place,
        "to": row.to_place,
        "actor": row.actor,
        "actor_kind": row.actor_kind,
        "role": row.role,
        "reason": row.reason,
        "at": moment(row.at),
        "entry": row.entry_id,
        "request_id": row.request_id,
    }


def cause(row: MismatchGroup) -> dict[str, Any]:
    """Return a cause of mismatch."""
    return {
        "id": row.pk,
        "route": row.route,
        "path": row.path,
        "kind": row.kind,
        "pair_kind": row.pair_kind,
        "description": row.description,
        "count": row.count,
        "max_distance": row.max_distance,
        "first_seen_at": moment(row.first_seen_at),
        "last_seen_at": moment(row.last_seen_at),
    }


def sample(row: MismatchSample) -> dict[str, Any]:
    """Return a kept example with both answers."""
    return {
        "id": row.sample_id,
        "at": moment(row.at),
        "method": row.method,
        "path": row.path,
        "request": {"headers": row.request_headers, "body": row.request_body},
        "legacy": {
            "status": row.legacy_status,
            "headers": row.legacy_headers,
            "body": row.legacy_body,
            "us": row.legacy_us,
        },
        "candidate": {
            "status": row.candidate_status,
            "headers": row.candidate_headers,
            "body": row.candidate_body,
            "us": row.candidate_us,
        },
        "differences": row.differences,
        "expires_at": moment(row.expires_at),
    }


def probe(row: ProbeResult) -> dict[str, Any]:
    """Return a health probe."""
    return {
        "side": row.side,
        "endpoint": row.endpoint,
        "status": row.status,
        "us": row.duration_us,
        "build": row.build,
        "error": row.error,
        "at": moment(row.at),
    }


def proxy(row: Proxy) -> dict[str, Any]:
    """Return a proxy of the fleet."""
    return {
        "name": row.name,
        "group": row.group.name,
        "state": row.state,
        "generation": row.generation,
        "asked_generation": row.group.generation,
        "reason": row.reason,
        "hold": row.hold,
        "envoy_version": row.envoy_version,
        "capabilities": row.capabilities,
        "last_seen_at": moment(row.last_seen_at),
    }


def entry(row: LedgerEntry) -> dict[str, Any]:
    """Return a ledger entry with its hashes."""
    return {"seq": row.seq, "prev": row.prev, "hash": row.hash, "body": row.data}


def approval(row: Approval) -> dict[str, Any]:
    """Return a request for approval and its answer."""
    return {
        "id": row.pk,
        "migration": row.migration.slug,
        "action": row.action,
        "version": row.from_version,
        "to": row.to_place,
        "terms": row.terms,
        "plan_sha256": row.plan_sha256,
        "builds": row.builds,
        "evidence_sha256": row.evidence_sha256,
        "requester": row.requester,
        "reason": row.reason,
        "requested_at": moment(row.requested_at),
        "expires_at": moment(row.expires_at),
        "state": row.state,
        "approver": row.approver,
        "answer": row.answer,
        "answered_at": moment(row.answered_at),
        "ended_because": row.ended_because,
    }


def waiver(row: Waiver) -> dict[str, Any]:
    """Return a waiver of one checklist item."""
    return {
        "item": row.item,
        "reason": row.reason,
        "by": row.by,
        "since": moment(row.since),
        "expires_at": moment(row.expires_at),
        "ended_at": moment(row.ended_at),
        "ended_by": row.ended_by,
        "entry": row.entry_id,
    }


def review(row: Review) -> dict[str, Any]:
    """Return a review, open or closed."""
    return {
        "id": row.pk,
        "migration": row.migration.slug,
        "cause": row.cause,
        "entry": row.entry_id,
        "opened_by": row.opened_by,
        "opened_at": moment(row.opened_at),
        "detail": row.detail,
        "gates": row.gates,
        "expires_at": moment(row.expires_at),
        "closed_by": row.closed_by,
        "closed_at": moment(row.closed_at),
        "text": row.text,
    }


def latch(row: GateLatch) -> dict[str, Any]:
    """Return a FAIL that stands until it is reset."""
    return {
        "gate": row.gate,
        "place": row.place,
        "builds": row.builds,
        "attempt": row.attempt,
        "since": moment(row.since),
        "sentence": row.evidence["sentence"],
        "evidence_sha256": row.evidence_sha256,
    }
