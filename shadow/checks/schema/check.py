"""The check of schema compatibility: both documents, then requests to both services."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from judge.verdict import Verdict
from shadow.checks import settings as reading
from shadow.checks.asking import TRIES, Asked, Heard, Question, ask, grouped, of_corpus
from shadow.checks.base import (
    Check,
    Finding,
    Progress,
    Result,
    Route,
    Severity,
    Subject,
    verdict_of,
)
from shadow.checks.openapi.document import Document, bare
from shadow.checks.openapi.fetching import Documents, fetch_documents
from shadow.checks.openapi.requests import Made, Requests
from shadow.checks.schema.answers import judge_answers, same
from shadow.checks.schema.operations import compare_documents

MAX_QUESTIONS = 1000
MAX_QUESTION_BYTES = 48 * 1024 * 1024
PER_OPERATION = 120
KNOWN = ("legacy_document", "candidate_document", "seed", "per_second", "accept", "send")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the documents are, what is sent how fast, and which differences are wanted.

    `accept` names codes, or a code and the beginning of its place, such as
    `extra_accepted POST /infer`: those findings become notes.
    """

    legacy_document: str
    candidate_document: str
    seed: int
    per_second: float
    accept: tuple[str, ...]
    send: bool


def read_settings(raw: Mapping[str, Any]) -> Settings:
    """Return the settings, or raise SettingsError naming what is wrong."""
    reading.check_names(raw, KNOWN)
    return Settings(
        legacy_document=reading.path(raw, "legacy_document", "/openapi.json"),
        candidate_document=reading.path(raw, "candidate_document", "/openapi.json"),
        seed=reading.whole(raw, "seed", 1, 0, 2**31 - 1),
        per_second=reading.number(raw, "per_second", 50, 0.1, 1000),
        accept=reading.texts(raw, "accept"),
        send=reading.flag(raw, "send", default=True),
    )


def run(subject: Subject, progress: Progress) -> Result:
    """Compare the documents, then ask both services what the documents cannot say."""
    settings = read_settings(subject.settings)
    progress(0.0, "reads both documents")
    documents = fetch_documents(
        subject,
        legacy_path=settings.legacy_document,
        candidate_path=settings.candidate_document,
    )
    findings = list(documents.findings)
    operations = 0
    if documents.legacy and documents.candidate:
        findings += compare_documents(
            documents.legacy,
            documents.candidate,
            lambda label: progress(0.05, f"compares {label}"),
        )
        operations = len(documents.legacy.operations())
    heard = Heard()
    if settings.send and documents.verdict is not Verdict.ERROR:
        heard = _ask(subject, settings, documents.legacy, progress)
        findings += heard.findings
    findings = _accepted(grouped(findings), settings.accept)
    return _result(documents, findings, heard, operations)


def questions_of(document: Document, routes: Sequence[Route], seed: int) -> list[Question]:
    """Return the made-up requests to every described route that is declared safe."""
    safe = {(r.method, bare(r.path)): r for r in routes if r.safe_to_duplicate}
    found: list[Question] = []
    room = MAX_QUESTION_BYTES
    for key, operation in document.operations().items():
        if key not in safe:
            continue
        made = list(Requests(document, operation, seed).all())[:PER_OPERATION]
        needed = {one.same_as for one in made if one.same_as}
        for one in made:
            room -= len(one.body)
            if room > 0:
                keep = bool(one.same_as) or one.name in needed
                found.append(_question(safe[key], one, keep=keep))
    return found[:MAX_QUESTIONS]


def _question(route: Route, made: Made, *, keep: bool) -> Question:
    return Question(
        name=made.name,
        route=route.label,
        method=route.method,
        path=made.path,
        headers=made.headers,
        body=made.body,
        rules=route.rules,
        keep=keep,
    )


def _ask(
    subject: Subject, settings: Settings, document: Document | None, progress: Progress
) -> Heard:
    made = questions_of(document, subject.routes, settings.seed) if document else []
    questions = [*made, *of_corpus(subject)]
    heard = ask(
        subject,
        questions,
        judge=lambda asked: list(judge_answers(asked)),
        per_second=settings.per_second,
        progress=progress,
        said=(0.1, 0.9, "asks both services"),
    )
    if document:
        heard.findings += _defaults(subject, settings, document, heard, progress)
    return heard


def _defaults(
    subject: Subject, settings: Settings, document: Document, heard: Heard, progress: Progress
) -> Iterator[Finding]:
    """A field left out must be answered like its default, on the candidate as on legacy."""
    kept = heard.kept
    pairs = [
        (kept[f"{route.label}: {made.name}"], kept[f"{route.label}: {made.same_as}"])
        for route, made in _with_defaults(document, subject.routes, settings.seed)
        if {f"{route.label}: {made.name}", f"{route.label}: {made.same_as}"} <= kept.keys()
    ]
    progress(0.95, "compares what is left out with its default")
    for without, given in pairs:
        if _kept(without, given) is not False:
            continue
        again = [_again(subject, settings, (without, given), progress) for _ in range(TRIES - 1)]
        if all(_kept(*pair) is False for pair in again):
            heard.unequal += 1
            yield Finding(
                code="default_not_kept",
                where=without.question.where,
                sentence=f"{without.question.where}: the candidate does not answer it like "
                f"{given.question.name!r}, legacy does.",
            )


def _with_defaults(
    document: Document, routes: Sequence[Route], seed: int
) -> Iterator[tuple[Route, Made]]:
    safe = {(r.method, bare(r.path)): r for r in routes if r.safe_to_duplicate}
    for key, operation in document.operations().items():
        if key in safe:
            for made in Requests(document, operation, seed).all():
                if made.same_as:
                    yield safe[key], made


def _kept(without: Asked, given: Asked) -> bool | None:
    if not same(without.legacy, given.legacy, without):
        return None
    return same(without.candidate, given.candidate, without)


def _again(
    subject: Subject, settings: Settings, pair: tuple[Asked, Asked], progress: Progress
) -> tuple[Asked, Asked]:
    questions = [asked.question for asked in pair]
    heard = ask(
        subject,
        questions,
        judge=lambda _: [],
        per_second=settings.per_second,
        progress=progress,
        said=(0.95, 0.99, "asks again about a default"),
    )
    return heard.kept[questions[0].where], heard.kept[questions[1].where]


def _accepted(findings: Sequence[Finding], accept: Sequence[str]) -> list[Finding]:
    """Turn into notes what the owners of the service want to differ."""
    return [
        replace(f, severity=Severity.NOTE)
        if any(f.code == a or f"{f.code} {f.where}".startswith(f"{a} ".rstrip()) for a in accept)
        else f
        for f in findings
    ]


def _result(
    documents: Documents, findings: Sequence[Finding], heard: Heard, operations: int
) -> Result:
    order = {Severity.BREAKING: 0, Severity.WARNING: 1, Severity.NOTE: 2}
    findings = sorted(findings, key=lambda finding: order[finding.severity])
    breaking = [f for f in findings if f.severity is Severity.BREAKING]
    verdict = documents.verdict or verdict_of(findings, n=operations)
    if heard.silent:
        verdict = Verdict.ERROR
    return Result(
        verdict=verdict,
        sentence=_sentence(verdict, documents, breaking, heard, operations),
        findings=tuple(findings),
        n=operations + heard.questions,
        failed=len(breaking),
        advice=_advice(verdict, breaking),
        details={
            "operations": operations,
            "questions": heard.questions,
            "requests": heard.requests,
            "unsteady": heard.unsteady,
            "excluded": heard.excluded,
            "documents": documents.sha256,
        },
    )


def _sentence(
    verdict: Verdict,
    documents: Documents,
    breaking: Sequence[Finding],
    heard: Heard,
    operations: int,
) -> str:
    if heard.silent:
        return f"The {heard.silent} answered none of {heard.questions} requests."
    if documents.verdict is not None and documents.findings:
        return documents.findings[0].sentence
    if verdict is Verdict.PASS:
        return (
            f"{operations} operations and {heard.questions} requests: nothing that legacy "
            "accepts or answers is lost."
        )
    more = f" And {len(breaking) - 1} more." if len(breaking) > 1 else ""
    return f"{_first(breaking[0])}{more}" if breaking else "Nothing could be compared."


def _first(finding: Finding) -> str:
    """Say a finding where its place is not seen beside it."""
    placed = finding.sentence.startswith(finding.where.partition(":")[0].partition(" answer")[0])
    return finding.sentence if placed else f"{finding.where}: {finding.sentence}"


def _advice(verdict: Verdict, breaking: Sequence[Finding]) -> tuple[str, ...]:
    if verdict is Verdict.FAIL:
        return (
            "Change the candidate so that legacy's clients need not change.",
            f"If a difference is wanted, name it in the setting `accept`: {breaking[0].code!r}.",
        )
    if verdict is Verdict.INCONCLUSIVE:
        return (
            "Serve an OpenAPI 3 document as JSON, or set `legacy_document` to its path.",
            "Until then a waiver with its reason can stand in.",
        )
    return ()


SCHEMA = Check(
    item="schema",
    title="Schema compatibility",
    run=run,
    read_settings=read_settings,
    every_s=3600,
    lifetime_s=24 * 3600,
)
