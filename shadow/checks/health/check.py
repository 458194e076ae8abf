"""The health check: both services in each state that can be provoked, answer by answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from judge.verdict import Verdict
from shadow.checks.base import Check, Finding, Progress, Result, Severity, Subject, verdict_of
from shadow.checks.health.answers import Answer, Rules, differences
from shadow.checks.health.asking import Answers, Asker
from shadow.checks.health.settings import SIDES, HealthSettings, read_settings

EVERY_SECONDS = 600
LIFETIME_SECONDS = 3600


@dataclass(slots=True)
class _Seen:
    """What the run has gathered so far."""

    findings: list[Finding] = field(default_factory=list)
    n: int = 0
    failed: int = 0
    answers: dict[str, Any] = field(default_factory=dict)
    measured_by: dict[str, str] = field(default_factory=dict)
    uncovered: dict[str, str] = field(default_factory=dict)

    def add(self, found: list[Finding]) -> None:
        self.n += 1
        self.failed += any(f.severity is Severity.BREAKING for f in found)
        self.findings += found

    def keep(self, state: str, side: str, answers: Answers) -> None:
        told = {path: answer.excerpt for path, answer in answers.items()}
        self.answers.setdefault(state, {})[side] = told


def run(subject: Subject, progress: Progress) -> Result:
    """Compare both services up, then in each state whose switch is set; every state is put back."""
    settings = read_settings(subject.settings)
    asker, seen = Asker(subject, settings), _Seen()
    _put_back(asker, settings)
    progress(0.1, "Asks both services as they are.")
    up = asker.ask_up()
    for side in SIDES:
        seen.keep("up", side, up[side])
    if not _is_ready(up["legacy"], subject):
        return _legacy_not_ready(up["legacy"], subject)
    _compare(seen, up, "", settings)
    if _is_ready(up["candidate"], subject):
        for turn, state in enumerate(settings.states):
            progress(0.2 + 0.8 * turn / len(settings.states), f"Looks at the state {state}.")
            _look_at(asker, seen, state, up["legacy"])
    seen.findings += asker.left
    return _result(seen, settings)


def _put_back(asker: Asker, settings: HealthSettings) -> None:
    """A run whose worker died may have left a state behind; the next one begins by ending it."""
    for side in settings.switches:
        if side == "candidate" or settings.provoke_legacy:
            asker.restore(side)  # without success its states will be uncovered, and say so


def _is_ready(answers: Answers, subject: Subject) -> bool:
    status = answers[subject.ready_path].status
    return HTTPStatus.OK <= status < HTTPStatus.BAD_REQUEST


def _legacy_not_ready(answers: Answers, subject: Subject) -> Result:
    said = answers[subject.ready_path].excerpt
    return Result(
        verdict=Verdict.INCONCLUSIVE,
        sentence=f"Legacy is not ready ({said[:100]}), so there is nothing to compare with.",
        advice=(f"See why legacy's {subject.ready_path} does not answer 200.",),
    )


def _look_at(asker: Asker, seen: _Seen, state: str, up: Answers) -> None:
    settings, subject = asker.settings, asker.subject
    switch = settings.switches.get("candidate")
    if switch is None or state not in switch.states:
        seen.uncovered[state] = "the candidate has no switch for it in the settings"
        return
    legacy, measure = _legacy_in(asker, state, up)
    with asker.provoked("candidate", state) as accepted:
        if not accepted:
            seen.uncovered[state] = "the candidate's switch did not accept it"
            return
        candidate = asker.ask_settled("candidate")
    seen.measured_by[state] = measure
    seen.keep(state, "candidate", candidate)
    if measure == "legacy":
        seen.keep(state, "legacy", legacy)
    answers = {"legacy": legacy, "candidate": candidate}
    if measure == "rule":
        _judge_by_rule(seen, answers, state, subject)
        return
    if measure == "declared" and not legacy[subject.ready_path].body:
        said = candidate[subject.ready_path]  # only its status is declared
        bare = Answer(said.status, error=said.error)
        answers["candidate"] = {**candidate, subject.ready_path: bare}
    _compare(seen, answers, state, settings)


def _legacy_in(asker: Asker, state: str, up: Answers) -> tuple[Answers, str]:
    """Return what legacy says in the state, and whether that was asked, declared or assumed."""
    settings, ready = asker.settings, asker.subject.ready_path
    switch = settings.switches.get("legacy")
    if settings.provoke_legacy and switch is not None and state in switch.states:
        with asker.provoked("legacy", state) as accepted:
            if accepted:
                return asker.ask_settled("legacy"), "legacy"
    declared = settings.expected.get(state)
    if declared is None:
        return {**up, ready: Answer(HTTPStatus.SERVICE_UNAVAILABLE)}, "rule"
    body = orjson.dumps(declared.body) if declared.body is not None else b""
    kind = "application/json" if body else ""
    return {**up, ready: Answer(declared.status, kind, body)}, "declared"


def _compare(
    seen: _Seen, answers: Mapping[str, Answers], state: str, settings: HealthSettings
) -> None:
    rules = Rules(settings.values, settings.ignore)
    for path, legacy in answers["legacy"].items():
        candidate = answers["candidate"][path]
        seen.add(differences(legacy, candidate, _where(path, state), rules))


def _judge_by_rule(
    seen: _Seen, answers: Mapping[str, Answers], state: str, subject: Subject
) -> None:
    """Without legacy's answer: who is not ready says so, and stays alive."""
    for path, legacy in answers["legacy"].items():
        found = list(_broken_rule(legacy, answers["candidate"][path], path, state, subject))
        seen.add(found)


def _broken_rule(
    legacy: Answer, candidate: Answer, path: str, state: str, subject: Subject
) -> Iterator[Finding]:
    if candidate.status == legacy.status:
        return
    where = _where(path, state)
    ready = candidate.status and candidate.status < HTTPStatus.BAD_REQUEST
    breaks = path == subject.ready_path and (ready or not candidate.status)
    said = str(candidate.status or candidate.error.replace("_", " "))
    yield Finding(
        code="status_differs",
        where=where,
        sentence=f"{where}: the candidate answers {said}, and {legacy.status} is expected"
        f" of a service that is {state.replace('_', ' ')}.",
        severity=Severity.BREAKING if breaks else Severity.WARNING,
        legacy=str(legacy.status),
        candidate=candidate.excerpt,
    )


def _where(path: str, state: str) -> str:
    return f"GET {path} while {state.replace('_', ' ')}" if state else f"GET {path}"


def _result(seen: _Seen, settings: HealthSettings) -> Result:
    missing = [state for state in settings.required if state in seen.uncovered]
    verdict = verdict_of(seen.findings, n=seen.n)
    if verdict is Verdict.PASS and missing:
        verdict = Verdict.INCONCLUSIVE
    covered = ["up", *seen.measured_by]
    return Result(
        verdict=verdict,
        sentence=_sentence(seen, verdict, covered, missing),
        findings=tuple(seen.findings),
        n=seen.n,
        failed=seen.failed,
        advice=tuple(_advice(seen)),
        details={
            "covered": covered,
            "not_covered": seen.uncovered,
            "measured_by": seen.measured_by,
            "answers": seen.answers,
        },
    )


def _sentence(seen: _Seen, verdict: Verdict, covered: list[str], missing: list[str]) -> str:
    if verdict is Verdict.FAIL:
        breaking = next(f for f in seen.findings if f.severity is Severity.BREAKING)
        more = sum(f.severity is Severity.BREAKING for f in seen.findings) - 1
        return breaking.sentence + (f" And {more} more." if more else "")
    if missing:
        return f"Required but not seen: {', '.join(missing)}."
    return f"Health and readiness are alike in {len(covered)} states: {', '.join(covered)}."


def _advice(seen: _Seen) -> Iterator[str]:
    for state, why in seen.uncovered.items():
        yield f"Not covered: {state}, because {why}."
    for state, measure in seen.measured_by.items():
        if measure == "rule":
            yield (
                f"Legacy's answer while {state} is not known: 503 was expected. "
                f"Declare it as expected.{state}, or give legacy a switch."
            )


HEALTH = Check(
    item="health",
    title="Health endpoints",
    run=run,
    read_settings=read_settings,
    every_s=EVERY_SECONDS,
    lifetime_s=LIFETIME_SECONDS,
)
