"""What the pages read beside `queries`: the pulse of live updates, fleet rows, series for charts.

Plain values out, a fixed number of queries per call, however many migrations there are.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F, Max, Q, Sum
from django.utils import timezone

from audit.models import LedgerEntry, LedgerHead
from judge.evidence import Evidence
from judge.histogram import Histogram, from_wire, merge, quantile
from rollout.models import Approval, Decision, GateEvaluation, ServiceMigration
from shadow.models import MismatchGroup, PairBlock
from traffic.models import Proxy, RoutingBlock, TrafficBlock

SHARE_WINDOW_S = 20
TILE_WINDOW_S = 300
FLEET_MAX = 200
NAV_MAX = 12
ARMS = ("legacy", "candidate", "candidate_shadow")


@dataclass(frozen=True, slots=True)
class Pulse:
    """What changes on open pages: per slug what a page watches, and the ledger's last number."""

    at: int
    ledger_seq: int
    migrations: Mapping[str, Mapping[str, Any]]


def read_pulse() -> Pulse:
    """Read all of it in three small queries; `at` is in unix milliseconds."""
    verdicts = dict(
        GateEvaluation.objects.filter(latest=True)
        .values_list("migration_id")
        .annotate(newest=Max("id"))
    )
    rows = ServiceMigration.objects.values_list(
        "id", "slug", "version", "held", "accepted_at", "in_effect_at"
    )
    migrations = {
        slug: {
            "version": version,
            "held": held,
            "accepted_at": accepted_at,
            "in_effect_at": in_effect_at,
            "evaluation": verdicts.get(pk, 0),
        }
        for pk, slug, version, held, accepted_at, in_effect_at in rows
    }
    seq = LedgerHead.objects.values_list("seq", flat=True).first() or 0
    return Pulse(int(timezone.now().timestamp() * 1000), seq, migrations)


@dataclass(frozen=True, slots=True)
class NavRow:
    """A migration as the sidebar needs it: its place and its stored verdicts by gate."""

    slug: str
    team: str
    phase: str
    step: int | None
    weight: int
    held: bool
    in_effect: bool
    policy: Mapping[str, Any]
    measured_at: datetime | None
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    split: str = ""
    held_by: str = ""
    held_reason: str = ""
    held_at: datetime | None = None
    placed_at: datetime | None = None
    shadow_since: datetime | None = None
    builds_known: bool = False


def fleet_rows(*, query: str = "", limit: int = FLEET_MAX) -> list[NavRow]:
    """Return migrations with their latest stored verdicts, newest first; two queries."""
    rows = ServiceMigration.objects.select_related("split", "pair").order_by("-placed_at", "slug")
    if query:
        wanted = Q(slug__icontains=query) | Q(title__icontains=query) | Q(team__icontains=query)
        rows = rows.filter(wanted)
    found = list(rows[:limit])
    stored: dict[int, list[GateEvaluation]] = {}
    for one in GateEvaluation.objects.filter(
        migration__in=[m.pk for m in found], latest=True, route=""
    ):
        stored.setdefault(one.migration_id, []).append(one)
    return [_nav_row(m, stored.get(m.pk, [])) for m in found]


def _nav_row(m: ServiceMigration, stored: Sequence[GateEvaluation]) -> NavRow:
    return NavRow(
        slug=m.slug,
        team=m.team,
        phase=m.phase,
        step=m.step,
        weight=m.weight,
        held=m.held,
        in_effect=m.in_effect_at is not None,
        policy=m.policy,
        measured_at=max((e.at for e in stored), default=None),
        evidence={e.gate: found for e in stored if (found := evidence_of(e))},
        split=m.split.name,
        held_by=m.held_by,
        held_reason=m.held_reason,
        held_at=m.held_at,
        placed_at=m.placed_at,
        shadow_since=m.shadow_since,
        builds_known=bool(m.pair.candidate_build),
    )


def evidence_of(evaluation: GateEvaluation) -> Evidence | None:
    """Read stored evidence; None when another version of Banyan wrote it in a shape now unknown."""
    try:
        return Evidence.from_dict(evaluation.evidence)
    except (KeyError, TypeError, ValueError):
        return None


def migration_count() -> int:
    """Return how many migrations there are."""
    return ServiceMigration.objects.count()


def carrying_count() -> int:
    """Return how many migrations send users to their candidate."""
    return ServiceMigration.objects.filter(weight__gt=0).exclude(phase="decommissioned").count()


def recent_shares(splits: Collection[str], *, now: datetime) -> dict[str, tuple[float, float]]:
    """Return candidate's share of requests in percent and requests per second, of late, by split.

    Only blocks of the newest step that a split's proxies reported count, so that a move shows at
    once. A split that no proxy reported in the last seconds is absent: it has no data.
    """
    since = int(now.timestamp()) - SHARE_WINDOW_S
    rows = list(
        RoutingBlock.objects.filter(split__in=list(splits), start__gte=since)
        .order_by("start")
        .values_list("split", "epoch", "arms", "start", "seconds")
    )
    newest = {split: epoch for split, epoch, *_ in rows}
    sums: dict[str, list[int]] = {}
    spans: dict[str, set[tuple[int, int]]] = {}
    for split, epoch, arms, start, seconds in rows:
        if epoch != newest[split]:
            continue
        pair = sums.setdefault(split, [0, 0])
        pair[0] += arms.get("candidate", 0)
        pair[1] += arms.get("legacy", 0)
        spans.setdefault(split, set()).add((start, seconds))
    return {
        split: (100 * c / (c + le), (c + le) / sum(s for _, s in spans[split]))
        for split, (c, le) in sums.items()
        if c + le
    }


@dataclass(frozen=True, slots=True)
class ArmSeries:
    """One arm over time: per slot requests/s, error share and p99 in us; None where nothing ran."""

    rps: tuple[float | None, ...]
    errors: tuple[float | None, ...]
    p99_us: tuple[float | None, ...]
    now_rps: float | None
    now_errors: float | None
    now_p99_us: float | None
    now_p50_us: float | None


def traffic_series(
    *, split: str, now: datetime, slots: int = 20, window_s: int = TILE_WINDOW_S
) -> dict[str, ArmSeries]:
    """Return each arm's last minutes in equal slots; one query. The open slot is left out."""
    width = window_s // slots
    end = int(now.timestamp()) // width * width
    begin = end - slots * width
    cells: dict[str, list[_Cell]] = {arm: [_Cell() for _ in range(slots)] for arm in ARMS}
    rows = TrafficBlock.objects.filter(
        split=split, start__gte=begin, start__lt=end, arm__in=ARMS
    ).values_list("arm", "start", "seconds", "requests", "errors", "latency")
    for arm, start, seconds, requests, errors, latency in rows:
        cells[arm][(start - begin) // width].add(start, seconds, requests, errors, latency)
    return {arm: _series(found) for arm, found in cells.items() if any(c.requests for c in found)}


class _Cell:
    """Sums of one slot."""

    def __init__(self) -> None:
        self.requests = self.errors = 0
        self.spans: dict[int, int] = {}
        self.latency: list[Histogram] = []

    def add(
        self, start: int, seconds: int, requests: int, errors: int, latency: Mapping[str, Any]
    ) -> None:
        self.requests += requests
        self.errors += errors
        self.spans[start] = seconds
        if latency.get("all"):
            self.latency.append(from_wire(latency["all"]))

    @property
    def rps(self) -> float | None:
        return self.requests / sum(self.spans.values()) if self.spans else None

    @property
    def error_share(self) -> float | None:
        return self.errors / self.requests if self.requests else None

    def quantile(self, q: float) -> float | None:
        return quantile(merge(self.latency), q) if self.latency else None


def _series(cells: Sequence[_Cell]) -> ArmSeries:
    last = _Cell()
    for cell in cells[-2:]:
        last.requests += cell.requests
        last.errors += cell.errors
        last.spans |= cell.spans
        last.latency += cell.latency
    return ArmSeries(
        rps=tuple(c.rps for c in cells),
        errors=tuple(c.error_share for c in cells),
        p99_us=tuple(c.quantile(0.99) for c in cells),
        now_rps=last.rps,
        now_errors=last.error_share,
        now_p99_us=last.quantile(0.99),
        now_p50_us=last.quantile(0.5),
    )


def fleet_p99(splits: Collection[str], *, now: datetime) -> dict[str, dict[str, float]]:
    """Return p99 in us of each arm over the last minute, by split; one query."""
    since = int((now - timedelta(seconds=60)).timestamp())
    found: dict[str, dict[str, list[Histogram]]] = {}
    rows = TrafficBlock.objects.filter(
        split__in=list(splits), start__gte=since, arm__in=ARMS
    ).values_list("split", "arm", "latency")
    for split, arm, latency in rows:
        if latency.get("all"):
            arms = found.setdefault(split, {})
            arms.setdefault(arm, []).append(from_wire(latency["all"]))
    return {
        split: {arm: value for arm, hs in arms.items() if (value := quantile(merge(hs), 0.99))}
        for split, arms in found.items()
    }


def cause_count(*, pair_id: int, builds: str) -> int:
    """Return how many causes of mismatch the present builds have."""
    return MismatchGroup.objects.filter(
        pair_id=pair_id,
        builds=builds,
        rules=F("pair__rules_revision"),
        pair_kind__in=("forward", "reverse"),
    ).count()


def ignored_paths(*, pair_id: int) -> tuple[str, ...]:
    """Return the JSON paths that the pair's rules ignore."""
    found: list[str] = []
    for paths in (
        ServiceMigration.objects.filter(pair_id=pair_id)
        .order_by("pair__routes__path")
        .values_list("pair__routes__ignore", flat=True)
    ):
        found += paths or []
    return tuple(dict.fromkeys(found))


def tolerances(*, pair_id: int) -> dict[str, float]:
    """Return each route's tolerance by its name."""
    rows = ServiceMigration.objects.filter(pair_id=pair_id).values_list(
        "pair__routes__method", "pair__routes__path", "pair__routes__atol"
    )
    return {f"{method} {path}": atol for method, path, atol in rows}


def decision_of(entry_seq: int) -> Decision | None:
    """Return the decision a ledger entry records, with the evaluations it stood on."""
    return (
        Decision.objects.filter(entry_id=entry_seq)
        .select_related("migration")
        .prefetch_related("evaluations")
        .first()
    )


def previous_hash(seq: int) -> str:
    """Return the hash of the entry before; empty before the first."""
    return LedgerEntry.objects.filter(seq=seq - 1).values_list("hash", flat=True).first() or ""


def entry_count(slug: str) -> int:
    """Return how many entries are about one migration, counted up to 1,000."""
    return len(LedgerEntry.objects.filter(subject=slug).values_list("seq", flat=True)[:1000])


def newer_count(seq: int, slug: str = "") -> int:
    """Return how many entries came after one, counted up to 100."""
    rows = LedgerEntry.objects.filter(seq__gt=seq)
    if slug:
        rows = rows.filter(subject=slug)
    return len(rows.values_list("seq", flat=True)[:100])


def waiting_approvals(*, name: str, now: datetime) -> int:
    """Return how many open requests of others wait for an answer."""
    rows = Approval.objects.filter(state=Approval.State.REQUESTED, expires_at__gt=now)
    return rows.exclude(requester=name).count()


def verdict_history(
    *, migration_id: int, gate: str, before: int | None, limit: int
) -> list[GateEvaluation]:
    """Return a gate's verdicts, one row per change, newest first; paged by id."""
    rows = GateEvaluation.objects.filter(migration_id=migration_id, gate=gate).order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(rows[:limit])


def decisions_in_order(migration_id: int) -> list[Decision]:
    """Return all decisions of a migration, first to last, with their approvals."""
    rows = Decision.objects.filter(migration_id=migration_id).select_related("approval")
    return list(rows.order_by("pk"))


def approver_of(decision: Decision) -> str:
    """Return the second person of a decision; empty when it needed none."""
    approval = getattr(decision, "approval", None)
    return approval.approver if approval is not None else ""


def ledger_head() -> tuple[int, str]:
    """Return the newest entry's number and hash."""
    found = LedgerEntry.objects.order_by("-seq").values_list("seq", "hash").first()
    return found or (0, "")


def entry_span(slug: str) -> tuple[int, int]:
    """Return the first and last number of the entries about a migration."""
    rows = LedgerEntry.objects.filter(subject=slug)
    first = rows.order_by("seq").values_list("seq", flat=True).first()
    last = rows.order_by("-seq").values_list("seq", flat=True).first()
    return first or 0, last or 0


def slugs(limit: int = 100) -> list[str]:
    """Return the names of migrations, for a filter."""
    return list(ServiceMigration.objects.order_by("slug").values_list("slug", flat=True)[:limit])


def people(limit: int = 50) -> list[str]:
    """Return the names of people, for a filter."""
    users = get_user_model().objects.filter(is_active=True).order_by("username")
    return [user.get_username() for user in users[:limit]]


@dataclass(frozen=True, slots=True)
class Installation:
    """What a new installation needs before its first migration."""

    proxies: int
    proxies_seen: int
    ledger_seq: int
    people: int


def installation(*, now: datetime) -> Installation:
    """Read the state of the installation; four small queries."""
    fresh = now - timedelta(seconds=30)
    return Installation(
        proxies=Proxy.objects.count(),
        proxies_seen=Proxy.objects.filter(last_seen_at__gte=fresh).count(),
        ledger_seq=LedgerHead.objects.values_list("seq", flat=True).first() or 0,
        people=get_user_model().objects.filter(is_active=True).count(),
    )


def sampled_totals(accounting: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Add up what became of sampled requests over all routes."""
    total: dict[str, int] = {}
    for counts in accounting.values():
        for name, count in counts.items():
            total[name] = total.get(name, 0) + count
    return total


def compared_by_route(*, pair_id: int, builds: str, since: datetime) -> dict[str, dict[str, int]]:
    """Return sums of pairs per kind ("forward", "noise", ...); one query, added by the database."""
    rows = (
        PairBlock.objects.filter(pair_id=pair_id, builds=builds, start__gte=int(since.timestamp()))
        .values("kind")
        .annotate(c=Sum("compared"), m=Sum("mismatched"), x=Sum("excluded"), d=Sum("duplicates"))
    )
    return {
        row["kind"]: {
            "compared": row["c"] or 0,
            "mismatched": row["m"] or 0,
            "excluded": row["x"] or 0,
            "duplicates": row["d"] or 0,
        }
        for row in rows
    }
