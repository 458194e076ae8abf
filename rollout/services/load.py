"""The load test of a migration: begin, drive, stop; each begin and end is in the ledger."""

import subprocess
import sys
import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from audit import services as ledger
from audit.chain import Actor
from rollout import permissions
from rollout.exceptions import ConflictError, InvalidError
from rollout.lifecycle import LIVE, Action
from rollout.models import ServiceMigration
from rollout.permissions import AUTOMATION
from rollout.policy import Policy
from rollout.services.decide import check_text, get, locked
from rollout.services.states import builds_body, state_of
from shadow.models import CorpusRequest
from traffic.load import ends, runs
from traffic.load.driver import claim, claimed
from traffic.load.generator import Request
from traffic.load.plan import LoadPlan
from traffic.load.reading import measured_peak
from traffic.load.runs import LoadRefusedError
from traffic.models import LoadRun

DECLARED_MAX_RPS = 1e6
MAX_REQUESTS = 2000


def start_load(  # noqa: PLR0913  # what is asked, and who asks
    *,
    slug: str,
    mode: str,
    declared_rps: float | None,
    reason: str,
    actor: Actor,
    now: datetime,
    request_id: str = "",
) -> LoadRun:
    """Begin a load test at twice the peak: the measured one, or a declared one that is no lower."""
    permissions.check(actor, Action.RUN_CHECK)
    reason = check_text(reason, "reason")
    with transaction.atomic():
        migration = locked(slug)
        _check_place(migration)
        plan = _plan(migration, declared_rps, now=now)
        try:
            run = runs.begin(
                split=migration.split,
                plan=plan,
                mode=mode,
                builds=migration.pair.builds,
                requested_by=actor.name,
                now=now,
            )
        except LoadRefusedError as exc:
            raise ConflictError(str(exc), code=exc.code) from exc
        told = {
            "mode": mode,
            "peak_rps": _milli(plan.peak_rps),
            "declared": plan.declared,
            "reason": reason,
            "request_id": request_id,
        }
        _record(migration, run, "load_start", actor, told, now=now)
    return run


def stop_load(
    *, slug: str, reason: str, actor: Actor, now: datetime, request_id: str = ""
) -> LoadRun | None:
    """Stop the running test, copies first; None when none runs."""
    permissions.check(actor, Action.RUN_CHECK)
    reason = check_text(reason, "reason")
    migration = get(slug)
    open_run = next((run for run in runs.running() if run.split_id == migration.split_id), None)
    if open_run is None:
        return None
    with transaction.atomic():
        ended = runs.stop(open_run.pk, outcome=ends.by_person(actor.name, reason), now=now)
        if ended is not None:
            told = {**_verdict(ended), "reason": reason, "request_id": request_id}
            _record(migration, ended, "load_stop", actor, told, now=now)
    return ended


def drive_load(run: LoadRun, *, now: datetime, resident: int | None = None) -> LoadRun | None:
    """Go on with one run; returns it when it ended by this. Repeating it changes nothing.

    `resident` is the candidate's memory in bytes, None when it does not tell.
    """
    migration = ServiceMigration.objects.select_related("pair", "split").get(split=run.split_id)

    def note(ended: LoadRun) -> None:
        _record(migration, ended, "load_end", AUTOMATION, _verdict(ended), now=now)

    over = _overtaken(migration, run)
    if over:
        with transaction.atomic():
            ended = runs.stop(run.pk, outcome=ends.overtaken(over), now=now)
            if ended is not None:
                note(ended)
        return ended
    return runs.tick(run.pk, now=now, resident=resident, on_end=note)


def keep_generating(run: LoadRun, *, now: datetime) -> bool:
    """Start the generator of a run that needs one and has none; it ends by itself with the run."""
    name = uuid.uuid4().hex
    needed = run.mode == LoadRun.Mode.GENERATOR and not claimed(run, now=now)
    if not needed or not claim(run.pk, name=name, now=now):
        return False
    argv = [sys.executable, str(settings.BASE_DIR / "manage.py"), "generate_load", "--run"]
    subprocess.Popen(  # noqa: S603  # our own program, ending with its run
        [*argv, str(run.pk), "--claim", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    return True


def requests_of(run: LoadRun) -> tuple[list[Request], str]:
    """Return the corpus of routes that are safe to send, and the candidate's address."""
    migration = ServiceMigration.objects.select_related("pair").get(split=run.split_id)
    safe = {rule.label for rule in migration.pair.routes.all() if rule.safe_to_duplicate}
    rows = CorpusRequest.objects.filter(pair=migration.pair, route__in=safe)[:MAX_REQUESTS]
    found = [
        Request(
            method=row.method,
            path=row.path,
            headers=tuple((str(name), str(value)) for name, value in row.headers),
            body=bytes(row.body),
        )
        for row in rows
    ]
    return found, migration.pair.candidate_url


def _check_place(migration: ServiceMigration) -> None:
    if migration.phase not in LIVE:
        raise ConflictError(
            f"A load test needs live traffic, not {migration.place.words()}.",
            code="not_allowed_here",
        )
    if migration.held:
        raise ConflictError("The migration is held. Resume it first.", code="held")
    if migration.in_effect_at is None:
        raise ConflictError("The present place is not in effect yet.", code="not_in_effect")


def _plan(migration: ServiceMigration, declared_rps: float | None, *, now: datetime) -> LoadPlan:
    rules = Policy.from_dict(migration.policy).load
    peak = measured_peak(migration.split, window_s=rules.peak_window_s, now=now)
    if declared_rps is None:
        if not peak.rps:
            raise ConflictError(
                f"No whole window of {rules.peak_window_s} s of production was seen yet. "
                "Wait, or declare the peak.",
                code="too_little_production",
                field="peak_rps",
            )
        return LoadPlan(peak_rps=peak.rps, rules=rules)
    if not 0 < declared_rps <= DECLARED_MAX_RPS:
        raise InvalidError("The peak is a rate above 0.", field="peak_rps")
    if declared_rps < peak.rps:
        raise InvalidError(
            f"Production was seen at {peak.rps:.1f} requests/s; the peak is no lower.",
            field="peak_rps",
        )
    return LoadPlan(peak_rps=declared_rps, declared=True, rules=rules)


def _overtaken(migration: ServiceMigration, run: LoadRun) -> str:
    """Say what is no longer as it was when the run began; empty while all is."""
    if migration.phase not in LIVE or migration.placed_at > run.started_at:
        return "the migration moved"
    if migration.held:
        return f"the migration is held by {migration.held_by or 'somebody'}"
    if migration.pair.builds != run.builds:
        return "a build changed"
    return ""


def _verdict(run: LoadRun) -> dict[str, Any]:
    return {"verdict": run.verdict, "sentence": run.sentence, "rule": run.result.get("rule", "")}


def _record(
    migration: ServiceMigration,
    run: LoadRun,
    verb: str,
    actor: Actor,
    told: dict[str, Any],
    *,
    now: datetime,
) -> None:
    ledger.append(
        actor=actor,
        action=f"migration:{verb}",
        body={
            "migration": migration.slug,
            "place": state_of(migration),
            "builds": builds_body(migration),
            "run": run.pk,
            **told,
        },
        now=now,
    )


def _milli(rps: float) -> str:
    """Return a rate as the ledger holds numbers that are not whole: as text."""
    return f"{rps:.3f}"
