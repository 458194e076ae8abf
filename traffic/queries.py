"""Readings of the data plane: who is in effect, what was observed, what became of the samples."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import numpy as np
from django.db.models import Max, Sum

from traffic.holds import Held, held_of, released_ids
from traffic.models import (
    Acknowledgement,
    Proxy,
    ProxyGroup,
    RoutingBlock,
    Snapshot,
    Split,
    TapBlock,
    TrafficBlock,
)

PROXY_SILENT_SECONDS = 15

Key = TypeVar("Key", str, int)


@dataclass(frozen=True, slots=True)
class Convergence:
    """Which proxies accepted at least a generation; `accepted_at` is when the last one did.

    `holds` are those of `held`, with id, reason and moment.
    """

    total: int
    accepted: tuple[str, ...]
    waiting: tuple[str, ...]
    rejected: Mapping[str, str]
    silent: tuple[str, ...]
    held: tuple[str, ...]
    accepted_at: datetime | None
    holds: tuple[Held, ...] = ()

    @property
    def complete(self) -> bool:
        """Every proxy accepted, none is silent or held; an empty fleet is not complete."""
        return (
            self.total > 0 and len(self.accepted) == self.total and not (self.silent or self.held)
        )


@dataclass(frozen=True, slots=True)
class Observed:
    """Distinct keys by the side they were sent to, requests, fallbacks and flips since a moment."""

    candidate_keys: int = 0
    legacy_keys: int = 0
    candidate_requests: int = 0
    legacy_requests: int = 0
    failed_over: int = 0
    diverted: int = 0
    flips: tuple[str, ...] = ()
    flip_count: int = 0
    last_block_end: int | None = None

    @property
    def keys(self) -> int:
        """All distinct keys."""
        return self.candidate_keys + self.legacy_keys

    @property
    def key_share(self) -> float | None:
        """Candidate's share of distinct keys, 0 to 1; None without keys."""
        return self.candidate_keys / self.keys if self.keys else None

    @property
    def request_share(self) -> float | None:
        """Candidate's share of requests by routing decision; None without requests."""
        total = self.candidate_requests + self.legacy_requests
        return self.candidate_requests / total if total else None


@dataclass(frozen=True, slots=True)
class ArmTotals:
    """Sums of one arm over a window: requests, errors at the attempt, and the latency histogram."""

    requests: int = 0
    errors: int = 0
    shed: int = 0
    status: Mapping[str, int] = field(default_factory=dict)
    latency: Mapping[int, int] = field(default_factory=dict)
    seconds: int = 0


def proxy_by_token_hash(token_hash: str) -> Proxy | None:
    """Return the proxy whose token this is."""
    return Proxy.objects.select_related("group").filter(token_hash=token_hash).first()


def latest_generations() -> dict[int, int]:
    """Return each group's newest generation: one cheap query that long polls share."""
    return dict(ProxyGroup.objects.values_list("pk", "generation"))


def snapshot(*, group_id: int, generation: int) -> Snapshot:
    """Return one snapshot of a group."""
    return Snapshot.objects.get(group_id=group_id, generation=generation)


def convergence(*, group_id: int, generation: int, now: datetime) -> Convergence:
    """Say which proxies of the group use `generation` or a later one."""
    proxies = list(Proxy.objects.select_related("group").filter(group_id=group_id).order_by("name"))
    accepted_at = dict(
        Acknowledgement.objects.filter(
            proxy__group_id=group_id, generation__gte=generation, state="accepted"
        )
        .values_list("proxy_id")
        .annotate(first=Max("at"))
    )
    fresh_after = now - timedelta(seconds=PROXY_SILENT_SECONDS)
    silent = [p for p in proxies if p.last_seen_at is None or p.last_seen_at < fresh_after]
    accepted = [p for p in proxies if _uses(p, generation) and p.pk in accepted_at]
    moments = [accepted_at[p.pk] for p in accepted]
    return Convergence(
        total=len(proxies),
        accepted=tuple(p.name for p in accepted),
        waiting=tuple(p.name for p in proxies if p not in accepted),
        rejected={p.name: p.reason for p in proxies if p.state == "rejected"},
        silent=tuple(p.name for p in silent),
        held=tuple(p.name for p in proxies if p.hold),
        holds=tuple(
            held for p in proxies if (held := held_of(p, released_ids(p.group))) is not None
        ),
        accepted_at=max(moments) if proxies and len(accepted) == len(proxies) else None,
    )


def _uses(proxy: Proxy, generation: int) -> bool:
    return proxy.state == "accepted" and proxy.generation >= generation


def observed(*, split: str, epoch: str) -> Observed:
    """Count distinct keys per side in the blocks of one step.

    Edges begin an epoch once Envoy accepted it and drop what belonged to the one before, so that no
    request of the old split is among them.
    """
    rows = list(
        RoutingBlock.objects.filter(split=split, epoch=epoch)
        .order_by("start")
        .only(
            "start",
            "seconds",
            "intended",
            "failed_over",
            "diverted",
            "arms",
            "flips",
            "flip_count",
            "candidate_keys",
            "legacy_keys",
        )
    )
    candidate = _union(bytes(row.candidate_keys) for row in rows)
    legacy = _union(bytes(row.legacy_keys) for row in rows)
    return Observed(
        candidate_keys=len(candidate),
        legacy_keys=len(np.setdiff1d(legacy, candidate, assume_unique=True)),
        candidate_requests=sum(row.arms.get("candidate", 0) for row in rows),
        legacy_requests=sum(row.arms.get("legacy", 0) for row in rows),
        failed_over=sum(row.failed_over for row in rows),
        diverted=sum(row.diverted for row in rows),
        flips=tuple(flip for row in rows for flip in row.flips),
        flip_count=sum(row.flip_count for row in rows),
        last_block_end=rows[-1].start + rows[-1].seconds if rows else None,
    )


def _union(blobs: Iterable[bytes]) -> np.ndarray:
    joined = b"".join(blobs)
    return np.unique(np.frombuffer(joined, dtype=">u8"))


def arm_totals(
    *, split: str, since: datetime, until: datetime | None = None
) -> dict[str, ArmTotals]:
    """Sum the traffic blocks of each arm in the window."""
    rows = TrafficBlock.objects.filter(split=split, start__gte=int(since.timestamp()))
    if until is not None:
        rows = rows.filter(start__lt=int(until.timestamp()))
    sums: dict[str, dict[str, int]] = {}
    starts: dict[str, set[tuple[int, int]]] = {}
    status: dict[str, dict[str, int]] = {}
    latency: dict[str, dict[int, int]] = {}
    for row in rows.iterator():
        arm = sums.setdefault(row.arm, {"requests": 0, "errors": 0, "shed": 0})
        arm["requests"] += row.requests
        arm["errors"] += row.errors
        arm["shed"] += row.shed
        starts.setdefault(row.arm, set()).add((row.start, row.seconds))
        _add(status.setdefault(row.arm, {}), row.status)
        buckets = {int(k): v for k, v in row.latency.get("all", {}).items()}
        _add(latency.setdefault(row.arm, {}), buckets)
    return {
        arm: ArmTotals(
            **values,
            status=status[arm],
            latency=latency[arm],
            seconds=sum(seconds for _, seconds in starts[arm]),
        )
        for arm, values in sums.items()
    }


def _add(into: dict[Key, int], more: Mapping[Key, int]) -> None:
    for key, count in more.items():
        into[key] = into.get(key, 0) + count


TAP_COUNTS = (
    "sampled",
    "waiting",
    "pairs",
    "unpaired",
    "truncated",
    "failed_over",
    "diverted",
    "shed",
)


def accounting(*, split: str, since: datetime) -> dict[str, dict[str, int]]:
    """Return what became of the sampled requests, per route, in blocks since `since`."""
    rows = (
        TapBlock.objects.filter(split=split, start__gte=int(since.timestamp()))
        .values("route")
        .annotate(**{f"sum_{name}": Sum(name) for name in TAP_COUNTS})
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        sums: dict[str, Any] = dict(row)
        found[row["route"]] = {name: sums[f"sum_{name}"] or 0 for name in TAP_COUNTS}
    return found


def split_by_name(name: str) -> Split:
    """Return one split with its group."""
    return Split.objects.select_related("group").get(name=name)


def proxies() -> list[Proxy]:
    """Return the fleet."""
    return list(Proxy.objects.select_related("group").order_by("name"))
