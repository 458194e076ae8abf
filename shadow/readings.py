"""Readings of the checks: where each stands, its history, and what a run is given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, QuerySet, Sum

from shadow.checks import CHECKS
from shadow.checks.base import Check, CorpusEntry, Route, Subject
from shadow.checks.schedule import due_at
from shadow.comparison import RuleError, Rules, rules_of
from shadow.models import CheckRun, CorpusRequest, LogBatch, PairBlock, RouteRule, ServicePair

Runs = QuerySet[CheckRun]

# What one run is given of the corpus, oldest turn first, and how many bytes of it.
CORPUS_ENTRIES = 300
CORPUS_BYTES = 8 * 1024 * 1024
LOG_FORMAT = "log_format"
LOG_LINES = 5000
LOG_BATCHES = 50


@dataclass(frozen=True, slots=True)
class CheckState:
    """One item of one pair: its newest runs. `latest` is done, `open_run` queued or running."""

    pair: ServicePair
    check: Check
    newest: CheckRun | None
    latest: CheckRun | None
    open_run: CheckRun | None

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the pair's owners set for this check; empty: its defaults."""
        found: Mapping[str, Any] = self.pair.checks.get(self.check.item, {})
        return found

    @property
    def due_at(self) -> datetime | None:
        """When the schedule wants the next run; None: now."""
        if self.newest is None:
            return None
        return due_at(
            self.check,
            finished_at=self.newest.finished_at,
            verdict=self.newest.verdict,
            same_builds=self.newest.builds == self.pair.builds,
        )

    def is_due(self, now: datetime) -> bool:
        """Whether the schedule wants a run now and none is open."""
        if self.open_run is not None:
            return False
        due = self.due_at
        return due is None or due <= now

    def counts(self, now: datetime) -> bool:
        """Whether the latest result is about the present builds and has not expired."""
        latest = self.latest
        return bool(
            latest
            and latest.builds == self.pair.builds
            and latest.expires_at is not None
            and latest.expires_at > now
        )


def check_states(*, pairs: Iterable[ServicePair]) -> dict[int, list[CheckState]]:
    """Return by pair every check with its newest runs, in the order of `CHECKS`."""
    pairs = list(pairs)
    runs = CheckRun.objects.filter(pair__in=pairs)
    newest = _newest(runs)
    latest = _newest(runs.filter(state=CheckRun.State.DONE))
    opened = _newest(runs.filter(state__in=CheckRun.OPEN))
    return {
        pair.pk: [
            CheckState(
                pair=pair,
                check=check,
                newest=newest.get((pair.pk, item)),
                latest=latest.get((pair.pk, item)),
                open_run=opened.get((pair.pk, item)),
            )
            for item, check in CHECKS.items()
        ]
        for pair in pairs
    }


def check_state(*, pair: ServicePair, item: str) -> CheckState | None:
    """Return one check of the pair; None when there is no such check."""
    found = check_states(pairs=[pair])[pair.pk]
    return next((state for state in found if state.check.item == item), None)


def due_checks(*, now: datetime) -> list[CheckState]:
    """Return the checks of live pairs that the schedule, or a new build, wants to run."""
    live = ServicePair.objects.filter(probing=True)
    states = [state for found in check_states(pairs=live).values() for state in found]
    return [state for state in states if state.is_due(now)]


def _newest(runs: Runs) -> dict[tuple[int, str], CheckRun]:
    ids = runs.order_by().values("pair", "item").annotate(newest=Max("pk")).values("newest")
    return {(run.pair_id, run.item): run for run in CheckRun.objects.filter(pk__in=ids)}


def check_items() -> tuple[str, ...]:
    """Return the names of the checks, in the order of `CHECKS`."""
    return tuple(CHECKS)


def corpus(*, pair: ServicePair, source: str = "", route: str = "") -> QuerySet[CorpusRequest]:
    """Return the pair's corpus, newest first."""
    rows = CorpusRequest.objects.filter(pair=pair).order_by("-pk")
    rows = rows.filter(source=source) if source else rows
    return rows.filter(route=route) if route else rows


@dataclass(frozen=True, slots=True)
class Replayed:
    """One route's part of the corpus, and what replaying it gave on the present builds."""

    route: str
    requests: Mapping[str, int]
    safe: bool
    compared: int
    mismatched: int
    excluded: int
    last_sent_at: datetime | None


def replayed(*, pair: ServicePair) -> list[Replayed]:
    """Return for each route of the corpus what it holds and how its replay compared."""
    counts: dict[str, dict[str, int]] = {}
    sent: dict[str, datetime | None] = {}
    rows = CorpusRequest.objects.filter(pair=pair).order_by()
    for route, source, count, last in rows.values_list("route", "source").annotate(
        count=Count("pk"), last=Max("sent_at")
    ):
        counts.setdefault(route, {})[source] = count
        sent[route] = max((at for at in (last, sent.get(route)) if at), default=None)
    blocks = PairBlock.objects.filter(pair=pair, kind="replay", builds=pair.builds).order_by()
    sums = {
        route: sums
        for route, *sums in blocks.values_list("route").annotate(
            Sum("compared"), Sum("mismatched"), Sum("excluded")
        )
    }
    safe = {route.label for route in routes_of(pair) if route.safe_to_duplicate}
    found = []
    for route in sorted(counts.keys() | sums.keys()):
        compared, mismatched, excluded = sums.get(route, (0, 0, 0))
        found.append(
            Replayed(
                route=route,
                requests=counts.get(route, {}),
                safe=route in safe,
                compared=compared,
                mismatched=mismatched,
                excluded=excluded,
                last_sent_at=sent.get(route),
            )
        )
    return found


def check_history(*, pair: ServicePair, item: str, limit: int = 20) -> list[CheckRun]:
    """Return the newest runs of one check, newest first."""
    return list(CheckRun.objects.filter(pair=pair, item=item)[:limit])


def subject_of(*, pair: ServicePair, item: str) -> Subject:
    """Return what one run of a check is given: addresses, builds, routes, corpus, settings."""
    judges_logs = item == LOG_FORMAT
    return Subject(
        name=pair.name,
        legacy_url=pair.legacy_url,
        candidate_url=pair.candidate_url,
        legacy_build=pair.legacy_build,
        candidate_build=pair.candidate_build,
        health_path=pair.health_path,
        ready_path=pair.ready_path,
        routes=routes_of(pair),
        corpus=tuple(_corpus(pair)),
        logs=posted_lines(pair) if judges_logs else {},
        log_roots=tuple(settings.BANYAN_LOG_ROOTS) if judges_logs else (),
        settings=pair.checks.get(item, {}),
    )


def posted_lines(pair: ServicePair) -> dict[str, tuple[str, ...]]:
    """Return the newest posted lines of each side's present build, oldest first."""
    builds = {"legacy": pair.legacy_build, "candidate": pair.candidate_build}
    found = {}
    for side, build in builds.items():
        lines: list[str] = []
        for batch in LogBatch.objects.filter(pair=pair, side=side, build=build)[:LOG_BATCHES]:
            lines = [*batch.text.split("\n"), *lines]
            if len(lines) >= LOG_LINES:
                break
        found[side] = tuple(lines[-LOG_LINES:])
    return found


def routes_of(pair: ServicePair) -> tuple[Route, ...]:
    """Return the pair's routes with the rules by which their answers compare."""
    return tuple(
        Route(rule.method, rule.path, rule.safe_to_duplicate, _rules(rule))
        for rule in pair.routes.order_by("pk")
    )


def _rules(rule: RouteRule) -> Rules:
    """Return a route's rules; ones that cannot be read forgive nothing."""
    try:
        return rules_of(atol=rule.atol, ignore=rule.ignore, rules=rule.rules)
    except RuleError:
        return Rules(atol=0)


def _corpus(pair: ServicePair) -> list[CorpusEntry]:
    entries, room = [], CORPUS_BYTES
    for row in CorpusRequest.objects.filter(pair=pair).order_by("sent_at", "pk")[:CORPUS_ENTRIES]:
        room -= len(row.body)
        if room < 0:
            break
        entries.append(entry_of(row))
    return entries


def entry_of(row: CorpusRequest) -> CorpusEntry:
    """Return a stored request as checks and replay send it."""
    return CorpusEntry(
        source=row.source,
        route=row.route,
        method=row.method,
        path=row.path,
        headers=tuple((str(name), str(value)) for name, value in row.headers),
        body=bytes(row.body),
    )
