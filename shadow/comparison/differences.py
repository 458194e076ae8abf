"""The closed set of ways in which two answers can differ, each with its path in the document.

A path reads like `$.outputs[3].score`; `$` is the whole body, `events[2]$.text` a place in the data
of an event, `header.content-type` a header. Values are kept as short texts:
enough to recognise a cause, too little to store a body.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

# A name in brackets stays; an index and the key of an element become `[*]`.
_INDEX = re.compile(
    r"""\['(?:[^'\\]|\\.)*'\]|\[\d+\]|\["(?:[^"\\]|\\.)*"=(?:"(?:[^"\\]|\\.)*"|[^]"]*)\]"""
)
EXCERPT_CHARS = 80


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The candidate reset, refused or timed out where legacy answered."""

    path: str
    kind: ClassVar[str] = "no_answer"

    def describe(self) -> str:
        return "the candidate gave no answer"


@dataclass(frozen=True, slots=True)
class StatusDiffers:
    """The status codes are not the same."""

    path: str
    legacy: int
    candidate: int
    kind: ClassVar[str] = "status"

    def describe(self) -> str:
        return f"legacy answered {self.legacy}, the candidate {self.candidate}"


@dataclass(frozen=True, slots=True)
class NotDecodable:
    """The candidate's body is not what its content-encoding says."""

    path: str
    reason: str
    kind: ClassVar[str] = "not_decodable"

    def describe(self) -> str:
        return f"the candidate's body cannot be decoded: {self.reason}"


@dataclass(frozen=True, slots=True)
class NotJson:
    """The candidate's body is no JSON where legacy's is."""

    path: str
    reason: str
    kind: ClassVar[str] = "not_json"

    def describe(self) -> str:
        return f"the candidate's body is not JSON: {self.reason}"


@dataclass(frozen=True, slots=True)
class CutShort:
    """The candidate's body is not as long as its content-length says."""

    path: str
    announced: int
    arrived: int
    kind: ClassVar[str] = "cut_short"

    def describe(self) -> str:
        return f"the candidate announced {self.announced} bytes and sent {self.arrived}"


@dataclass(frozen=True, slots=True)
class ContentTypeDiffers:
    """The answers say that they are of different media types or charsets."""

    path: str
    legacy: str
    candidate: str
    kind: ClassVar[str] = "content_type"

    def describe(self) -> str:
        return f"legacy sends {self.legacy or 'no type'}, the candidate {self.candidate or 'none'}"


@dataclass(frozen=True, slots=True)
class HeaderDiffers:
    """A header that a rule names has different values."""

    path: str
    legacy: str
    candidate: str
    kind: ClassVar[str] = "header"

    def describe(self) -> str:
        return f"{self.path} is {self.legacy}, the candidate's {self.candidate}"


@dataclass(frozen=True, slots=True)
class EventDiffers:
    """Two events of a stream have different names."""

    path: str
    legacy: str
    candidate: str
    kind: ClassVar[str] = "event"

    def describe(self) -> str:
        return f"{self.path} is called {self.legacy}, the candidate's {self.candidate}"


@dataclass(frozen=True, slots=True)
class BytesDiffer:
    """Bodies that are not JSON differ; `offset` is the first byte that does."""

    path: str
    offset: int
    legacy_bytes: int
    candidate_bytes: int
    kind: ClassVar[str] = "bytes"

    def describe(self) -> str:
        return (
            f"the bodies ({self.legacy_bytes} and {self.candidate_bytes} bytes) "
            f"differ from byte {self.offset} on"
        )


@dataclass(frozen=True, slots=True)
class MemberMissing:
    """Legacy has a member that the candidate lacks."""

    path: str
    legacy: str
    kind: ClassVar[str] = "missing"

    def describe(self) -> str:
        return f"{self.path} is missing from the candidate (legacy: {self.legacy})"


@dataclass(frozen=True, slots=True)
class MemberUnexpected:
    """The candidate has a member that legacy lacks."""

    path: str
    candidate: str
    kind: ClassVar[str] = "unexpected"

    def describe(self) -> str:
        return f"{self.path} is not in legacy's answer (candidate: {self.candidate})"


@dataclass(frozen=True, slots=True)
class LengthDiffers:
    """Two arrays have different lengths; their elements are not compared."""

    path: str
    legacy: int
    candidate: int
    kind: ClassVar[str] = "length"

    def describe(self) -> str:
        return f"{self.path} has {self.legacy} elements, the candidate's {self.candidate}"


@dataclass(frozen=True, slots=True)
class TypeDiffers:
    """Two values have different JSON types."""

    path: str
    legacy: str
    candidate: str
    kind: ClassVar[str] = "type"

    def describe(self) -> str:
        return f"{self.path} is a JSON {self.legacy}, the candidate's a JSON {self.candidate}"


@dataclass(frozen=True, slots=True)
class NumberDiffers:
    """Two numbers are further apart than the tolerance allows."""

    path: str
    legacy: str
    candidate: str
    distance: float
    kind: ClassVar[str] = "number"

    def describe(self) -> str:
        apart = f"{self.distance:.3g} apart"
        return f"{self.path} is {self.legacy}, the candidate's {self.candidate}: {apart}"


@dataclass(frozen=True, slots=True)
class NumberNotFinite:
    """NaN or infinity on either side, which is never equal to anything."""

    path: str
    legacy: str
    candidate: str
    kind: ClassVar[str] = "not_finite"

    def describe(self) -> str:
        return f"{self.path} is {self.legacy}, the candidate's {self.candidate}: not finite"


@dataclass(frozen=True, slots=True)
class ValueDiffers:
    """Two strings or two booleans are not the same."""

    path: str
    legacy: str
    candidate: str
    kind: ClassVar[str] = "value"

    def describe(self) -> str:
        return f"{self.path} is {self.legacy}, the candidate's {self.candidate}"


@dataclass(frozen=True, slots=True)
class LabelsDiffer:
    """The first labels are not the same, in order, up to ties."""

    path: str
    k: int
    legacy: str
    candidate: str
    kind: ClassVar[str] = "topk"

    def describe(self) -> str:
        return (
            f"the first {self.k} of {self.path} are {self.legacy}, the candidate's {self.candidate}"
        )


@dataclass(frozen=True, slots=True)
class DistributionDiffers:
    """Two distributions are further apart than allowed."""

    path: str
    divergence: float
    limit: float
    kind: ClassVar[str] = "dist"

    def describe(self) -> str:
        return (
            f"{self.path}: KL divergence {self.divergence:.3g}, at most {self.limit:g} is allowed"
        )


@dataclass(frozen=True, slots=True)
class DirectionDiffers:
    """Two vectors point in directions that are further apart than allowed."""

    path: str
    cosine: float
    limit: float
    kind: ClassVar[str] = "cosine"

    def describe(self) -> str:
        return f"{self.path}: cosine {self.cosine:.6f}, at least {self.limit:g} is asked for"


Difference = (
    NoAnswer
    | StatusDiffers
    | NotDecodable
    | NotJson
    | CutShort
    | ContentTypeDiffers
    | HeaderDiffers
    | EventDiffers
    | BytesDiffer
    | MemberMissing
    | MemberUnexpected
    | LengthDiffers
    | TypeDiffers
    | NumberDiffers
    | NumberNotFinite
    | ValueDiffers
    | LabelsDiffer
    | DistributionDiffers
    | DirectionDiffers
)


def signature(difference: Difference) -> tuple[str, str]:
    """Return (path with `[*]` for every index, kind): what differences of one cause share."""
    path = _INDEX.sub(
        lambda found: found[0] if found[0].startswith("['") else "[*]", difference.path
    )
    return path, difference.kind


def excerpt(value: object) -> str:
    """Return a value of a JSON document as a short text."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= EXCERPT_CHARS else value[:EXCERPT_CHARS] + "…")
        case dict():
            return f"an object with {len(value)} members"
        case list():
            return f"an array with {len(value)} elements"
        case _:
            return repr(value)[:EXCERPT_CHARS]
