"""Runs of checks as rows: asked for, queued when due, claimed, renewed, finished, stopped.

Every write names the claim that it belongs to: a worker that lost its claim writes nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, Max, Q, Value, When

from judge.verdict import Verdict
from shadow import readings
from shadow.checks import CHECKS
from shadow.checks.base import Result
from shadow.checks.schedule import CLAIM_SECONDS, MAX_ATTEMPTS
from shadow.checks.storable import clean_text, storable
from shadow.models import CheckRun, ServicePair

# Checks wait for one another: they would disturb each other's services, and must leave the
# workers' other processes to the comparison of live pairs.
AT_ONCE = 1
KEPT = timedelta(days=30)
DOING_CHARS = 200


def request_run(*, pair: ServicePair, item: str, requested_by: str, now: datetime) -> CheckRun:
    """Queue a run and return it; while one is queued or running, that one is returned."""
    try:
        with transaction.atomic():
            return CheckRun.objects.create(
                pair=pair,
                item=item,
                builds=pair.builds,
                requested_by=requested_by,
                requested_at=now,
            )
    except IntegrityError:
        open_run = CheckRun.objects.filter(pair=pair, item=item, state__in=CheckRun.OPEN).first()
        if open_run is None:  # it ended this very moment
            return request_run(pair=pair, item=item, requested_by=requested_by, now=now)
        return open_run


def queue_due(*, now: datetime) -> int:
    """Queue what the schedule wants, or a new build needs; return how many runs were queued."""
    due = readings.due_checks(now=now)
    for state in due:
        request_run(pair=state.pair, item=state.check.item, requested_by="", now=now)
    return len(due)


def claim_next(*, now: datetime, claim: str) -> CheckRun | None:
    """Take the next run for `claim`: a person's first, then the oldest; None when none is free.

    A run whose worker fell silent is taken over; after MAX_ATTEMPTS it ends with ERROR.
    """
    silent = now - timedelta(seconds=CLAIM_SECONDS)
    running = CheckRun.objects.filter(state=CheckRun.State.RUNNING, alive_at__gte=silent)
    if running.count() >= AT_ONCE:
        return None
    free = Q(state=CheckRun.State.QUEUED) | Q(state=CheckRun.State.RUNNING, alive_at__lt=silent)
    waiting = (
        CheckRun.objects.filter(free)
        .select_related("pair")
        .annotate(by_schedule=Case(When(requested_by="", then=Value(1)), default=Value(0)))
        .order_by("by_schedule", "requested_at", "pk")
    )
    for run in waiting[:50]:
        if run.attempts >= MAX_ATTEMPTS:
            _give_up(run, now)
        elif _take(run, now, claim):
            return CheckRun.objects.select_related("pair").get(pk=run.pk)
    return None


def _take(run: CheckRun, now: datetime, claim: str) -> bool:
    return bool(
        _held(run).update(
            state=CheckRun.State.RUNNING,
            claim=claim,
            attempts=run.attempts + 1,
            builds=run.pair.builds,
            started_at=now,
            alive_at=now,
            progress=0,
            doing="",
        )
    )


def _held(run: CheckRun) -> "readings.Runs":
    """Return the row as long as nobody else changed whose it is."""
    return CheckRun.objects.filter(
        pk=run.pk, state=run.state, claim=run.claim, attempts=run.attempts
    )


def _give_up(run: CheckRun, now: datetime) -> None:
    finish(
        run=run,
        result=Result(
            verdict=Verdict.ERROR,
            sentence=f"{MAX_ATTEMPTS} workers began this run and none of them finished it.",
            advice=("Look at the workers' log: they were stopped, or ran out of memory.",),
        ),
        now=now,
    )


def renew(*, run: CheckRun, progress: float, doing: str, now: datetime) -> bool:
    """Say that the run is alive and how far it is; False when it is this worker's no more."""
    return bool(
        _held(run).update(
            alive_at=now,
            progress=min(max(progress, 0.0), 1.0),
            doing=clean_text(doing)[:DOING_CHARS],
        )
    )


def finish(*, run: CheckRun, result: Result, now: datetime) -> bool:
    """Keep what the run found, bound to the builds it began with; False when the claim is lost."""
    check = CHECKS.get(run.item)
    lifetime = timedelta(seconds=check.lifetime_s if check else 0)
    return bool(
        _held(run).update(
            state=CheckRun.State.DONE,
            finished_at=now,
            expires_at=now + lifetime,
            progress=1,
            doing="",
            verdict=result.verdict.value,
            sentence=clean_text(result.sentence),
            result=storable(result),
        )
    )


def stop_run(*, pair: ServicePair, item: str, now: datetime) -> CheckRun | None:
    """Stop the open run; its worker notices at its next word. None when none is open."""
    run = CheckRun.objects.filter(pair=pair, item=item, state__in=CheckRun.OPEN).first()
    if run is None:
        return None
    CheckRun.objects.filter(pk=run.pk, state__in=CheckRun.OPEN).update(
        state=CheckRun.State.STOPPED, finished_at=now, doing=""
    )
    return CheckRun.objects.get(pk=run.pk)


def set_check_settings(
    *, pair: ServicePair, item: str, settings: Mapping[str, Any], now: datetime
) -> None:
    """Keep checked settings of one item; what was found under the old ones counts no longer."""
    with transaction.atomic():
        locked = ServicePair.objects.select_for_update().get(pk=pair.pk)
        ServicePair.objects.filter(pk=pair.pk).update(
            checks={**locked.checks, item: dict(settings)}
        )
        stop_run(pair=pair, item=item, now=now)
        CheckRun.objects.filter(pair=pair, item=item, expires_at__gt=now).update(expires_at=now)


def forget_runs(*, now: datetime) -> int:
    """Delete runs that ended long ago, but each check's newest; return how many went."""
    kept = CheckRun.objects.order_by().values("pair", "item").annotate(newest=Max("pk"))
    old = CheckRun.objects.filter(finished_at__lt=now - KEPT)
    return old.exclude(pk__in=kept.values("newest")).delete()[0]
