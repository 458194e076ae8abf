"""What a check is given, what it finds, and how its findings become a verdict. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from judge.verdict import Verdict
from shadow.comparison.rules import Rules

EXCERPT_CHARS = 500


class Severity(StrEnum):
    """Whether a finding closes the gate, deserves a look, or is only told."""

    BREAKING = "breaking"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference between the two services, named so that somebody can act on it.

    `code` is a stable word for programs, `where` the place in the service's own terms (such as
    `POST /infer request $.top_k`), `sentence` says what differs and what to do about it.
    """

    code: str
    where: str
    sentence: str
    severity: Severity = Severity.BREAKING
    legacy: str = ""
    candidate: str = ""
    count: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, excerpts cut."""
        found = asdict(self)
        found["severity"] = self.severity.value
        for side in ("legacy", "candidate"):
            found[side] = found[side][:EXCERPT_CHARS]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run of a check showed. `n` counts the questions asked, `failed` the unequal ones."""

    verdict: Verdict
    sentence: str
    findings: tuple[Finding, ...] = ()
    n: int = 0
    failed: int = 0
    # The words to act on: what is missing, where to look, what to switch on.
    advice: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "findings": [finding.to_dict() for finding in self.findings],
            "n": self.n,
            "failed": self.failed,
            "advice": list(self.advice),
            "details": dict(self.details),
        }


@dataclass(frozen=True, slots=True)
class Route:
    """One route rule as a check sees it."""

    method: str
    path: str
    safe_to_duplicate: bool
    rules: Rules = field(default_factory=Rules)

    @property
    def label(self) -> str:
        """The route's name in blocks, gates and pages."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class CorpusEntry:
    """One stored request: where it came from, and what is sent to both sides."""

    source: str
    route: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The two services of one run. `settings` are the pair's own for this check, raw JSON."""

    name: str
    legacy_url: str
    candidate_url: str
    legacy_build: str = ""
    candidate_build: str = ""
    health_path: str = "/healthz"
    ready_path: str = "/readyz"
    routes: tuple[Route, ...] = ()
    corpus: tuple[CorpusEntry, ...] = ()
    # Posted log lines by side, and the directories below which log files may be read.
    logs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    log_roots: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


class Progress(Protocol):
    """Tells how far a run is; raises `Stopped` when nobody wants it any more."""

    def __call__(self, share: float, words: str) -> None:
        """`share` of the work is done, 0 to 1; `words` say what is being done."""


class Stopped(Exception):  # noqa: N818  # it is no error: somebody stopped the run
    """The run was stopped; what it found so far is dropped."""


class SettingsError(ValueError):
    """Settings of a check that cannot be used; `field` names what to change."""

    def __init__(self, field_name: str, problem: str) -> None:
        """Keep the field's name apart from the sentence."""
        super().__init__(f"{field_name}: {problem}")
        self.field = field_name
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check: the checklist item it proves, how it runs, how often, and how long it holds."""

    item: str
    title: str
    run: Callable[[Subject, Progress], Result]
    # Raises SettingsError; called before settings are stored and before each run.
    read_settings: Callable[[Mapping[str, Any]], object]
    every_s: int
    lifetime_s: int


def verdict_of(findings: Sequence[Finding], *, n: int) -> Verdict:
    """FAIL when something breaking was found, INCONCLUSIVE when nothing was asked, else PASS."""
    if any(finding.severity is Severity.BREAKING for finding in findings):
        return Verdict.FAIL
    return Verdict.PASS if n else Verdict.INCONCLUSIVE
