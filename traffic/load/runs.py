"""A load test as a row: begin, tick, stop. Each is one transaction, and may be repeated by anybody.

The row says what is wanted; a tick reads what was reported, asks the pure machine, and writes where
the run stands together with what the proxies should do. Nothing runs between ticks.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db import transaction

from judge.verdict import Verdict
from traffic import queries, services
from traffic.exceptions import TrafficError
from traffic.load import ends
from traffic.load.counts import Block, window
from traffic.load.machine import Step, Tick, step
from traffic.load.memory import MemorySample, growth
from traffic.load.outcome import Outcome
from traffic.load.plan import LoadPlan
from traffic.load.progress import BASELINE, Progress
from traffic.load.reading import read_blocks, reference
from traffic.models import LoadRun, Proxy, Split

CAPABILITY = "load_amplify"
GENERATOR_ALIVE_S = 10


class LoadRefusedError(TrafficError):
    """A load test that cannot be begun here and now."""

    status = 409
    code = "load_refused"


def begin(
    *, split: Split, plan: LoadPlan, mode: str, builds: str, requested_by: str, now: datetime
) -> LoadRun:
    """Begin a run; raises LoadRefusedError when one runs or a proxy could not end the copies."""
    with transaction.atomic():
        services.lock_group(split.group_id)
        if LoadRun.objects.filter(split=split, state=LoadRun.State.RUNNING).exists():
            raise LoadRefusedError("A load test of this split runs already.")
        if mode == LoadRun.Mode.MIRROR:
            _check_fleet(split)
        generated = mode == LoadRun.Mode.GENERATOR
        progress = Progress(
            asked_at=now.timestamp(),
            reference=reference(split, until=now) if generated else None,
        )
        return LoadRun.objects.create(
            split=split,
            builds=builds,
            mode=mode,
            requested_by=requested_by,
            started_at=now,
            deadline_at=now + timedelta(seconds=plan.longest_s),
            plan=plan.to_dict(),
            progress=progress.to_dict(),
        )


def _check_fleet(split: Split) -> None:
    fleet = list(Proxy.objects.filter(group_id=split.group_id))
    unable = sorted(proxy.name for proxy in fleet if CAPABILITY not in proxy.capabilities)
    if not fleet or unable:
        who = ", ".join(unable) or "No proxy"
        raise LoadRefusedError(f"{who} cannot copy for a load test and end it by itself.")
    if not any(route["safe_to_duplicate"] for route in split.routes):
        raise LoadRefusedError("No route is declared safe to duplicate.")


def tick(
    run_id: int,
    *,
    now: datetime,
    resident: int | None = None,
    on_end: Callable[[LoadRun], None] = lambda _run: None,
) -> LoadRun | None:
    """Go on with a run. Returns it when this tick ended it, else None.

    `resident` is the candidate's memory in bytes now, None when it does not tell.

    Reading comes before the lock: a tick that somebody else overtook writes nothing. `on_end` is
    called in the transaction that ends the run.
    """
    run = LoadRun.objects.select_related("split").filter(pk=run_id).first()
    if run is None or run.state != LoadRun.State.RUNNING:
        return None
    plan, progress = LoadPlan.from_dict(run.plan), Progress.from_dict(run.progress)
    if resident is not None:
        run.memory = [*run.memory, {"at": now.timestamp(), "resident": resident}]
    made = _without_leak(_next(run, plan, progress, now=now), run.memory)
    with transaction.atomic():
        current = LoadRun.objects.select_for_update().get(pk=run.pk)
        if current.state != LoadRun.State.RUNNING or current.ticked_at != run.ticked_at:
            return None
        current.memory = run.memory
        ended = _write(current, made, now=now)
        if ended is not None:
            on_end(ended)
        return ended


def _without_leak(made: Step, samples: Sequence[dict[str, float]]) -> Step:
    """Let no test pass in which the candidate's memory went on growing."""
    if made.outcome is None or made.outcome.verdict is not Verdict.PASS:
        return made
    how = growth([MemorySample.from_dict(sample) for sample in samples])
    return replace(made, outcome=ends.leaking(made.outcome, how)) if how else made


def _next(run: LoadRun, plan: LoadPlan, progress: Progress, *, now: datetime) -> Step:
    if now >= run.deadline_at:
        return Step(progress, 0.0, ends.timed_out())
    if _overtaken(run, progress):
        return Step(progress, 0.0, ends.overtaken("the split was asked for something else"))
    blocks = read_blocks(run, since=datetime.fromtimestamp(progress.asked_at, UTC))
    return step(
        plan,
        progress,
        Tick(
            now=now.timestamp(),
            blocks=blocks,
            in_effect=_in_effect(run, progress, blocks, now=now),
            reference=progress.reference,
        ),
    )


def _overtaken(run: LoadRun, progress: Progress) -> bool:
    """Whether a decision has moved users since the copies were asked for: it ends them."""
    copying = run.mode == LoadRun.Mode.MIRROR and progress.stage != BASELINE
    return copying and not progress.stopping and run.split.amplify_tth != progress.copies_tth


def _in_effect(run: LoadRun, progress: Progress, blocks: Sequence[Block], *, now: datetime) -> bool:
    if progress.stage == BASELINE:
        return False
    if run.mode == LoadRun.Mode.GENERATOR:
        newest = max((b.end for b in blocks if b.load.requests), default=0)
        return newest > max(progress.asked_at, now.timestamp() - GENERATOR_ALIVE_S)
    found = queries.convergence(
        group_id=run.split.group_id, generation=progress.generation, now=now
    )
    return found.complete


def _write(run: LoadRun, made: Step, *, now: datetime) -> LoadRun | None:
    """Write where the run stands, and with it what proxies or generator should do."""
    progress, until = made.progress, datetime.fromtimestamp(made.until, UTC)
    loading = until > now
    if run.mode == LoadRun.Mode.MIRROR:
        copies = progress.copies_tth if loading else 0
        generation = _amplify(run, copies=copies, until=until, now=now)
        progress = replace(progress, generation=generation or progress.generation)
    run.progress = progress.to_dict()
    run.ticked_at = now
    run.desired_rps = progress.send_rps if loading else 0.0
    run.desired_until = until if loading else None
    run.save(update_fields=["progress", "ticked_at", "desired_rps", "desired_until", "memory"])
    if made.outcome is None:
        return None
    return _finish(run, made.outcome, state=LoadRun.State.DONE, now=now)


def _amplify(run: LoadRun, *, copies: int, until: datetime, now: datetime) -> int | None:
    split = Split.objects.get(pk=run.split_id)
    ends_at = split.amplify_until
    # The same copies for no longer are no reason for another snapshot of the whole fleet.
    lasts = ends_at is not None and now < ends_at and until <= ends_at
    if copies == split.amplify_tth and (lasts or not copies):
        return None
    snapshot = services.amplify(split=split, amplify_tth=copies, until=until, now=now)
    return snapshot.generation if snapshot else None


def stop(run_id: int, *, outcome: Outcome, now: datetime) -> LoadRun | None:
    """End a run before its time, copies first; None when it is over already."""
    with transaction.atomic():
        run = (
            LoadRun.objects.select_for_update(of=("self",))
            .select_related("split")
            .filter(pk=run_id, state=LoadRun.State.RUNNING)
            .first()
        )
        if run is None:
            return None
        if run.mode == LoadRun.Mode.MIRROR:
            _amplify(run, copies=0, until=now, now=now)
        return _finish(run, outcome, state=LoadRun.State.STOPPED, now=now)


def _finish(run: LoadRun, outcome: Outcome, *, state: str, now: datetime) -> LoadRun:
    plan, progress = LoadPlan.from_dict(run.plan), Progress.from_dict(run.progress)
    run.state = state
    run.finished_at = now
    run.expires_at = now + timedelta(seconds=plan.rules.lifetime_s)
    run.verdict, run.sentence = outcome.verdict.value, outcome.sentence
    run.desired_rps, run.desired_until = 0.0, None
    run.result = {
        "rule": outcome.rule,
        "stages": progress.to_dict()["stages"],
        "evidence": outcome.details,
    }
    run.save(
        update_fields=[
            "state",
            "finished_at",
            "expires_at",
            "verdict",
            "sentence",
            "result",
            "desired_rps",
            "desired_until",
        ]
    )
    return run


def present(run: LoadRun, progress: Progress) -> dict[str, float | int | None]:
    """Return what the present stage shows so far, for display."""
    since = progress.asked_at if progress.began_at is None else progress.began_at
    blocks = read_blocks(run, since=datetime.fromtimestamp(since, UTC))
    seen = window(blocks, since=since, until=blocks[-1].end if blocks else since)
    load, users = seen.sum(lambda b: b.load), seen.sum(lambda b: b.users)
    return {
        "candidate_rps": round(seen.candidate_rps, 3),
        "copies": load.requests,
        "errors": load.errors,
        "shed": load.shed,
        "p99_us": load.p99_us(),
        "users_p99_us": users.p99_us(),
        "users_errors": users.errors,
        "seconds": seen.seconds,
    }


def running() -> list[LoadRun]:
    """Return the runs that are not over, each with its split."""
    return list(LoadRun.objects.select_related("split").filter(state=LoadRun.State.RUNNING))


def latest(split: Split, *, limit: int = 20) -> list[LoadRun]:
    """Return a split's runs, newest first."""
    return list(LoadRun.objects.filter(split=split)[:limit])
