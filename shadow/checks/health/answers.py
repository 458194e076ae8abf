"""How two answers of a health endpoint differ. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from shadow.checks.base import Finding, Severity

KINDS: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "number"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)
MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Answer:
    """What one endpoint said: status 0 and `error` when it said nothing."""

    status: int
    content_type: str = ""
    body: bytes = b""
    error: str = ""

    @property
    def excerpt(self) -> str:
        """Status and body, short."""
        if not self.status:
            return self.error.replace("_", " ")
        return f"{self.status} {self.body[:300].decode(errors='replace')}".strip()


@dataclass(frozen=True, slots=True)
class Rules:
    """JSON paths whose values must be equal, and those that may differ altogether."""

    values: tuple[str, ...]
    ignore: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Difference:
    """What one finding says, before both answers are put beside it."""

    code: str
    words: str
    path: str = ""
    severity: Severity = Severity.BREAKING


def differences(legacy: Answer, candidate: Answer, where: str, rules: Rules) -> list[Finding]:
    """Return what a caller of the endpoint would notice; legacy's answer is the measure."""
    return [
        Finding(
            code=found.code,
            where=f"{where} {found.path}".strip(),
            sentence=f"{where}: {found.words}",
            severity=found.severity,
            legacy=legacy.excerpt,
            candidate=candidate.excerpt,
        )
        for found in _differences(legacy, candidate, rules)
    ]


def _differences(legacy: Answer, candidate: Answer, rules: Rules) -> Iterator[_Difference]:
    if not candidate.status:
        problem = candidate.error.replace("_", " ")
        yield _Difference("no_answer", f"the candidate does not answer: {problem}.")
        return
    if legacy.status != candidate.status:
        meaning = _meaning(legacy.status, candidate.status)
        words = f"the candidate answers {candidate.status}{meaning}, legacy {legacy.status}."
        yield _Difference("status_differs", words)
    theirs, ours = _media_type(legacy), _media_type(candidate)
    if theirs != ours:
        words = f"the candidate's content type is {ours or 'none'}, legacy's {theirs or 'none'}."
        yield _Difference("content_type_differs", words)
    if legacy.status == candidate.status:
        yield from _bodies(legacy, candidate, rules)


def _meaning(legacy: int, candidate: int) -> str:
    stays, goes = legacy < HTTPStatus.BAD_REQUEST, candidate < HTTPStatus.BAD_REQUEST
    if stays == goes:
        return ""
    return ", so it goes on to be sent requests" if goes else ", so it would be sent none"


def _media_type(answer: Answer) -> str:
    return answer.content_type.partition(";")[0].strip().lower()


def _bodies(legacy: Answer, candidate: Answer, rules: Rules) -> Iterator[_Difference]:
    theirs, ours = _document(legacy), _document(candidate)
    if theirs is not None and ours is not None:
        yield from _shapes(dict(_flat(theirs)), dict(_flat(ours)), rules)
    elif theirs is not None:
        yield _Difference("not_json", "legacy's body is JSON, the candidate's is not.")
    elif ours is not None:
        yield _Difference("not_text", "legacy's body is plain text, the candidate's is JSON.")
    elif legacy.body != candidate.body:
        words = "the two texts differ; texts are not compared word by word."
        yield _Difference("text_differs", words, severity=Severity.WARNING)


def _shapes(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], rules: Rules
) -> Iterator[_Difference]:
    """Yield fields that are missing, unknown, of another type, or of another value that counts."""
    for path in dict.fromkeys([*theirs, *ours]):
        name = path.removeprefix("$.")
        if path in rules.ignore:
            continue
        if path not in ours:
            yield _Difference("field_missing", f"the candidate's body lacks {name}.", path)
        elif path not in theirs:
            words = f"the candidate's body has {name}, which legacy's has not."
            yield _Difference("field_unknown", words, path)
        elif _kind(theirs[path]) != _kind(ours[path]):
            kinds = f"{_kind(ours[path])} at the candidate, {_kind(theirs[path])} at legacy"
            yield _Difference("type_differs", f"{name} is {kinds}.", path)
        elif path in rules.values and theirs[path] != ours[path]:
            values = f"{ours[path]!r} at the candidate, {theirs[path]!r} at legacy"
            yield _Difference("value_differs", f"{name} is {values}.", path)


def _document(answer: Answer) -> Any:
    """Return the body as JSON; None when it is none."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None


def _flat(value: Any, path: str = "$", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield each place with its value; the items of an array share a place."""
    yield path, value
    if depth >= MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _flat(member, f"{path}.{name}", depth + 1)
    elif isinstance(value, list):
        for member in value:
            yield from _flat(member, f"{path}[]", depth + 1)


def _kind(value: Any) -> str:
    return next((name for kind, name in KINDS if isinstance(value, kind)), "null")
