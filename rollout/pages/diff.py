"""Two answers side by side, line by line, with what differs marked. Pure.

JSON is laid out one value a line and lined up by path, so that a drifted value stands beside its
counterpart. A line that differs without breaking a rule is tolerated, and says which rule. Long
runs of equal lines fold.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import islice
from typing import Any

from rollout.pages.contexts.shadow import DiffRow, DiffSide
from rollout.pages.words import small

CONTEXT_LINES = 3
FOLD_FROM = 9
MAX_LINES = 5000
MAX_ROWS = 300
MARK_WIDTH = 400
WIDE = 600

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NUMBER = re.compile(r"(^|[\s:])-?\d[\d.eE+-]*,?$")
_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of one answer and the path of the value on it."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What the comparison said and by which rules: sentences by path, tolerance, ignored paths."""

    found: Mapping[str, str] = field(default_factory=dict)
    atol: float | None = None
    ignored: frozenset[str] = frozenset()

    def excuse(self, path: str, *, number: bool) -> str:
        """Say why a differing line counts as a match."""
        if path in self.ignored or _INDEX.sub("[*]", path) in self.ignored:
            return "ignored"
        return f"within {small(self.atol)}" if number and self.atol is not None else "tolerated"


def diff_rows(legacy: str, candidate: str, rules: Rulebook) -> tuple[DiffRow, ...]:
    """Return the rows of the diff; each broken rule is noted under its line, the rest on top."""
    a, b = lines_of(legacy), lines_of(candidate)
    rows, placed = _aligned(a, b, rules)
    loose = [_note(path, text) for path, text in rules.found.items() if path not in placed]
    folded = _folded(rows)
    kept = list(folded[:MAX_ROWS])
    if len(folded) > MAX_ROWS:
        kept.append(DiffRow("fold", text=f"{len(folded) - MAX_ROWS:,} more lines not shown"))
    return (*loose, *kept)


def lines_of(body: str) -> list[Line]:
    """Lay a body out in lines; what is not JSON stays as it came."""
    try:
        value = json.loads(body, parse_float=_Number, parse_int=_Number)
    except (ValueError, RecursionError):
        texts = body.splitlines() or [""]
        return [Line(f"line {i}", t[:WIDE]) for i, t in enumerate(texts[:MAX_LINES], 1)]
    return list(islice(_layout(value, "$", "", "", ""), MAX_LINES))


class _Number(str):
    """A number as it was written: 0.1 and 0.10 are different texts, and no digit is lost."""

    __slots__ = ()


def _layout(value: Any, path: str, indent: str, lead: str, tail: str) -> Iterator[Line]:  # any JSON
    if isinstance(value, dict) and value:
        yield Line(path, f"{indent}{lead}{{")
        last = len(value) - 1
        for i, (key, item) in enumerate(value.items()):
            inner = f"{path}.{key}" if _PLAIN.fullmatch(key) else f"{path}[{key!r}]"
            name = f"{json.dumps(key, ensure_ascii=False)}: "
            yield from _layout(item, inner, f"{indent}  ", name, "," if i < last else "")
        yield Line(f"{path} end", f"{indent}}}{tail}")
    elif isinstance(value, list) and value:
        yield Line(path, f"{indent}{lead}[")
        last = len(value) - 1
        for i, item in enumerate(value):
            yield from _layout(item, f"{path}[{i}]", f"{indent}  ", "", "," if i < last else "")
        yield Line(f"{path} end", f"{indent}]{tail}")
    else:
        yield Line(path, f"{indent}{lead}{_scalar(value)}{tail}"[:WIDE])


def _scalar(value: Any) -> str:  # any JSON scalar
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)


def _aligned(
    a: Sequence[Line], b: Sequence[Line], rules: Rulebook
) -> tuple[list[DiffRow], set[str]]:
    """Line both sides up by path; return the rows and the paths whose note was placed."""
    paths_a, paths_b = [x.path for x in a], [x.path for x in b]
    rows: list[DiffRow] = []
    placed: set[str] = set()
    for tag, a0, a1, b0, b1 in SequenceMatcher(
        None, paths_a, paths_b, autojunk=False
    ).get_opcodes():
        for i in range(max(a1 - a0, b1 - b0)):
            x = a[a0 + i] if a0 + i < a1 else None
            y = b[b0 + i] if b0 + i < b1 else None
            if tag == "equal" and x and y and x.text == y.text:
                rows.append(
                    DiffRow(
                        "eq", DiffSide(str(a0 + i + 1), x.text), DiffSide(str(b0 + i + 1), y.text)
                    )
                )
                continue
            rows.append(_differing(x, y, a0 + i + 1, b0 + i + 1, rules))
            for line in (x, y):
                if line and line.path in rules.found and line.path not in placed:
                    placed.add(line.path)
                    rows.append(_note(line.path, rules.found[line.path]))
    return rows, placed


def _differing(x: Line | None, y: Line | None, i: int, j: int, rules: Rulebook) -> DiffRow:
    paths = {line.path for line in (x, y) if line}
    broken = bool(paths & rules.found.keys()) or not (x and y)
    text_x, text_y = (x.text if x else None), (y.text if y else None)
    if broken or x is None:
        return DiffRow("chg", _side(i, text_x, text_y), _side(j, text_y, text_x))
    if x.path.endswith(" end"):
        return DiffRow("eq", _side(i, text_x, text_x), _side(j, text_y, text_y))
    return DiffRow(
        "tol",
        _side(i, text_x, text_x),
        _side(j, text_y, text_y),
        text=rules.excuse(x.path, number=_is_number(x.text)),
    )


def _side(number: int, text: str | None, other: str | None) -> DiffSide:
    """Cut a line around what differs from the other side's."""
    if text is None:
        return DiffSide()
    if text == other:
        return DiffSide(str(number), text)
    if other is None or len(text) > MARK_WIDTH:
        return DiffSide(str(number), "", text, "")
    shortest = min(len(text), len(other))
    start = 0
    while start < shortest and text[start] == other[start]:
        start += 1
    end = 0
    while end < shortest - start and text[-1 - end] == other[-1 - end]:
        end += 1
    stop = len(text) - end
    return DiffSide(str(number), text[:start], text[start:stop], text[stop:])


def _is_number(line: str) -> bool:
    return bool(_NUMBER.search(line))


def _note(path: str, text: str) -> DiffRow:
    lead = "Over tolerance" if text.endswith("apart") else "Differs"
    return DiffRow("note", status="fail", lead=lead, text=text or path)


def _folded(rows: Sequence[DiffRow]) -> tuple[DiffRow, ...]:
    """Replace the middle of long equal runs by one line that counts them."""
    out: list[DiffRow] = []
    i = 0
    while i < len(rows):
        j = i
        while j < len(rows) and rows[j].kind == "eq":
            j += 1
        run = list(rows[i:j])
        if len(run) >= FOLD_FROM:
            middle = run[CONTEXT_LINES : len(run) - CONTEXT_LINES]
            fold = DiffRow("fold", text=f"{len(middle):,} identical lines")
            run = [*run[:CONTEXT_LINES], fold, *run[len(run) - CONTEXT_LINES :]]
        out += run
        if j < len(rows):
            out.append(rows[j])
        i = j + 1
    return tuple(out)
