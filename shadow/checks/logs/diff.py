"""How the candidate's lines differ from legacy's, by name. Pure.

A field that legacy always wrote in n lines may still be absent once in a while: what the candidate
does counts as a difference when n such lines would have shown it at legacy, too (`SURE / n`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shadow.checks.base import Finding, Severity
from shadow.checks.logs.facts import Event, Facts, Field, event_of, level_of
from shadow.checks.logs.levels import severity_of, spelling_of
from shadow.checks.logs.readers import Fields
from shadow.checks.logs.values import format_of, kind_of

# exp(-7): what happens in a share s of lines stays away from 7 / s of them once in 1,000 times.
SURE = 7
FORMAT_AT_LEAST = 20
# A reader of numbers reads whole ones.
ALSO = {"number": frozenset({"number", "integer"})}


@dataclass(frozen=True, slots=True)
class Limits:
    """Below `unknown` of the lines nothing is breaking; events with fewer lines are not judged."""

    unknown: float = 0.001
    min_lines: int = 50
    extra_fields: bool = False


def differences(legacy: Facts, candidate: Facts, limits: Limits) -> Iterator[Finding]:
    """Yield what is missing, unknown or changed."""
    yield from _levels(legacy, candidate)
    for name, theirs in legacy.events.items():
        ours = candidate.events.get(name)
        if theirs.lines < limits.min_lines:
            continue
        if ours is None:
            if candidate.total - candidate.unreadable >= limits.min_lines:
                yield _event_missing(name, theirs)
        elif ours.lines >= limits.min_lines:
            yield from _fields(name, theirs, ours, limits)
    for name, ours in candidate.events.items():
        if name not in legacy.events:
            yield _event_unknown(name, ours, legacy, candidate, limits)


def judged_events(legacy: Facts, candidate: Facts, limits: Limits) -> list[str]:
    """Return the events that both sides wrote often enough."""
    return [
        name
        for name, theirs in legacy.events.items()
        if min(theirs.lines, candidate.events.get(name, Event()).lines) >= limits.min_lines
    ]


def unread(legacy: Facts, lines: Sequence[Fields | None], event: str) -> int:
    """Count the lines that a parser made for legacy's could not read.

    It asks for the fields that legacy always writes, with types, formats and levels legacy uses.
    """
    always = set.intersection(*map(_always, legacy.events.values())) if legacy.events else set()
    return sum(not _readable(legacy, fields, event, always) for fields in lines)


def _always(event: Event) -> set[str]:
    return {name for name, field in event.fields.items() if field.count == event.lines}


def _readable(legacy: Facts, fields: Fields | None, event: str, always: set[str]) -> bool:
    if fields is None:
        return False
    level, words = level_of(fields), {*legacy.levels}
    if level is not None and words and level not in words and _renamed(level, words):
        return False
    known = legacy.events.get(event_of(fields, event))
    if known is None:  # an event of its own is told by name
        return always <= fields.keys()
    return all(_fits(name, field, known, fields) for name, field in known.fields.items())


def _fits(name: str, field: Field, event: Event, fields: Fields) -> bool:
    if name not in fields:
        return field.count < event.lines
    value = fields[name]
    if kind_of(value) not in _allowed_kinds(field):
        return False
    formats = _formats(field)
    return not formats or format_of(name, value) in formats


def _allowed_kinds(field: Field) -> frozenset[str]:
    found = frozenset(field.kinds)
    return found.union(*(ALSO.get(kind, frozenset()) for kind in found))


def _formats(field: Field) -> frozenset[str]:
    """Return the formats that legacy's values always have; empty when there is none to rely on."""
    if "" in field.formats or field.count < FORMAT_AT_LEAST:
        return frozenset()
    return frozenset(field.formats)


def _fields(name: str, theirs: Event, ours: Event, limits: Limits) -> Iterator[Finding]:
    for field_name, field in theirs.fields.items():
        mine = ours.fields.get(field_name, Field())
        place = _Place(name, field_name, theirs, ours, limits)
        yield from _missing(place, field, mine)
        if mine.count:
            yield from _changed(place, field, mine)
    for field_name, mine in ours.fields.items():
        if field_name not in theirs.fields:
            yield _unknown(_Place(name, field_name, theirs, ours, limits), mine)


@dataclass(frozen=True, slots=True)
class _Place:
    """A field of an event, and how many lines each side has of it."""

    event: str
    name: str
    theirs: Event
    ours: Event
    limits: Limits

    @property
    def where(self) -> str:
        return f"{self.event or 'every line'} {self.name}"

    def counts(self, lines: int) -> bool:
        """Whether so many of our lines say something that legacy's lines would have shown."""
        share = lines / self.ours.lines
        return share > self.limits.unknown and share * self.theirs.lines >= SURE

    def in_lines(self, lines: int) -> str:
        among = f"`{self.event}` lines" if self.event else "lines"
        if lines == self.ours.lines:
            return f"in all of its {lines} {among}"
        return f"in {lines} of its {self.ours.lines} {among}"


def _missing(place: _Place, field: Field, mine: Field) -> Iterator[Finding]:
    absent = place.ours.lines - mine.count
    always = field.count == place.theirs.lines
    expected = field.count / place.theirs.lines * place.ours.lines
    if always and place.counts(absent):
        how = "always writes it"
    elif not always and not mine.count and expected >= SURE:
        how = f"writes it in {field.count / place.theirs.lines:.2g} of its lines"
    else:
        return
    yield Finding(
        code="field_missing",
        where=place.where,
        sentence=f"`{place.name}` is missing {place.in_lines(absent)} at the candidate; "
        f"legacy {how}.",
        legacy=", ".join(field.examples),
        count=absent,
    )


def _unknown(place: _Place, mine: Field) -> Finding:
    breaks = not place.limits.extra_fields and place.counts(mine.count)
    return Finding(
        code="field_unknown",
        where=place.where,
        sentence=f"The candidate writes `{place.name}` {place.in_lines(mine.count)}; "
        "legacy never does.",
        severity=Severity.BREAKING if breaks else Severity.WARNING,
        candidate=", ".join(mine.examples),
        count=mine.count,
    )


def _changed(place: _Place, field: Field, mine: Field) -> Iterator[Finding]:
    allowed = _allowed_kinds(field)
    other = {kind: count for kind, count in mine.kinds.items() if kind not in allowed}
    if place.counts(sum(other.values())):
        yield _change(place, "type_changed", "type", (field.kinds, other), (field, mine))
        return
    formats = _formats(field)
    strange = {name: count for name, count in mine.formats.items() if name not in formats}
    if formats and place.counts(sum(strange.values())):
        yield _change(place, "format_changed", "format", (field.formats, strange), (field, mine))


def _change(
    place: _Place,
    code: str,
    what: str,
    kinds: tuple[Mapping[str, int], Mapping[str, int]],
    fields: tuple[Field, Field],
) -> Finding:
    theirs, ours = (" or ".join(name or "plain text" for name in found) for found in kinds)
    lines = sum(kinds[1].values())
    return Finding(
        code=code,
        where=place.where,
        sentence=f"The {what} of `{place.name}` is {ours} {place.in_lines(lines)}; "
        f"legacy's is {theirs}.",
        legacy=", ".join(fields[0].examples),
        candidate=", ".join(fields[1].examples),
        count=lines,
    )


def _levels(legacy: Facts, candidate: Facts) -> Iterator[Finding]:
    words = {*legacy.levels}
    if not words:
        return
    for word, count in candidate.levels.items():
        if word in words:
            continue
        instead = _renamed(word, words)
        severity = Severity.BREAKING if instead else Severity.NOTE
        told = f"legacy {instead}" if instead else "legacy wrote no line of that severity"
        yield Finding(
            code="level_changed" if instead else "level_unseen",
            where=f"level {word}",
            sentence=f"The candidate writes the level `{word}` in {count} lines; {told}.",
            severity=severity,
            legacy=", ".join(sorted(words)),
            candidate=", ".join(sorted(candidate.levels)),
            count=count,
        )


def _renamed(word: str, words: set[str]) -> str:
    """Say what legacy writes in place of a level it never wrote; "" when it would write it too."""
    severity = severity_of(word)
    if not severity and not word.isdigit():
        return f"has only {', '.join(f'`{known}`' for known in sorted(words))}"
    same = sorted(known for known in words if severity and severity_of(known) == severity)
    if same:
        return f"writes `{same[0]}` for that severity"
    spelled = {spelling_of(known) for known in words if not known.isdigit()}
    if spelled and spelling_of(word) not in spelled:
        return f"writes its levels in {' or '.join(sorted(spelled))}"
    return ""


def _event_missing(name: str, theirs: Event) -> Finding:
    return Finding(
        code="event_missing",
        where=name or "every line",
        sentence=f"The candidate never writes `{name}`; legacy did {theirs.lines} times.",
        count=theirs.lines,
    )


def _event_unknown(
    name: str, ours: Event, legacy: Facts, candidate: Facts, limits: Limits
) -> Finding:
    share = ours.lines / candidate.total
    breaks = share > limits.unknown and share * legacy.total >= SURE
    return Finding(
        code="event_unknown",
        where=name or "lines without an event",
        sentence=f"The candidate writes `{name}` {ours.lines} times; legacy never does.",
        severity=Severity.BREAKING if breaks else Severity.WARNING,
        count=ours.lines,
    )
