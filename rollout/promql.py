"""PromQL as a policy holds it, and a provider's answer as a sample. Pure.

A query may name `{{migration}}`, `{{route}}` and others, inside a quoted text only: each is escaped
for where it stands, so that no name ends the text or becomes a pattern.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from judge.metric import Sample

VARIABLES = frozenset({"migration", "team", "route", "legacy_build", "candidate_build"})
_LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`')
_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_CLOSES = {")": "(", "]": "[", "}": "{"}
_PATTERN = re.compile(r"[=!]~\s*$")
_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")
DETAIL_CHARS = 200


class PromQLError(ValueError):
    """A query that cannot be used; the text says why."""


def check_query(query: str) -> None:
    """Refuse a query that is empty, not balanced, or names a variable where it cannot stand."""
    if not query.strip():
        raise PromQLError("expected a PromQL query")
    if any(not (c.isprintable() or c in "\n\t") for c in query):
        raise PromQLError("the query holds characters that cannot be seen")
    bare = _LITERAL.sub("", query)
    if re.search(r"[\"'`]", bare):
        raise PromQLError("a quoted text in the query does not end")
    if _VARIABLE.search(bare):
        raise PromQLError("a variable stands inside quotes, as in team='{{team}}'")
    _check_brackets(bare)
    for literal in _LITERAL.finditer(query):
        _check_literal(literal.group())


def _check_literal(text: str) -> None:
    for name in _VARIABLE.findall(text):
        if text.startswith("`"):
            raise PromQLError("a variable cannot stand in backticks: nothing is escaped there")
        if name not in VARIABLES:
            known = ", ".join(sorted(VARIABLES))
            raise PromQLError(f"there is no variable {name[:40]!r}; there are {known}")


def _check_brackets(text: str) -> None:
    open_ones: list[str] = []
    for char in text:
        if char in _CLOSES.values():
            open_ones.append(char)
        elif char in _CLOSES and (not open_ones or open_ones.pop() != _CLOSES[char]):
            raise PromQLError("the brackets of the query do not match")
    if open_ones:
        raise PromQLError("the brackets of the query do not match")


def has_route(query: str) -> bool:
    """Whether the query is asked for each route by itself."""
    return "route" in _VARIABLE.findall(query)


def render(query: str, values: Mapping[str, str]) -> str:
    """Return the query with its variables in place, escaped; unknown ones raise PromQLError."""
    check_query(query)

    def literal(match: re.Match[str]) -> str:
        text = match.group()
        pattern = bool(_PATTERN.search(query[: match.start()]))
        return _VARIABLE.sub(lambda m: _escaped(values.get(m[1], ""), pattern=pattern), text)

    return _LITERAL.sub(literal, query)


def _escaped(value: str, *, pattern: bool) -> str:
    if pattern:
        value = _SPECIAL.sub(r"\\\1", value)
    value = value.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in value)


def read_answer(body: bytes, *, expect: tuple[str, str] | None = None) -> Sample:
    """Return the one sample of an answer to an instant query, or what is wrong with it.

    `expect` is a label and the value that the series must carry.
    """
    try:
        document = json.loads(body, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return Sample(error="not_json", detail="the answer is not the JSON of Prometheus")
    if not isinstance(document, dict):
        return _malformed("the answer is no object")
    if document.get("status") != "success":
        return Sample(error="provider_error", detail=f"it says {_text(document.get('error'))}")
    if document.get("warnings") or document.get("isPartial"):
        return Sample(error="partial", detail=f"it warns {_text(document.get('warnings'))}")
    data = document.get("data")
    if not isinstance(data, dict):
        return _malformed("the answer holds no data")
    return _result(data, expect)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _result(  # one return for each kind of answer
    data: Mapping[str, Any], expect: tuple[str, str] | None
) -> Sample:
    kind, result = data.get("resultType"), data.get("result")
    if kind == "scalar" and expect is None:
        return _pair(result)
    if kind != "vector":
        return Sample(error="not_a_vector", detail=f"a {_text(kind)} came back")
    if not isinstance(result, list):
        return _malformed("the vector is no list")
    if len(result) == 1:
        return _series(result[0], expect)
    if not result:
        return Sample(error="empty", detail="no series matches the query")
    return Sample(error="ambiguous", detail=f"{len(result)} series match, expected one")


def _series(series: object, expect: tuple[str, str] | None) -> Sample:
    if not isinstance(series, dict) or "value" not in series:
        return _malformed("the series holds no value")
    labels = series.get("metric")
    if not isinstance(labels, dict):
        return _malformed("the series holds no labels")
    if expect and labels.get(expect[0]) != expect[1]:
        found = _text(labels.get(expect[0], "no such label"))
        return Sample(error="wrong_target", detail=f"{expect[0]} is {found}, not {expect[1]}")
    return _pair(series["value"])


def _pair(value: object) -> Sample:
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], str):  # noqa: PLR2004
        return _malformed("expected a time and a text")
    at, text = value
    if isinstance(at, bool) or not isinstance(at, int | float) or abs(at) > 1e12:  # noqa: PLR2004
        return Sample(error="no_time", detail="no time with the value")
    if not re.fullmatch(r"[+-]?(NaN|Inf|\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,4})?)", text, re.ASCII):
        return _malformed(f"{text[:40]!r} is no number")
    number = float(text)
    if not math.isfinite(number):
        return Sample(at=float(at), error="not_finite", detail=f"the value is {text}")
    return Sample(value=number, at=float(at))


def _malformed(detail: str) -> Sample:
    return Sample(error="malformed", detail=detail)


def _text(value: object) -> str:
    """Return somebody else's words as one line of printable characters."""
    words = value if isinstance(value, str) else json.dumps(value)
    return "".join(c if c.isprintable() else " " for c in words[:DETAIL_CHARS])
