"""What REST gives out about checks: each check as it stands, and its runs."""

from datetime import datetime
from typing import Any

from rollout.api.documents import moment
from shadow.models import CheckRun
from shadow.readings import CheckState


def state_document(state: CheckState, *, now: datetime, whole: bool = False) -> dict[str, Any]:
    """Return one check. `counts` says whether its result is fresh and about these builds."""
    latest, open_run = state.latest, state.open_run
    return {
        "item": state.check.item,
        "title": state.check.title,
        "every_s": state.check.every_s,
        "lifetime_s": state.check.lifetime_s,
        "settings": dict(state.settings),
        "counts": state.counts(now),
        "latest": run_document(latest, whole=whole) if latest else None,
        "open": run_document(open_run) if open_run else None,
        "due_at": None if open_run else moment(state.due_at or now),
    }


def run_document(run: CheckRun, *, whole: bool = False) -> dict[str, Any]:
    """Return one run; `whole` adds what it found."""
    legacy, _, candidate = run.builds.partition("|")
    document = {
        "id": run.pk,
        "item": run.item,
        "state": run.state,
        "builds": {"legacy": legacy, "candidate": candidate},
        "requested_by": run.requested_by or None,
        "requested_at": moment(run.requested_at),
        "started_at": moment(run.started_at),
        "finished_at": moment(run.finished_at),
        "expires_at": moment(run.expires_at),
        "progress": run.progress,
        "doing": run.doing,
        "attempts": run.attempts,
        "verdict": run.verdict or None,
        "sentence": run.sentence,
        "n": run.result.get("n", 0),
        "failed": run.result.get("failed", 0),
        "findings_count": len(run.result.get("findings", [])),
    }
    if whole:
        for part in ("findings", "advice", "details"):
            document[part] = run.result.get(part, [])
    return document
