"""The two answers that are compared, and what came of it."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from shadow.comparison.differences import Difference

OutcomeKind = Literal["match", "mismatch", "uncomparable", "excluded"]
# Why answers cannot be compared, each in one word.
UNCOMPARABLE = (
    "body_too_large",
    "cut_short",
    "duplicate_key",
    "encoded_body",
    "not_decodable",
    "protocol",
    "too_deep",
    "unordered_too_long",
    "unreadable_rules",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was on the wire: header names in lower case, the body still encoded.

    Status 0 means that there was no answer (reset, refused, timed out).
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    truncated: bool = False


class Outcome(NamedTuple):  # made once per pair, three times as fast as a frozen dataclass
    """What comparing two answers gave.

    `cause` is "" for a match, the kind of the first difference for a mismatch, `legacy_failed` for
    an excluded pair, and one of UNCOMPARABLE otherwise. `differences` holds a few of each
    signature, `total` counts all. `max_distance` is the largest distance between two compared
    finite numbers, None without any and for answers with equal bytes, which are not parsed.
    """

    kind: OutcomeKind
    cause: str = ""
    differences: tuple[Difference, ...] = ()
    max_distance: float | None = None
    total: int = 0
