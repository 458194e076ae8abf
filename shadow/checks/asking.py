"""Questions that are sent to both services at once, and asked again before they count."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from shadow.checks.base import CorpusEntry, Finding, Progress, Severity, Subject
from shadow.comparison import Answer, Rules
from shadow.http import Headers, Reply, Request, send_all

DEADLINE_SECONDS = 5.0
MAX_ANSWER_BYTES = 4 * 1024 * 1024
BATCH = 6
# What differs only now and then is another check's matter: it is counted, not reported.
TRIES = 4


@dataclass(frozen=True, slots=True)
class Question:
    """One request and what it is called in findings; `rules` say how its answers compare."""

    name: str
    route: str
    method: str
    path: str
    headers: Headers = ()
    body: bytes = b""
    rules: Rules = field(default_factory=Rules)
    # Whether the answers are still needed when all was asked.
    keep: bool = False

    @property
    def where(self) -> str:
        """The place of a finding about this question."""
        return f"{self.route}: {self.name}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with both answers."""

    question: Question
    legacy: Reply
    candidate: Reply

    @property
    def legacy_fit(self) -> bool:
        """Whether legacy's answer can be a reference: it is there, and no failure."""
        return 0 < self.legacy.status < 500  # noqa: PLR2004  # the first server error


Judge = Callable[[Asked], Sequence[Finding]]


@dataclass(slots=True)
class Heard:
    """What asking brought: steady findings, counts, and the answers that are to be kept."""

    findings: list[Finding] = field(default_factory=list)
    kept: dict[str, Asked] = field(default_factory=dict)
    questions: int = 0
    answered: dict[str, int] = field(default_factory=lambda: {"legacy": 0, "candidate": 0})
    requests: int = 0
    unequal: int = 0
    unsteady: int = 0
    excluded: int = 0

    @property
    def silent(self) -> str:
        """The side that gave no answer to any question, "" when both did to some."""
        if not self.questions:
            return ""
        return next((side for side, count in self.answered.items() if not count), "")

    def hear(self, asked: Asked) -> None:
        """Count a question's first answers."""
        self.questions += 1
        self.answered["legacy"] += asked.legacy.status > 0
        self.answered["candidate"] += asked.candidate.status > 0
        if asked.question.keep:
            self.kept[asked.question.where] = asked


def ask(  # whom, what, how fast, how judged, who listens
    subject: Subject,
    questions: Sequence[Question],
    *,
    judge: Judge,
    per_second: float,
    progress: Progress,
    said: tuple[float, float, str],
) -> Heard:
    """Ask both sides, and again where they differ; `said` is the share from, to, and the words."""
    heard = Heard()
    pace = _Pace(per_second)
    low, high, words = said
    for at in range(0, len(questions), BATCH):
        progress(low + (high - low) * at / len(questions), f"{words}, {at} of {len(questions)}")
        for asked in _send(subject, questions[at : at + BATCH], heard, pace):
            heard.hear(asked)
            if not asked.legacy_fit:
                heard.excluded += 1
            elif found := list(judge(asked)):
                _confirm(subject, asked.question, found, judge, heard, pace)
    return heard


def _confirm(  # as `ask`, for one question
    subject: Subject,
    question: Question,
    found: list[Finding],
    judge: Judge,
    heard: Heard,
    pace: "_Pace",
) -> None:
    """Keep the findings that every further try finds too."""
    kept = {(finding.code, finding.where): finding for finding in found}
    for _ in range(TRIES - 1):
        asked = _send(subject, [question], heard, pace)[0]
        again = {(f.code, f.where) for f in judge(asked)} if asked.legacy_fit else set()
        kept = {key: finding for key, finding in kept.items() if key in again}
        if not kept:
            break
    heard.findings += kept.values()
    if any(finding.severity is Severity.BREAKING for finding in kept.values()):
        heard.unequal += 1
    if len(kept) < len({(finding.code, finding.where) for finding in found}):
        heard.unsteady += 1


def _send(
    subject: Subject, questions: Sequence[Question], heard: Heard, pace: "_Pace"
) -> list[Asked]:
    pace.wait(len(questions))
    requests = [
        Request(q.method, address, q.path, q.headers, q.body)
        for q in questions
        for address in (subject.legacy_url, subject.candidate_url)
    ]
    replies = send_all(
        requests,
        deadline_s=DEADLINE_SECONDS,
        max_body_bytes=MAX_ANSWER_BYTES,
        at_once=2 * BATCH,
    )
    heard.requests += len(requests)
    return [
        Asked(question, replies[2 * at], replies[2 * at + 1])
        for at, question in enumerate(questions)
    ]


class _Pace:
    """Keeps the mean rate to one service at most at `per_second`."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._next = time.monotonic()

    def wait(self, count: int) -> None:
        """Sleep until `count` more may be sent."""
        now = time.monotonic()
        if self._next > now:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + count / self._per_second


def answer_of(reply: Reply) -> Answer:
    """Return a reply as the comparison reads it."""
    return Answer(reply.status, reply.headers, reply.body, reply.error == "body_too_large")


def of_corpus(subject: Subject) -> list[Question]:
    """Return the stored requests to routes that are declared safe to duplicate."""
    safe = {route.label: route.rules for route in subject.routes if route.safe_to_duplicate}
    return [
        Question(
            name=_name_of(entry),
            route=entry.route,
            method=entry.method,
            path=entry.path,
            headers=entry.headers,
            body=entry.body,
            rules=safe[entry.route],
        )
        for entry in subject.corpus
        if entry.route in safe
    ]


def _name_of(entry: CorpusEntry) -> str:
    shown = entry.body[:60].decode("utf-8", "replace")
    return f"{entry.source} request {entry.path} {shown}".strip()


def grouped(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings of one code and place as one, counted, in the first one's words."""
    found: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.where)
        first = found.get(key)
        found[key] = replace(first, count=first.count + finding.count) if first else finding
    return list(found.values())
