"""Verbs of the data plane: ask for a split, publish a snapshot, take in a report."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction

from traffic import hours
from traffic.envoy.plan import MirrorRule, SplitPlan, Upstream
from traffic.envoy.rules import RouteRuleDoc
from traffic.envoy.snapshot import build_document
from traffic.exceptions import ForeignProxyError, LegacyGoneError
from traffic.holds import held, released_ids
from traffic.models import (
    Acknowledgement,
    GlassRecord,
    Proxy,
    ProxyGroup,
    RoutingBlock,
    Snapshot,
    Split,
    TapBlock,
    TrafficBlock,
)
from traffic.reference import reference, thresholds_of
from traffic.reports import Report

CAPTURE_CAP_BYTES = 262_144
# What a snapshot may take to be in use everywhere: warm-up counts from then.
REACH_SECONDS = 2
REDACTED_HEADERS = ("authorization", "cookie", "set-cookie", "proxy-authorization")


def hash_token(token: str) -> str:
    """Return what is stored of a proxy's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def create_group(*, name: str, now: datetime) -> ProxyGroup:
    """Create a group with its own lineage and publish its first, empty snapshot."""
    with transaction.atomic():
        group = ProxyGroup.objects.create(name=name, lineage=uuid.uuid4().hex)
        publish(group_id=group.pk, now=now)
    return group


def register_proxy(*, group: ProxyGroup, name: str, token: str, now: datetime) -> Proxy:
    """Add a proxy to the fleet; a known name gets the new token.

    With another token the key of its break-glass records is forgotten: the next one is believed.
    """
    given = {"token_hash": hash_token(token), "group": group}
    Proxy.objects.filter(name=name).exclude(token_hash=given["token_hash"]).update(glass_key="")
    proxy, _ = Proxy.objects.update_or_create(
        name=name, defaults=given, create_defaults={**given, "registered_at": now}
    )
    return proxy


def ask_for_split(  # the desired state is these values, all by keyword
    *,
    split: Split,
    mode: str,
    weight_tth: int,
    epoch: str,
    likely: Sequence[tuple[str, int]],
    now: datetime,
) -> Snapshot:
    """Write what a split should do and publish its group's next snapshot.

    Called inside the deciding transaction, after the migration's row was locked.
    """
    lock_group(split.group_id)
    if split.mode == Split.Mode.DECOMMISSIONED:
        raise LegacyGoneError(f"The legacy of {split.name} is gone; nothing leads back to it.")
    rises = weight_tth > split.weight_tth
    frozen = {**split.frozen, **reference(split, until=now)}
    warm_until = now + timedelta(seconds=split.warmup_s + REACH_SECONDS)
    Split.objects.filter(pk=split.pk).update(
        mode=mode,
        weight_tth=weight_tth,
        epoch=epoch,
        likely=[list(move) for move in likely],
        asked_at=now,
        warm_until_us=int(warm_until.timestamp() * 1e6) if rises else split.warm_until_us,
        slow_us={**split.slow_us, **thresholds_of(frozen)},
        frozen=frozen,
        # A load test is about one place: whatever moves users ends it.
        amplify_tth=0,
        amplify_until=None,
    )
    return publish(group_id=split.group_id, now=now)


def amplify(
    *, split: Split, amplify_tth: int, until: datetime | None, now: datetime
) -> Snapshot | None:
    """Copy each request for a load test, until a time, and publish the group's next snapshot.

    None when the split is asked for exactly that already. Weight, mode and epoch stay: no user is
    moved by it.
    """
    lock_group(split.group_id)
    wanted = {"amplify_tth": amplify_tth, "amplify_until": until if amplify_tth else None}
    row = Split.objects.get(pk=split.pk)
    if all(getattr(row, name) == value for name, value in wanted.items()):
        return None
    Split.objects.filter(pk=split.pk).update(**wanted)
    return publish(group_id=split.group_id, now=now)


def release_holds(*, group_id: int, now: datetime) -> tuple[list[str], int]:
    """Tell the group's proxies to end the holds that they have reported, and no other.

    Returns their ids and the generation that says so; no ids and 0 when nobody holds. Called inside
    the deciding transaction, after the migration's row was locked.
    """
    lock_group(group_id)
    ids = sorted({each.id for each in held(group_id=group_id)})
    if not ids:
        return [], 0
    ProxyGroup.objects.filter(pk=group_id).update(release_hold=" ".join(ids))
    return ids, publish(group_id=group_id, now=now).generation


def lock_group(group_id: int) -> ProxyGroup:
    """Lock the group's row: the second lock of a decision, after the migration's."""
    return ProxyGroup.objects.select_for_update().get(pk=group_id)


def publish(*, group_id: int, now: datetime) -> Snapshot:
    """Number and store the document of all splits of the group, in the caller's transaction."""
    group = lock_group(group_id)
    splits = list(group.splits.filter(retired=False).order_by("name"))
    generation = group.generation + 1
    document = build_document(
        lineage=group.lineage,
        generation=generation,
        issued_at=now,
        plans=[plan_of(split, amplify_tth=_amplified(split, now)) for split in splits],
        rules=[rule for split in splits for rule in _rules(split)],
        epochs={split.name: split.epoch for split in splits},
        block_seconds=min((split.block_seconds for split in splits), default=10),
        cap_bytes=CAPTURE_CAP_BYTES,
        redact_headers=(*REDACTED_HEADERS, group.user_key_header),
        release_hold=_release(released_ids(group)),
        prevalidate=_likely_plans(splits),
        warmup_us_until=max((split.warm_until_us for split in splits), default=0) or None,
        safe_generation=generation,
        amplify_until=_amplified_until(splits, now),
    )
    ProxyGroup.objects.filter(pk=group.pk).update(generation=generation)
    return Snapshot.objects.create(
        group=group,
        generation=generation,
        sha256=document["sha256"],
        document=document,
        exposure=document["exposure"],
        created_at=now,
    )


def _amplified(split: Split, now: datetime) -> int:
    """Return the copies per request that are asked for now: none once their time is over."""
    until = split.amplify_until
    return split.amplify_tth if until is not None and now < until else 0


def _amplified_until(splits: Sequence[Split], now: datetime) -> int | None:
    """Return when the first load test of the group ends, in unix seconds; None without one."""
    ends = [s.amplify_until for s in splits if _amplified(s, now) and s.amplify_until is not None]
    return int(min(ends).timestamp()) if ends else None


def _release(ids: Sequence[str]) -> str | Sequence[str] | None:
    """Return one id as it is, as every edge reads it; several as a list."""
    return ids if len(ids) > 1 else next(iter(ids), None)


def plan_of(
    split: Split, *, mode: str = "", weight_tth: int | None = None, amplify_tth: int = 0
) -> SplitPlan:
    """Return a split as the pure builder wants it, with another mode and weight if given."""
    return SplitPlan(
        name=split.name,
        legacy=Upstream(split.legacy_host, split.legacy_port),
        candidate=Upstream(split.candidate_host, split.candidate_port),
        mode=mode or split.mode,  # type: ignore[arg-type]  # a CHECKed choice of the same five words
        weight_tth=split.weight_tth if weight_tth is None else weight_tth,
        seed=split.seed,
        shadow_tth=split.shadow_tth,
        noise_tth=split.noise_tth,
        canary_shadow_tth=split.canary_shadow_tth,
        amplify_tth=amplify_tth,
        path_prefix=split.path_prefix,
        mirrored=tuple(
            MirrorRule(route["method"], route["path"])
            for route in split.routes
            if route["safe_to_duplicate"]
        ),
    )


def _likely_plans(splits: Sequence[Split]) -> list[list[SplitPlan]]:
    """Return the group's plans after each move that may come next, one move at a time."""
    found = []
    for moving in splits:
        for mode, weight_tth in moving.likely:
            found.append(
                [
                    plan_of(split, mode=mode, weight_tth=weight_tth)
                    if split is moving
                    else plan_of(split)
                    for split in splits
                ]
            )
    return found


def _rules(split: Split) -> list[RouteRuleDoc]:
    return [
        {
            "split": split.name,
            "route": route["route"],
            "method": route["method"],
            "path": route["path"],
            "safe_to_duplicate": route["safe_to_duplicate"],
            "slow_us": split.slow_us.get(route["route"]),
        }
        for route in split.routes
    ]


def record_report(*, proxy: Proxy, report: Report, now: datetime) -> int:
    """Store a report and return the sequence number that is now safe with us.

    Repeating a report changes nothing; a later report of a block replaces the earlier one.
    """
    if report.proxy != proxy.name:
        raise ForeignProxyError(f"This token belongs to {proxy.name}, not to {report.proxy}.")
    with transaction.atomic():
        _upsert(TrafficBlock, proxy, report.boot, report.traffic, ("route", "arm"))
        _upsert(RoutingBlock, proxy, report.boot, report.routing, ())
        _upsert(TapBlock, proxy, report.boot, report.taps, ("route",))
        _reopen_hours([*report.traffic, *report.routing], now)
        _acknowledge(proxy, report, now)
        Proxy.objects.filter(pk=proxy.pk).update(
            last_seen_at=now,
            boot=report.boot,
            last_seq=report.seq,
            **_position(proxy, report),
            hold=report.hold,
            envoy_version=report.envoy_version,
            capabilities=list(report.capabilities),
        )
        _take_in_glass(proxy, report, now)
    return report.seq


def _take_in_glass(proxy: Proxy, report: Report, now: datetime) -> None:
    """Keep each record once; whether it is to be believed is for whoever imports it."""
    if report.glass_key:
        Proxy.objects.filter(pk=proxy.pk, glass_key="").update(glass_key=report.glass_key[:64])
    for sealed in report.glass:
        GlassRecord.objects.get_or_create(
            proxy=proxy,
            sha256=sealed.sha256,
            signature=sealed.signature,
            defaults={"text": sealed.text, "key": sealed.key[:64], "received_at": now},
        )


def _reopen_hours(blocks: Sequence[dict[str, Any]], now: datetime) -> None:
    """Let hours that may hold older counts of these blocks be built anew."""
    late: dict[str, int] = {}
    for block in blocks:
        if hours.is_late(block, now):
            late[block["split"]] = min(block["start"], late.get(block["split"], block["start"]))
    for split, start in late.items():
        hours.reopen(split=split, start=start, now=now)


def _position(proxy: Proxy, report: Report) -> dict[str, Any]:
    """Return what the proxy uses; who says to use what was never sent is not believed."""
    if report.state == "accepted" and not _was_sent(proxy, report):
        reason = f"It says that it uses generation {report.generation}, which was never sent to it."
        return {"state": "stale", "generation": 0, "reason": reason}
    return {
        "state": report.state,
        "generation": min(report.generation, proxy.group.generation),
        "reason": report.reason,
    }


def _was_sent(proxy: Proxy, report: Report) -> bool:
    """Whether the report is about a snapshot of this group."""
    same = report.lineage == proxy.group.lineage
    sent = Snapshot.objects.filter(group=proxy.group, generation=report.generation)
    return same and sent.exists()


def _acknowledge(proxy: Proxy, report: Report, now: datetime) -> None:
    """Keep the first word on each generation; a generation never sent to this group is ignored."""
    if not _was_sent(proxy, report):
        return
    Acknowledgement.objects.get_or_create(
        proxy=proxy,
        generation=report.generation,
        state=report.state,
        defaults={"reason": report.reason, "at": now},
    )


def _upsert(
    model: type[models.Model],
    proxy: Proxy,
    boot: str,
    blocks: Sequence[dict[str, Any]],
    extra_key: tuple[str, ...],
) -> None:
    if not blocks:
        return
    key = ("proxy", "boot", "split", *extra_key, "start")
    rows = {
        tuple(block[name] for name in ("split", *extra_key, "start")): model(
            proxy=proxy, boot=boot, **block
        )
        for block in blocks
    }
    values = [name for name in blocks[0] if name not in key]
    model._default_manager.bulk_create(  # noqa: SLF001  # the documented way to a model's manager
        rows.values(), update_conflicts=True, unique_fields=key, update_fields=values
    )
