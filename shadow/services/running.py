"""Carry out one claimed run: what the check is given, its words while it runs, its fence."""

import time
from collections.abc import Callable
from datetime import datetime

import structlog

from judge.verdict import Verdict
from shadow import readings
from shadow.checks import CHECKS
from shadow.checks.base import Check, Result, SettingsError, Stopped
from shadow.checks.schedule import RENEW_SECONDS, RUN_SECONDS
from shadow.models import CheckRun
from shadow.services.runs import finish, renew

log = structlog.get_logger(__name__)
Clock = Callable[[], datetime]


class _TooLongError(Exception):
    """The run took longer than RUN_SECONDS."""


class _Words:
    """The `Progress` of one run: writes at most every RENEW_SECONDS, and ends what must end."""

    def __init__(self, run: CheckRun, clock: Clock) -> None:
        self._run = run
        self._clock = clock
        self._began = time.monotonic()
        self._said = 0.0

    def __call__(self, share: float, words: str) -> None:
        """Raise Stopped when the run is somebody else's or nobody's by now."""
        now = time.monotonic()
        if now - self._began > RUN_SECONDS:
            raise _TooLongError
        if now - self._said < RENEW_SECONDS:
            return
        self._said = now
        if not renew(run=self._run, progress=share, doing=words, now=self._clock()):
            raise Stopped


def carry_out(run: CheckRun, *, clock: Clock) -> bool:
    """Run the check of a claimed run and keep its result; False when nothing was kept."""
    try:
        result = _result_of(run, clock)
    except Stopped:
        return False
    return finish(run=run, result=result, now=clock())


def _result_of(run: CheckRun, clock: Clock) -> Result:
    check = CHECKS.get(run.item)
    if check is None:
        return _error(f"There is no check {run.item!r} in this version of Banyan.")
    try:
        return _run(check, run, clock)
    except Stopped:
        raise
    except SettingsError as exc:
        return _error(f"The settings cannot be used: {exc}.", "Change the check's settings.")
    except _TooLongError:
        return _error(
            f"The check took longer than {RUN_SECONDS} s and was given up.",
            "The services answer too slowly to be checked, or not at all.",
        )
    except Exception as exc:  # a check's defect must not end the worker
        log.exception("check_failed", item=run.item, run=run.pk)
        return _error(f"The check itself failed: {type(exc).__name__}.", "See the worker's log.")


def _run(check: Check, run: CheckRun, clock: Clock) -> Result:
    subject = readings.subject_of(pair=run.pair, item=run.item)
    check.read_settings(subject.settings)
    words = _Words(run, clock)
    words(0.0, "Begins.")
    return check.run(subject, words)


def _error(sentence: str, *advice: str) -> Result:
    return Result(verdict=Verdict.ERROR, sentence=sentence, advice=advice)
