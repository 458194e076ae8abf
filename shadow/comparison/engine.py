"""Compare two answers: one bit for the gate, and on mismatch the causes.

Never raises, whatever the bytes: a broken body is evidence. Answers with equal bytes match without
being parsed, for every reader reads them alike, repeated keys included; only NaN and Infinity,
which equal nothing unless a rule says so, are looked for. docs/comparison.md is this as a table.
"""

from typing import Any

from shadow.comparison import bodies, vectors
from shadow.comparison.answers import Answer, Outcome
from shadow.comparison.bodies import BodyError, Event
from shadow.comparison.columns import TooDeepError, count_members
from shadow.comparison.differences import (
    BytesDiffer,
    CutShort,
    Difference,
    EventDiffers,
    LengthDiffers,
    NoAnswer,
    NotDecodable,
    NotJson,
    StatusDiffers,
    excerpt,
)
from shadow.comparison.equality import Equality
from shadow.comparison.headers import (
    Said,
    announced,
    compare_headers,
    is_event_stream,
    is_json,
    said,
)
from shadow.comparison.pairing import TooManyError
from shadow.comparison.report import Report, few
from shadow.comparison.rules import Rules

FIRST_ANSWER = 200
FIRST_SERVER_ERROR = 500
NO_CONTENT = frozenset({204, 304})
_MATCH = Outcome("match")


def compare(legacy: Answer, candidate: Answer, rules: Rules) -> Outcome:
    """Compare the candidate's answer with legacy's, the reference, by the rules."""
    if legacy.status == 0 or legacy.status >= FIRST_SERVER_ERROR:
        return Outcome("excluded", "legacy_failed")
    if legacy.status < FIRST_ANSWER or (legacy.body and legacy.status in NO_CONTENT):
        return Outcome("uncomparable", "protocol")
    if legacy.status != candidate.status and not _same_class(legacy, candidate, rules):
        return _mismatch(
            StatusDiffers("$", legacy.status, candidate.status)
            if candidate.status
            else NoAnswer("$")
        )
    a, b = said(legacy), said(candidate)
    if a.content_type == b.content_type and rules.plain_headers:
        return _bodies(legacy, candidate, a, b, rules)
    different = compare_headers(legacy, candidate, rules.headers)
    outcome = _bodies(legacy, candidate, a, b, rules)
    return _with_more(different, outcome) if different else outcome


def _same_class(legacy: Answer, candidate: Answer, rules: Rules) -> bool:
    return rules.same_class and legacy.status // 100 == candidate.status // 100


def _mismatch(*differences: Difference) -> Outcome:
    return Outcome("mismatch", differences[0].kind, differences, total=len(differences))


def _with_more(different: list[Difference], outcome: Outcome) -> Outcome:
    return Outcome(
        "mismatch",
        different[0].kind,
        (*different, *outcome.differences),
        outcome.max_distance,
        len(different) + outcome.total,
    )


def _bodies(legacy: Answer, candidate: Answer, a: Said, b: Said, rules: Rules) -> Outcome:
    if legacy.truncated or candidate.truncated:
        return Outcome("uncomparable", "body_too_large")
    if (a.length or b.length) and (cut := _cut_short(legacy, candidate, a, b)) is not None:
        return cut
    try:
        return _compare_bodies(legacy.body, candidate.body, a, b, rules)
    except BodyError as error:
        return Outcome("uncomparable", error.cause)
    except TooDeepError:
        return Outcome("uncomparable", "too_deep")
    except TooManyError:
        return Outcome("uncomparable", "unordered_too_long")


def _cut_short(legacy: Answer, candidate: Answer, a: Said, b: Said) -> Outcome | None:
    """Find a body that is not as long as announced; an empty one may answer HEAD."""
    for answer, announcement in ((legacy, a), (candidate, b)):
        length = announced(announcement.length)
        if length is None or not answer.body or length == len(answer.body):
            continue
        if answer is legacy:
            return Outcome("uncomparable", "cut_short")
        return _mismatch(CutShort("$", length, len(answer.body)))
    return None


def _compare_bodies(a: bytes, b: bytes, of_a: Said, of_b: Said, rules: Rules) -> Outcome:
    if a == b and of_a.encoding == of_b.encoding and not _may_hold_nan(a, of_a):
        return _MATCH
    if of_a.encoding:
        a = bodies.decoded(a, of_a.encoding)
    if of_b.encoding:
        try:
            b = bodies.decoded(b, of_b.encoding)
        except BodyError as error:
            if error.cause != "not_decodable":
                raise
            return _mismatch(NotDecodable("$", error.reason))
    if is_json(of_a.content_type):
        return _compare_json(a, b, rules)
    if is_event_stream(of_a.content_type):
        return _compare_events(a, b, rules)
    return _compare_bytes(a, b)


def _may_hold_nan(body: bytes, of: Said) -> bool:
    if not (is_json(of.content_type) or is_event_stream(of.content_type)):
        return False
    if of.encoding:
        try:
            body = bodies.decoded(body, of.encoding)
        except BodyError:
            return False  # equal bytes that nobody can read are equal
    return bodies.has_nan_literal(body)


def _compare_bytes(a: bytes, b: bytes, prefix: str = "") -> Outcome:
    if a == b:
        return _MATCH
    return _mismatch(BytesDiffer(f"{prefix}$", _first_different(a, b), len(a), len(b)))


def _first_different(a: bytes, b: bytes) -> int:
    """Return the first offset that differs, found by halving: slices compare at memory speed."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _compare_json(a: bytes, b: bytes, rules: Rules, prefix: str = "") -> Outcome:
    found = vectors.matching(a, b, rules.tree)
    if found is not None:
        return Outcome("match", max_distance=found.distance)
    return compare_parsed(a, b, rules, prefix)


def compare_parsed(a: bytes, b: bytes, rules: Rules, prefix: str = "") -> Outcome:
    """Compare two JSON bodies by parsing them whole: what `vectors` must agree with."""
    try:
        legacy = bodies.parse(a)
    except BodyError:
        # Whatever legacy answers is the reference, JSON or not.
        return _compare_bytes(a, b, prefix)
    try:
        candidate = bodies.parse(b)
    except BodyError as error:
        return _mismatch(NotJson(f"{prefix}$", error.reason))
    equality = Equality()
    same = _same(equality, legacy, candidate, rules)
    if same and equality.wide:
        # Two different integers beyond 64 bits look alike as floats; rare, so parsed again.
        legacy, candidate = bodies.parse(a, exact=True), bodies.parse(b, exact=True)
        equality = Equality()
        same = _same(equality, legacy, candidate, rules)
    if not same:
        return _explain((a, b), legacy, candidate, rules, prefix)
    members = equality.members
    if bodies.has_more_members(a, members + equality.ignored[0]) or bodies.has_more_members(
        b, members + equality.ignored[1]
    ):
        return Outcome("uncomparable", "duplicate_key")
    return Outcome("match", max_distance=equality.distance)


def _same(equality: Equality, legacy: Any, candidate: Any, rules: Rules) -> bool:
    try:
        return equality.same(legacy, candidate, rules.tree)
    except TooDeepError:
        return False  # the report says whether something differed before


def _explain(
    texts: tuple[bytes, bytes], legacy: Any, candidate: Any, rules: Rules, prefix: str
) -> Outcome:
    if bodies.has_more_members(texts[0], count_members(legacy)) or bodies.has_more_members(
        texts[1], count_members(candidate)
    ):
        return Outcome("uncomparable", "duplicate_key")
    report = Report(prefix)
    try:
        report.walk(legacy, candidate, rules.telling)
    except TooDeepError:
        if not report.total:
            raise
    return Outcome(
        "mismatch",
        report.differences[0].kind,
        tuple(report.differences),
        report.distance,
        report.total,
    )


def _compare_events(a: bytes, b: bytes, rules: Rules) -> Outcome:
    """Compare streams event by event: name, then data as JSON by the rules, else as text."""
    legacy, candidate = bodies.split_events(a), bodies.split_events(b)
    found: list[Difference] = []
    distances: list[float] = []
    total = 0
    for at, (x, y) in enumerate(zip(legacy, candidate, strict=False)):
        outcome = _compare_event(x, y, rules, f"events[{at}]")
        if outcome.kind == "uncomparable":
            return outcome
        found += outcome.differences
        total += outcome.total
        if outcome.max_distance is not None:
            distances.append(outcome.max_distance)
    if len(legacy) != len(candidate):
        found.append(LengthDiffers("events", len(legacy), len(candidate)))
        total += 1
    largest = max(distances, default=None)
    if not found:
        return Outcome("match", max_distance=largest)
    return Outcome("mismatch", found[0].kind, few(found), largest, total)


def _compare_event(a: Event, b: Event, rules: Rules, where: str) -> Outcome:
    if a.data == b.data and not bodies.has_nan_literal(a.data):
        outcome = _MATCH
    else:
        outcome = _compare_json(a.data, b.data, rules, where)
    if a.name == b.name:
        return outcome
    return _with_more([EventDiffers(where, excerpt(a.name), excerpt(b.name))], outcome)
