"""Rules as JSON documents, read strictly: an error names the field and what it should be.

{"path": "$.scores[*]", "rule": "close", "dtype": "fp16"}
{"path": "$.x", "rule": "close", "rtol": 0.001, "atol": 1e-05, "nan_equal": true}
{"path": "$.x", "rule": "seed_abs", "atol": 0.001}
{"path": "$.labels", "rule": "topk", "k": 3, "scores": "scores", "tolerance": 0.001}
{"path": "$.found", "rule": "topk", "k": 3, "label": "name", "score": "score"}
{"path": "$.shares", "rule": "dist", "limit": 0.001}
{"path": "$.vector", "rule": "cosine", "limit": 0.9999}
{"path": "$.answer", "rule": "text"}
{"path": "$.took_ms", "rule": "ignore"}
{"path": "$.tags", "rule": "unordered"}
{"path": "$.rows", "rule": "key_by", "field": "id"}
{"rule": "headers", "compare": ["content-type", "location"]}
{"rule": "headers", "compare": "all", "ignore": ["x-cache"]}
{"rule": "status", "same": "class"}
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shadow.comparison.numbers import PRESETS, SEED_ATOL, Tolerance
from shadow.comparison.paths import Path, parse_path
from shadow.comparison.rules import (
    CONTENT_TYPE_ONLY,
    MAX_DIVERGENCE,
    MIN_COSINE,
    Cosine,
    Dist,
    HeaderRules,
    KeyBy,
    PathRule,
    Rules,
    TopK,
    Unordered,
)

MAX_RULES = 100
MAX_K = 1000
MAX_TEXT = 200
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,100}\Z")
Document = Mapping[str, Any]


class RuleError(ValueError):
    """A rule that cannot be used: `field` is like `rules[2].rtol`, `problem` a sentence."""

    def __init__(self, field: str, problem: str) -> None:
        """Keep both parts."""
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What a list of rule documents says."""

    paths: tuple[PathRule, ...] = ()
    headers: HeaderRules = CONTENT_TYPE_ONLY
    same_class: bool = False


def rules_of(
    *, atol: Any, ignore: Sequence[str], rules: Sequence[Document], redact: Sequence[Path] = ()
) -> Rules:
    """Return the rules of a route's columns; RuleError names what cannot be used."""
    if isinstance(atol, bool) or not isinstance(atol, int | float) or not 0 <= atol < math.inf:
        raise RuleError("atol", "expected a finite number of at least 0")
    for at, path in enumerate(ignore):
        try:
            _path({"path": path}, "", root=False)
        except RuleError as exc:
            raise RuleError(f"ignore[{at}]", exc.problem) from exc
    found = read_rules(rules)
    return Rules(
        atol=atol,
        ignore=tuple(ignore),
        paths=found.paths,
        headers=found.headers,
        same_class=found.same_class,
        redact=tuple(redact),
    )


def read_rules(documents: Any) -> RuleSet:
    """Return what the documents say, or raise RuleError."""
    if not isinstance(documents, list) or len(documents) > MAX_RULES:
        raise RuleError("rules", f"expected a list of at most {MAX_RULES} rules")
    paths: list[PathRule] = []
    headers, same_class = CONTENT_TYPE_ONLY, False
    said: set[tuple[object, str]] = set()
    for at, document in enumerate(documents):
        where = f"rules[{at}]"
        name = _name(document, where)
        aspect: tuple[object, str]
        if name == "headers":
            headers, aspect = _headers(document, where), ((), "headers")
        elif name == "status":
            same_class, aspect = _status(document, where), ((), "status")
        else:
            paths.append(_READERS[name](document, where))
            aspect = (paths[-1].path, _aspect(paths[-1]))
        if aspect in said:
            raise RuleError(where, "another rule says the same of this place")
        said.add(aspect)
    return RuleSet(tuple(paths), headers, same_class)


def _aspect(rule: PathRule) -> str:
    if rule.ignore:
        return "ignore"
    if rule.numbers is not None:
        return "numbers"
    return "text" if rule.text is not None else "array"


def _name(document: Any, where: str) -> str:
    if not isinstance(document, Mapping):
        raise RuleError(where, "expected an object")
    name = document.get("rule")
    known = (*_READERS, "headers", "status")
    if not isinstance(name, str) or name not in known:
        raise RuleError(f"{where}.rule", f"expected one of {', '.join(known)}")
    return name


def _only(document: Document, where: str, *known: str) -> None:
    for name in document:
        if name not in {"rule", *known}:
            raise RuleError(f"{where}.{str(name)[:60]}", "this field is not known")


def _path(document: Document, where: str, *, root: bool = True) -> Path:
    path = document.get("path")
    if not isinstance(path, str) or len(path) > MAX_TEXT:
        raise RuleError(f"{where}.path", f"expected a JSON path of at most {MAX_TEXT} characters")
    try:
        found = parse_path(path)
    except ValueError as exc:
        raise RuleError(f"{where}.path", str(exc)) from exc
    if not found and not root:
        raise RuleError(f"{where}.path", "ignoring $ would ignore every answer")
    return found


def _number(
    document: Document, where: str, name: str, otherwise: float, high: float = math.inf
) -> float:
    value = document.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RuleError(f"{where}.{name}", "expected a number")
    if not 0 <= value < math.inf or value > high:
        most = "" if high == math.inf else f" and at most {high:g}"
        raise RuleError(f"{where}.{name}", f"expected a finite number of at least 0{most}")
    return float(value)


def _word(document: Document, where: str, name: str, *, needed: bool = False) -> str:
    value = document.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT or (needed and not value):
        raise RuleError(f"{where}.{name}", "expected a member's name")
    return value


def _seed_abs(document: Document, where: str) -> PathRule:
    _only(document, where, "path", "atol")
    atol = _number(document, where, "atol", SEED_ATOL)
    return PathRule(_path(document, where), numbers=Tolerance(atol=atol))


def _close(document: Document, where: str) -> PathRule:
    _only(document, where, "path", "dtype", "atol", "rtol", "nan_equal")
    preset = Tolerance(atol=0.0)
    if "dtype" in document:
        dtype = document["dtype"]
        if not isinstance(dtype, str) or dtype not in PRESETS:
            raise RuleError(f"{where}.dtype", f"expected one of {', '.join(PRESETS)}")
        preset = PRESETS[dtype]
    elif not {"atol", "rtol"} & document.keys():
        raise RuleError(f"{where}.dtype", "close needs a dtype, or rtol or atol")
    nan_equal = document.get("nan_equal", False)
    if not isinstance(nan_equal, bool):
        raise RuleError(f"{where}.nan_equal", "expected true or false")
    rtol = _number(document, where, "rtol", preset.rtol)
    if rtol >= 1:
        raise RuleError(f"{where}.rtol", "expected a number below 1")
    return PathRule(
        _path(document, where),
        numbers=Tolerance(
            atol=_number(document, where, "atol", preset.atol),
            rtol=rtol,
            strict=False,
            nan_equal=nan_equal,
        ),
    )


def _topk(document: Document, where: str) -> PathRule:
    _only(document, where, "path", "k", "label", "score", "scores", "tolerance")
    k = document.get("k", 1)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MAX_K:
        raise RuleError(f"{where}.k", f"expected a whole number from 1 to {MAX_K}")
    rule = TopK(
        k=k,
        label=_word(document, where, "label"),
        score=_word(document, where, "score"),
        scores=_word(document, where, "scores"),
        tolerance=_number(document, where, "tolerance", 0.0),
    )
    if rule.score and not rule.label:
        raise RuleError(f"{where}.label", "score names a member beside label")
    if rule.scores and rule.label:
        raise RuleError(f"{where}.scores", "labels in objects have their scores in `score`")
    return PathRule(_path(document, where), array=rule)


def _dist(document: Document, where: str) -> PathRule:
    _only(document, where, "path", "limit")
    limit = _number(document, where, "limit", MAX_DIVERGENCE)
    return PathRule(_path(document, where), array=Dist(limit))


def _cosine(document: Document, where: str) -> PathRule:
    _only(document, where, "path", "limit")
    limit = _number(document, where, "limit", MIN_COSINE, high=1.0)
    return PathRule(_path(document, where), array=Cosine(limit))


def _text(document: Document, where: str) -> PathRule:
    _only(document, where, "path")
    return PathRule(_path(document, where), text=True)


def _ignore(document: Document, where: str) -> PathRule:
    _only(document, where, "path")
    return PathRule(_path(document, where, root=False), ignore=True)


def _unordered(document: Document, where: str) -> PathRule:
    _only(document, where, "path")
    return PathRule(_path(document, where), array=Unordered())


def _key_by(document: Document, where: str) -> PathRule:
    _only(document, where, "path", "field")
    field = _word(document, where, "field", needed=True)
    return PathRule(_path(document, where), array=KeyBy(field))


_READERS: Mapping[str, Callable[[Document, str], PathRule]] = {
    "seed_abs": _seed_abs,
    "close": _close,
    "topk": _topk,
    "dist": _dist,
    "cosine": _cosine,
    "text": _text,
    "ignore": _ignore,
    "unordered": _unordered,
    "key_by": _key_by,
}


def _headers(document: Document, where: str) -> HeaderRules:
    _only(document, where, "compare", "ignore")
    compare = document.get("compare", ["content-type"])
    ignore = frozenset(_names(document.get("ignore", []), f"{where}.ignore"))
    if compare == "all":
        return HeaderRules(compare=(), every=True, ignore=ignore)
    names = _names(compare, f"{where}.compare")
    return HeaderRules(compare=tuple(n for n in names if n not in ignore), ignore=ignore)


def _names(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or len(value) > MAX_RULES:
        raise RuleError(where, 'expected a list of headers; compare may also be "all"')
    names = [str(name).lower() for name in value]
    for name in names:
        if not _HEADER_NAME.match(name):
            raise RuleError(where, f"not a header's name: {name[:60]!r}")
    return names


def _status(document: Document, where: str) -> bool:
    _only(document, where, "same")
    same = document.get("same")
    if same not in {"code", "class"}:
        raise RuleError(f"{where}.same", "expected code or class")
    return bool(same == "class")
