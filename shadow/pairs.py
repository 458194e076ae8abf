"""A pair as it comes out of the stream, read without trusting it. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from shadow.comparison import Answer

KINDS = frozenset({"forward", "reverse", "noise"})
BUILD_HEADER = "x-build-id"
MAX_THRESHOLDS = 8


class PairError(ValueError):
    """An entry that is not a pair; it is counted and skipped."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One request with both answers. Legacy is always the reference, whoever served the user.

    `slow` names the step's latency thresholds, each with the sides above it: a legacy, b candidate.
    """

    id: str
    stream: str
    kind: str
    route: str
    method: str
    path: str
    at: float
    request_headers: tuple[tuple[str, str], ...]
    request_body: bytes
    legacy: Answer
    legacy_us: int
    candidate: Answer
    candidate_us: int
    slow: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        """8 bytes that stand for the pair's id and kind in its block."""
        return hashlib.blake2b(f"{self.id}/{self.kind}".encode(), digest_size=8).digest()

    def build(self, side: str, known: str) -> str:
        """The build that answered, from its header, else what probes know."""
        answer = self.legacy if side == "legacy" else self.candidate
        for name, value in answer.headers:
            if name == BUILD_HEADER:
                return value[:100]
        return known


def read_pair(fields: Mapping[bytes, bytes]) -> Pair:
    """Return the pair of a stream entry or raise PairError."""
    try:
        kind = fields[b"kind"].decode()
        if kind not in KINDS:
            raise PairError(f"unknown kind {kind[:20]!r}")
        flags = orjson.loads(fields.get(b"flags") or b"[]")
        return Pair(
            id=fields[b"id"].decode()[:80],
            stream=fields[b"split"].decode(),
            kind=kind,
            route=fields[b"route"].decode()[:200],
            method=fields[b"method"].decode()[:10],
            path=fields[b"path"].decode(errors="replace")[:1000],
            at=float(fields[b"at"]),
            request_headers=_headers(fields.get(b"req_headers")),
            request_body=fields.get(b"req_body", b""),
            legacy=_answer(fields, b"a_", "truncated_a" in flags),
            legacy_us=int(fields.get(b"a_us") or 0),
            candidate=_answer(fields, b"b_", "truncated_b" in flags),
            candidate_us=int(fields.get(b"b_us") or 0),
            slow=_slow(fields.get(b"slow")),
        )
    except (KeyError, ValueError, TypeError) as exc:
        raise PairError(f"unreadable pair: {exc}") from exc


def _answer(fields: Mapping[bytes, bytes], prefix: bytes, truncated: bool) -> Answer:  # noqa: FBT001
    return Answer(
        status=int(fields[prefix + b"status"]),
        headers=_headers(fields.get(prefix + b"headers")),
        body=fields.get(prefix + b"body", b""),
        truncated=truncated,
    )


def _slow(raw: bytes | None) -> dict[str, str]:
    found = orjson.loads(raw or b"{}")
    if not isinstance(found, dict) or len(found) > MAX_THRESHOLDS:
        raise PairError("slow: expected an object of a few thresholds")
    return {str(name)[:20]: str(sides) for name, sides in found.items()}


def _headers(raw: bytes | None) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in orjson.loads(raw or b"[]"))
