"""A check that does what a test tells it to, in place of the real ones."""

from collections.abc import Callable

import pytest

from judge.verdict import Verdict
from shadow.checks import CHECKS
from shadow.checks.base import Check, Finding, Progress, Result, SettingsError, Subject

PASSING = Result(verdict=Verdict.PASS, sentence="All 3 answers are equal.", n=3)


class FakeCheck:
    """Runs `act` and returns what it returns; remembers what it was given."""

    def __init__(self, act: Callable[[Subject, Progress], Result] | None = None) -> None:
        self.act = act or (lambda subject, progress: PASSING)
        self.subjects: list[Subject] = []

    def run(self, subject: Subject, progress: Progress) -> Result:
        self.subjects.append(subject)
        return self.act(subject, progress)


def read_settings(settings):
    for name, value in settings.items():
        if name != "depth":
            raise SettingsError(name, "is not known; known is depth")
        if not isinstance(value, int):
            raise SettingsError(name, "is a whole number")
    return settings


def install(patch: pytest.MonkeyPatch, **fakes: FakeCheck) -> None:
    """Put these checks, and no others, into the registry for one test."""
    for item in list(CHECKS):
        patch.delitem(CHECKS, item)
    for item, fake in fakes.items():
        check = Check(
            item=item,
            title=item.title(),
            run=fake.run,
            read_settings=read_settings,
            every_s=600,
            lifetime_s=3600,
        )
        patch.setitem(CHECKS, item, check)


def finding(**changes):
    values = {"code": "differs", "where": "POST /infer", "sentence": "They differ."}
    return Finding(**{**values, **changes})
