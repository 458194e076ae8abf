"""When a check runs again, and the bounds of one run. Pure."""

from datetime import datetime, timedelta

from judge.verdict import Verdict
from shadow.checks.base import Check

# A run whose worker says nothing for this long is taken over; checks report progress far sooner.
CLAIM_SECONDS = 30
# How often progress is written while a check runs.
RENEW_SECONDS = 2
# A run that takes longer is given up: its services answer too slowly to be checked.
RUN_SECONDS = 300
MAX_ATTEMPTS = 3
# A run that could not judge is tried again soon, and a new build is looked at soon, not at once:
# while instances are replaced one by one, probes see the old and the new build in turn.
RETRY_SECONDS = 60
SETTLE_SECONDS = 10


def due_at(
    check: Check, *, finished_at: datetime | None, verdict: str, same_builds: bool
) -> datetime | None:
    """Return when the check is due after its newest run; None when it is due now.

    `verdict` is empty for a run that was stopped: it counts as one turn of the schedule.
    """
    if finished_at is None:
        return None
    if not same_builds:
        return finished_at + timedelta(seconds=SETTLE_SECONDS)
    judged = verdict in ("", Verdict.PASS.value, Verdict.FAIL.value)
    wait = check.every_s if judged else min(check.every_s, RETRY_SECONDS)
    return finished_at + timedelta(seconds=wait)
