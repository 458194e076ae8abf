"""What the lines of one side show: their events, fields, types, formats and levels. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shadow.checks.logs.levels import is_level_name
from shadow.checks.logs.readers import Fields, Reader
from shadow.checks.logs.values import format_of, kind_of

# The field that says what a line is about, in the order in which they are tried.
EVENT_NAMES = ("event", "event_name", "message", "msg", "logger", "target")
MOST_EVENTS = 40
LINES_PER_EVENT = 5
NEARLY_ALL = 0.9
EXAMPLES = 3


@dataclass(slots=True)
class Field:
    """One field's values in the lines of one event."""

    count: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, name: str, value: object) -> None:
        """Count one value."""
        self.count += 1
        self.kinds[kind_of(value)] += 1
        self.formats[format_of(name, value)] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(str(value)[:80])


@dataclass(slots=True)
class Event:
    """The lines of one event."""

    lines: int = 0
    fields: dict[str, Field] = field(default_factory=dict)


@dataclass(slots=True)
class Facts:
    """All readable lines of one side; `read` holds them in order, None for unreadable ones."""

    read: Sequence[Fields | None]
    events: dict[str, Event] = field(default_factory=dict)
    levels: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How many lines there were."""
        return len(self.read)

    @property
    def unreadable(self) -> int:
        """How many of them could not be read at all."""
        return sum(fields is None for fields in self.read)


def event_field(lines: Sequence[Fields | None]) -> str:
    """Return the field that tells the events apart, "" when none does."""
    known = [fields for fields in lines if fields is not None]
    for name in EVENT_NAMES:
        values = Counter(str(fields[name]) for fields in known if name in fields)
        written = values.total() >= NEARLY_ALL * len(known)
        few = len(values) <= min(MOST_EVENTS, max(1, len(known) // LINES_PER_EVENT))
        if known and written and few:
            return name
    return ""


def facts_of(lines: Sequence[str], reader: Reader, *, event: str, ignore: Sequence[str]) -> Facts:
    """Read the lines and count what is in them; `ignore` names fields that are left out."""
    hidden = frozenset(ignore)
    read = [_visible(reader.read(line), hidden) for line in lines]
    facts = Facts(read)
    for fields in read:
        if fields is not None:
            _count(facts, fields, event)
    return facts


def event_of(fields: Fields, event: str) -> str:
    """Return the name of the event that a line is about."""
    return str(fields.get(event, ""))[:80] if event else ""


def level_of(fields: Fields) -> str | None:
    """Return the word for the level as it stands in the line; None when there is none."""
    named = next((name for name in fields if is_level_name(name)), None)
    return None if named is None else str(fields[named])[:40]


def _visible(fields: Fields | None, hidden: frozenset[str]) -> Fields | None:
    if fields is None or not hidden:
        return fields
    return {name: value for name, value in fields.items() if name not in hidden}


def _count(facts: Facts, fields: Mapping[str, object], event: str) -> None:
    of = facts.events.setdefault(event_of(fields, event), Event())
    of.lines += 1
    for name, value in fields.items():
        of.fields.setdefault(name, Field()).add(name, value)
    level = level_of(fields)
    if level is not None:
        facts.levels[level] += 1
