"""Compare two answers: one bit for the gate, and on mismatch the causes.

Never raises, whatever the bytes: a broken body is evidence. Answers with equal bytes match without
being parsed, for every reader reads them alike, repeated keys included; only NaN and Infinity,
which never equal anything, are looked for. Headers are not compared here.
"""

from typing import Any

from shadow.comparison import bodies
from shadow.comparison.answers import Answer, Outcome
from shadow.comparison.differences import (
    BytesDiffer,
    Difference,
    NoAnswer,
    NotDecodable,
    NotJson,
    StatusDiffers,
)
from shadow.comparison.equality import Equality, TooDeepError, count_members
from shadow.comparison.report import Report
from shadow.comparison.rules import Rules

FIRST_SERVER_ERROR = 500
_MATCH = Outcome("match")


def compare(legacy: Answer, candidate: Answer, rules: Rules) -> Outcome:
    """Compare the candidate's answer with legacy's, the reference, by the rules."""
    if legacy.status == 0 or legacy.status >= FIRST_SERVER_ERROR:
        return Outcome("excluded", "legacy_failed")
    if legacy.status != candidate.status:
        return _mismatch(
            StatusDiffers("$", legacy.status, candidate.status)
            if candidate.status
            else NoAnswer("$")
        )
    if legacy.truncated or candidate.truncated:
        return Outcome("uncomparable", "body_too_large")
    try:
        return _compare_bodies(legacy, candidate, rules)
    except bodies.BodyError as error:
        return Outcome("uncomparable", error.cause)
    except TooDeepError:
        return Outcome("uncomparable", "too_deep")


def _mismatch(difference: Difference) -> Outcome:
    return Outcome("mismatch", difference.kind, (difference,), total=1)


def _compare_bodies(legacy: Answer, candidate: Answer, rules: Rules) -> Outcome:
    if legacy.body == candidate.body and _same_header(legacy, candidate, "content-encoding"):
        encoded = bodies.header(legacy, "content-encoding")
        if encoded or not (bodies.looks_like_json(legacy) and bodies.has_nan_literal(legacy.body)):
            return _MATCH
    a = bodies.decoded(legacy)
    try:
        b = bodies.decoded(candidate)
    except bodies.BodyError as error:
        if error.cause != "not_decodable":
            raise
        return _mismatch(NotDecodable("$", error.reason))
    if not bodies.looks_like_json(legacy):
        return _compare_bytes(a, b)
    return _compare_json(a, b, rules)


def _same_header(legacy: Answer, candidate: Answer, name: str) -> bool:
    return bodies.header(legacy, name) == bodies.header(candidate, name)


def _compare_bytes(a: bytes, b: bytes) -> Outcome:
    if a == b:
        return _MATCH
    shorter = min(len(a), len(b))
    offset = next((at for at in range(shorter) if a[at] != b[at]), shorter)
    return _mismatch(BytesDiffer("$", offset, len(a), len(b)))


def _compare_json(a: bytes, b: bytes, rules: Rules) -> Outcome:
    try:
        legacy = bodies.parse(a)
    except bodies.BodyError:
        # Whatever legacy answers is the reference, JSON or not.
        return _compare_bytes(a, b)
    try:
        candidate = bodies.parse(b)
    except bodies.BodyError as error:
        return _mismatch(NotJson("$", error.reason))
    equality = Equality(rules)
    same = equality.same(legacy, candidate, rules.tree)
    if same and equality.wide:
        # Two different integers beyond 64 bits look alike as floats; rare, so parsed again.
        legacy, candidate = bodies.parse(a, exact=True), bodies.parse(b, exact=True)
        equality = Equality(rules)
        same = equality.same(legacy, candidate, rules.tree)
    if not same:
        return _explain(a, b, legacy, candidate, rules)
    members = equality.members
    if bodies.has_more_members(a, members + equality.ignored[0]) or bodies.has_more_members(
        b, members + equality.ignored[1]
    ):
        return Outcome("uncomparable", "duplicate_key")
    return Outcome("match", max_distance=equality.distance)


def _explain(
    a: bytes,
    b: bytes,
    legacy: Any,
    candidate: Any,
    rules: Rules,
) -> Outcome:
    if bodies.has_more_members(a, count_members(legacy)) or bodies.has_more_members(
        b, count_members(candidate)
    ):
        return Outcome("uncomparable", "duplicate_key")
    report = Report(rules)
    try:
        report.walk(legacy, candidate, rules.tree)
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
