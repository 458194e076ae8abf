"""Two refusals of one wrong request, compared by rule: status, shape, words. Pure."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shadow.checks.asking import Asked
from shadow.checks.base import Finding
from shadow.checks.openapi.keywords import json_type
from shadow.checks.schema.answers import SUCCESS, shown
from shadow.http import Reply

MAX_LEAVES = 500
MAX_DEPTH = 20
_WORD = re.compile(r"[^\W_]+", re.UNICODE)
STATUS_RULES = ("exact", "class", "ignored")
SHAPE_RULES = ("exact", "ignored")
MESSAGE_RULES = ("exact", "same_words", "ignored")


@dataclass(frozen=True, slots=True)
class ErrorRules:
    """How refusals compare. `ignore` holds paths such as `$.error.request_id`."""

    status: str = "exact"
    shape: str = "exact"
    message: str = "exact"
    ignore: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()

    def ignores(self, path: str) -> bool:
        """Whether a place, or something above it, is not compared."""
        return any(_pattern(ignored).match(path) for ignored in self.ignore)


def _pattern(path: str) -> "re.Pattern[str]":
    body = re.escape(path).replace(re.escape("[*]"), r"\[\d+\]")
    return re.compile(rf"{body}(?![A-Za-z0-9_-])")


def judge_refusals(asked: Asked, rules: ErrorRules) -> Iterator[Finding]:
    """Yield how the candidate's refusal differs from legacy's; nothing when both accept."""
    legacy, candidate = asked.legacy, asked.candidate
    if not candidate.status:
        yield _finding(asked, "no_answer", f"the candidate gives no answer ({candidate.error})")
        return
    accepted = legacy.status in SUCCESS, candidate.status in SUCCESS
    if all(accepted):
        return
    if any(accepted):
        verb = ("accepts", "refuses") if accepted[0] else ("refuses", "accepts")
        yield _finding(
            asked, "acceptance", f"legacy {verb[0]} it ({legacy.status}), the candidate {verb[1]} "
            f"it ({candidate.status})",
        )  # fmt: skip
        return
    if _status_differs(legacy.status, candidate.status, rules.status):
        said = f"legacy answers {legacy.status}, the candidate {candidate.status}"
        yield _finding(asked, "status", said)
    yield from _bodies(asked, rules)
    for name in rules.headers:
        a, b = legacy.header(name), candidate.header(name)
        if a != b:
            said = f"the header {name} is {a or 'absent'}, the candidate's {b or 'absent'}"
            yield _finding(asked, "header", said)


def _status_differs(a: int, b: int, rule: str) -> bool:
    if rule == "class":
        return a // 100 != b // 100
    return rule == "exact" and a != b


def _bodies(asked: Asked, rules: ErrorRules) -> Iterator[Finding]:
    kinds = _media(asked.legacy), _media(asked.candidate)
    if rules.shape == "exact" and kinds[0] != kinds[1]:
        said = f"the error is {kinds[0] or 'of no type'}, the candidate's {kinds[1] or 'of none'}"
        yield _finding(asked, "content_type", said)
    a, b = leaves(asked.legacy.body), leaves(asked.candidate.body)
    a = {path: value for path, value in a.items() if not rules.ignores(path)}
    b = {path: value for path, value in b.items() if not rules.ignores(path)}
    if rules.shape == "exact":
        yield from _shapes(asked, a, b)
    if rules.message != "ignored":
        yield from _messages(asked, a, b, rules.message)


def _shapes(asked: Asked, a: dict[str, Any], b: dict[str, Any]) -> Iterator[Finding]:
    missing, new = sorted(a.keys() - b.keys()), sorted(b.keys() - a.keys())
    if missing:
        yield _finding(asked, "shape", f"the candidate's error lacks {', '.join(missing[:5])}")
    elif new:
        yield _finding(asked, "shape", f"the candidate's error has {', '.join(new[:5])} as well")
    for path in sorted(a.keys() & b.keys()):
        x, y = json_type(a[path]), json_type(b[path])
        if x != y and {x, y} != {"integer", "number"}:
            yield _finding(asked, "shape", f"{path} is {x}, the candidate's {y}")
            return


def _messages(asked: Asked, a: dict[str, Any], b: dict[str, Any], rule: str) -> Iterator[Finding]:
    for path in sorted(a.keys() & b.keys()):
        if json_type(a[path]) == json_type(b[path]) and not _alike(a[path], b[path], rule):
            said = f"{path} says {_cut(a[path])}, the candidate's {_cut(b[path])}"
            yield _finding(asked, "message", said)
            return


def _alike(a: Any, b: Any, rule: str) -> bool:
    if rule == "same_words" and isinstance(a, str) and isinstance(b, str):
        return _WORD.findall(a.casefold()) == _WORD.findall(b.casefold())
    return bool(a == b)


def _cut(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "…"  # noqa: PLR2004  # one line of a page


def _media(reply: Reply) -> str:
    return reply.header("content-type").partition(";")[0].strip().lower() if reply.body else ""


def leaves(body: bytes) -> dict[str, Any]:
    """Return what stands at each place of a body; of one that is no JSON its text at `$`."""
    if not body:
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {"$": body[:20_000].decode("utf-8", "replace").strip()}
    found: dict[str, Any] = {}
    _collect(document, "$", found, 0)
    return found


def _collect(value: Any, path: str, found: dict[str, Any], depth: int) -> None:
    if len(found) >= MAX_LEAVES or depth > MAX_DEPTH:
        return
    if isinstance(value, dict) and value:
        for name in value:
            _collect(value[name], f"{path}.{name}", found, depth + 1)
    elif isinstance(value, list) and value:
        for at, element in enumerate(value):
            _collect(element, f"{path}[{at}]", found, depth + 1)
    else:
        found[path] = value


def _finding(asked: Asked, code: str, said: str) -> Finding:
    return Finding(
        code=code,
        where=asked.question.where,
        sentence=f"{asked.question.where}: {said}.",
        legacy=shown(asked.legacy),
        candidate=shown(asked.candidate),
    )
