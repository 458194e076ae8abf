"""Readings of the data plane: who is in effect, what was observed, what became of the samples."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Max, Sum

from traffic.holds import Held, held_of, released_ids
from traffic.models import (
    Acknowledgement,
    Proxy,
    ProxyGroup,
    Snapshot,
    Split,
    TapBlock,
    TrafficBlock,
)
from traffic.routing import Observed, observed

__all__ = [
    "ArmTotals",
    "Convergence",
    "Observed",
    "accounting",
    "arm_totals",
    "convergence",
    "latest_generations",
    "observed",
    "proxies",
    "proxy_by_token_hash",
    "snapshot",
    "split_by_name",
]

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
