"""The checklist's load gate: the newest whole run on the present builds, as long as it holds."""

from datetime import datetime

from judge.evidence import Evidence
from judge.verdict import Verdict
from rollout.gates.base import Context, Judged, simple_evidence
from traffic.load import runs
from traffic.load.plan import TARGET, LoadPlan
from traffic.load.progress import Progress, remaining_s
from traffic.models import LoadRun


def load(context: Context) -> Judged:
    """Give the verdict of the last test; none, another build's and an old one open nothing."""
    found = runs.latest(context.migration.split)
    mine = [run for run in found if run.builds == context.migration.pair.builds]
    done = next((run for run in mine if run.state == LoadRun.State.DONE), None)
    if done is not None and not _expired(done, context.now):
        return _judged(done), ()
    running = next((run for run in mine if run.state == LoadRun.State.RUNNING), None)
    if running is not None:
        return _in_progress(running, context.now), ()
    if done is not None:
        text = f"The last test was too long ago, at {done.finished_at:%Y-%m-%d %H:%M} UTC."
    elif mine:
        text = f"Not finished. {mine[0].sentence}"
    elif found:
        text = "The last test was on another build. Start one for this build."
    else:
        text = "Not measured yet. Start a load test."
    return simple_evidence("load", Verdict.INCONCLUSIVE, text, limit=TARGET), ()


def _expired(run: LoadRun, now: datetime) -> bool:
    return run.expires_at is None or run.expires_at <= now


def _judged(run: LoadRun) -> Evidence:
    stages = run.result.get("stages", [])
    held = stages[-1] if stages else {}
    peak = LoadPlan.from_dict(run.plan).peak_rps
    return simple_evidence(
        "load",
        Verdict(run.verdict),
        run.sentence,
        value=held.get("measured_rps", 0.0) / peak,
        limit=TARGET,
        n=held.get("requests", 0),
        progress=held.get("factor", 0.0) / TARGET,
        window_s=held.get("seconds", 0),
        reasons=(f"run {run.pk}",),
    )


def _in_progress(run: LoadRun, now: datetime) -> Evidence:
    plan, progress = LoadPlan.from_dict(run.plan), Progress.from_dict(run.progress)
    left = remaining_s(plan, progress, now=now.timestamp())
    return simple_evidence(
        "load",
        Verdict.INCONCLUSIVE,
        f"A test is running, {progress.words(plan)}.",
        limit=TARGET,
        progress=max(0.0, 1 - left / plan.expected_s),
        eta_s=left,
        reasons=(f"run {run.pk}",),
    )
