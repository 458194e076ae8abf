"""The check of error codes and messages: provoke every error on both sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judge.verdict import Verdict
from shadow.checks import settings as reading
from shadow.checks.asking import Heard, Question, ask, grouped, of_corpus
from shadow.checks.base import (
    Check,
    Finding,
    Progress,
    Result,
    Route,
    SettingsError,
    Severity,
    Subject,
    verdict_of,
)
from shadow.checks.errors.comparing import (
    MESSAGE_RULES,
    SHAPE_RULES,
    STATUS_RULES,
    ErrorRules,
    judge_refusals,
)
from shadow.checks.errors.provocations import Wrong, bodies, provoke, routing
from shadow.checks.openapi.document import Document, bare
from shadow.checks.openapi.fetching import Documents, fetch_documents
from shadow.comparison import Rules

MAX_QUESTIONS = 2000
MAX_QUESTION_BYTES = 64 * 1024 * 1024
# Beyond what services take by default, within what is cheap to send.
LARGE_BYTES = 5 * 1024 * 1024
MAX_LARGE_BYTES = 20 * 1024 * 1024
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
JSON_HEADERS = (("content-type", "application/json"),)
KNOWN = (
    "status", "shape", "message", "ignore", "headers", "skip", "document", "seed", "per_second",
    "large_bytes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """How refusals compare, and what is sent. `skip` begins names of provocations left out."""

    rules: ErrorRules
    skip: tuple[str, ...]
    document: str
    seed: int
    per_second: float
    large_bytes: int


def read_settings(raw: Mapping[str, Any]) -> Settings:
    """Return the settings, or raise SettingsError naming what is wrong."""
    reading.check_names(raw, KNOWN)
    ignore = reading.texts(raw, "ignore")
    for at, path in enumerate(ignore):
        try:
            Rules(ignore=(path,))
        except ValueError as exc:
            raise SettingsError(f"ignore[{at}]", str(exc)) from exc
    return Settings(
        rules=ErrorRules(
            status=reading.choice(raw, "status", "exact", STATUS_RULES),
            shape=reading.choice(raw, "shape", "exact", SHAPE_RULES),
            message=reading.choice(raw, "message", "exact", MESSAGE_RULES),
            ignore=ignore,
            headers=tuple(name.lower() for name in reading.texts(raw, "headers")),
        ),
        skip=reading.texts(raw, "skip"),
        document=reading.path(raw, "document", "/openapi.json"),
        seed=reading.whole(raw, "seed", 1, 0, 2**31 - 1),
        per_second=reading.number(raw, "per_second", 50, 0.1, 1000),
        large_bytes=reading.whole(raw, "large_bytes", LARGE_BYTES, 0, MAX_LARGE_BYTES),
    )


def run(subject: Subject, progress: Progress) -> Result:
    """Send every wrong request to both sides and compare what they are refused with."""
    settings = read_settings(subject.settings)
    progress(0.0, "reads legacy's document")
    documents = fetch_documents(
        subject, legacy_path=settings.document, candidate_path=settings.document
    )
    if documents.verdict is Verdict.ERROR:
        return Result(
            verdict=Verdict.ERROR,
            sentence=documents.findings[0].sentence,
            findings=documents.findings,
        )
    questions = [*questions_of(documents.legacy, subject, settings), *of_corpus(subject)]
    heard = ask(
        subject,
        questions,
        judge=lambda asked: list(judge_refusals(asked, settings.rules)),
        per_second=settings.per_second,
        progress=progress,
        said=(0.05, 1.0, "provokes errors"),
    )
    return _result(documents, heard)


def questions_of(document: Document | None, subject: Subject, settings: Settings) -> list[Question]:
    """Return every provocation of the routes that are declared safe; the same for one seed."""
    found: list[Question] = []
    room = MAX_QUESTION_BYTES
    for route in subject.routes:
        if not route.safe_to_duplicate:
            continue
        for method, made in _provocations(document, route, settings):
            room -= len(made.body)
            if room > 0 and not made.name.startswith(settings.skip or ("\n",)):
                found.append(
                    Question(made.name, route.label, method, made.path, made.headers, made.body)
                )
    return found[:MAX_QUESTIONS]


def _provocations(document: Document | None, route: Route, settings: Settings) -> Sequence[Wrong]:
    operations = document.operations() if document else {}
    operation = operations.get((route.method, bare(route.path)))
    if document and operation:
        return list(
            provoke(document, operation, seed=settings.seed, large_bytes=settings.large_bytes)
        )
    # Without a description only what is wrong everywhere can be sent.
    path = bare(route.path).replace("{}", "banyan")
    found = list(routing(route.method, path))
    if route.method in BODY_METHODS:
        found += bodies(route.method, path, JSON_HEADERS, b"{}", settings.large_bytes)
    return found


def _result(documents: Documents, heard: Heard) -> Result:
    findings = [*_undescribed(documents), *grouped(heard.findings)]
    breaking = [f for f in findings if f.severity is Severity.BREAKING]
    asked = heard.questions - heard.excluded
    verdict = Verdict.ERROR if heard.silent else verdict_of(findings, n=asked)
    return Result(
        verdict=verdict,
        sentence=_sentence(verdict, breaking, heard),
        findings=tuple(findings),
        n=asked,
        failed=heard.unequal,
        advice=_advice(verdict, breaking),
        details={
            "questions": heard.questions,
            "requests": heard.requests,
            "unsteady": heard.unsteady,
            "excluded": heard.excluded,
            "described": documents.legacy is not None,
        },
    )


def _undescribed(documents: Documents) -> list[Finding]:
    """Say that fields could not be provoked; the candidate's document is another check's matter."""
    if documents.legacy is not None:
        return []
    return [finding for finding in documents.findings if finding.severity is Severity.WARNING]


def _sentence(verdict: Verdict, breaking: Sequence[Finding], heard: Heard) -> str:
    if heard.silent:
        return f"The {heard.silent} answered none of {heard.questions} wrong requests."
    if verdict is Verdict.PASS:
        return f"{heard.questions} wrong requests are refused alike, in status, shape and words."
    if not breaking:
        return "No route is declared safe, so no error was provoked."
    more = f" {heard.unequal} of {heard.questions} wrong requests differ."
    return f"{breaking[0].sentence}{more}"


def _advice(verdict: Verdict, breaking: Sequence[Finding]) -> tuple[str, ...]:
    if verdict is Verdict.FAIL:
        codes = ", ".join(sorted({finding.code for finding in breaking}))
        return (
            f"What differs: {codes}. Answer as legacy does, for clients branch on it.",
            "What may differ is a setting: status, shape, message, ignore.",
        )
    if verdict is Verdict.INCONCLUSIVE:
        return ("Declare routes safe to duplicate: wrong requests are sent to those alone.",)
    return ()


ERROR_CODES = Check(
    item="error_codes",
    title="Error codes and messages",
    run=run,
    read_settings=read_settings,
    every_s=3600,
    lifetime_s=24 * 3600,
)
