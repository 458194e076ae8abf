"""Parsers made from legacy's lines: JSON, logfmt, or the fixed places of plain text. Pure.

A reader turns a line into named fields, nested ones as `a.b`, or into None when it cannot read it.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from shadow.checks.logs.levels import severity_of
from shadow.checks.logs.values import format_of

Fields = Mapping[str, Any]
Read = Callable[[str], Fields | None]

MOST = 0.9
NEARLY_ALL = 0.99
MAX_DEPTH = 5
MAX_FIELDS = 300
MAX_PLACES = 24
PAIRS_AT_LEAST = 2
_LOGFMT = re.compile(
    r'\s*(?P<name>[A-Za-z_@][\w.@/-]*)=(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]*)(?=\s|$)'
)
_TOKEN = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,\d]*(?: ?Z|[+-]\d\d:?\d\d)?"  # a time with a blank in it
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
    r'|"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\S+'
)


@dataclass(frozen=True, slots=True)
class Reader:
    """`kind` is `JSON`, `logfmt` or `plain text`."""

    kind: str
    read: Read


def reader_for(lines: Sequence[str]) -> Reader:
    """Return a reader of what most of these lines are."""
    for kind, read in (("JSON", read_json), ("logfmt", read_logfmt)):
        if sum(read(line) is not None for line in lines) >= MOST * len(lines):
            return Reader(kind, read)
    return Reader("plain text", _text_reader(lines))


def read_json(line: str) -> Fields | None:
    """Return the members of a line that is one JSON object."""
    if not line.startswith("{"):
        return None
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    found: dict[str, Any] = {}
    _flatten(document, "", 0, found)
    return found


def _flatten(document: Mapping[str, Any], prefix: str, depth: int, found: dict[str, Any]) -> None:
    for name, value in document.items():
        if isinstance(value, dict) and value and depth < MAX_DEPTH:
            _flatten(value, f"{prefix}{name}.", depth + 1, found)
        elif len(found) < MAX_FIELDS:
            found[f"{prefix}{name}"] = value


def read_logfmt(line: str) -> Fields | None:
    """Return the pairs of a line that is nothing but `name=value`, at least two of them."""
    found, at = {}, 0
    text = line.rstrip()
    while pair := _LOGFMT.match(text, at):
        found[pair["name"]] = pair["value"].strip('"')
        at = pair.end()
    return found if at == len(text) and len(found) >= PAIRS_AT_LEAST else None


def _text_reader(lines: Sequence[str]) -> Read:
    places = _fixed_places([_TOKEN.findall(line) for line in lines])

    def read(line: str) -> Fields | None:
        tokens = _TOKEN.findall(line)
        if not places or len(tokens) <= max(places):
            return None
        if any(class_of(tokens[at]) != expected for at, expected in places.items()):
            return None
        return {f"part {at + 1}": tokens[at].strip('"[]') for at in places}

    return read


def _fixed_places(lines: Sequence[Sequence[str]]) -> dict[int, str]:
    """Return the places at which nearly all lines have the same class of token."""
    places = {}
    for at in range(MAX_PLACES):
        classes = Counter(class_of(tokens[at]) for tokens in lines if len(tokens) > at)
        if not classes:
            break
        ((common, count),) = classes.most_common(1)
        if common and count >= NEARLY_ALL * len(lines):
            places[at] = common
    return places


def class_of(token: str) -> str:
    """Return what a token of plain text is; "" for a word, which says nothing."""
    inner = token.strip('"[]')
    if severity_of(inner):
        return "level"
    named = format_of("time", inner)
    if named:
        return named
    if token[0] == '"':
        return "quoted"
    return "bracketed" if token[0] == "[" else ""
