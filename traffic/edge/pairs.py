"""One mark: what has been seen of one sampled request, and whether that makes a pair. Pure.

1. *forward* = legacy + candidate-shadow, *reverse* = candidate + legacy-shadow, *noise* = legacy +
   legacy-shadow. In a pair `a` is always the reference, legacy's answer.
2. Users of the candidate may have been answered by legacy. Their capture is the candidate's only if
   its upstream address, or Envoy's record of the request, says so; and an answer that Envoy may
   still take back (5xx) only once that record is there. Otherwise the mark is `failed_over` or
   `diverted`, never compared.
3. A side of which Envoy's record says that it never answered, or broke off, answered with status 0.
   A copy that its breaker shed or that Envoy took back, or a user who left, is no answer at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from traffic.edge.attempts import OVERFLOW, SERVER_ERROR, broke
from traffic.edge.records import AccessRecord
from traffic.edge.taps import Capture, Headers
from traffic.edge.topology import CANDIDATE, CANDIDATE_SHADOW, LEGACY, LEGACY_SHADOW, Topology

COPY_ARMS = frozenset({CANDIDATE_SHADOW, LEGACY_SHADOW})

Kind = Literal["forward", "reverse", "noise"]


class Tally(StrEnum):
    """What is counted per mark: once SAMPLED, and once one of the others."""

    SAMPLED = "sampled"
    PAIRS = "pairs"
    UNPAIRED = "unpaired"  # the other half never came, or the user left
    TRUNCATED = "truncated"  # a pair, but an answer is cut at the cap
    FAILED_OVER = "failed_over"  # the candidate was tried, legacy answered
    DIVERTED = "diverted"  # the candidate was out, legacy answered at once
    SHED = "shed"  # capture lost to load: breaker, full queue, eviction, no capture at all


@dataclass(frozen=True, slots=True)
class Answer:
    """One side's answer. `us` is how long it took; status 0 is no answer."""

    status: int
    headers: Headers
    body: bytes
    us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both answers to one request, which began at `at_us`. Flags tell what is missing or cut.

    `slow` names the step's thresholds, each with the sides that took longer: {"p50": "ab"}. It is
    empty without thresholds, and while the candidate warms up.
    """

    id: str
    split: str
    kind: Kind
    route: str
    method: str
    path: str
    at_us: int
    request_headers: Headers
    request_body: bytes
    a: Answer
    b: Answer
    flags: tuple[str, ...] = ()
    slow: Mapping[str, str] = field(default_factory=dict)

    @property
    def outcome(self) -> Tally:
        """TRUNCATED when an answer is cut, so that bodies can't be compared."""
        cut = "truncated_a" in self.flags or "truncated_b" in self.flags
        return Tally.TRUNCATED if cut else Tally.PAIRS


@dataclass(slots=True, kw_only=True)
class Mark:
    """All that has been seen of one mark. `route` and `started_us` say where it is counted."""

    id: str
    split: str
    route: str
    started_us: int
    captures: dict[str, list[Capture]] = field(default_factory=dict)
    attempts: dict[str, AccessRecord] = field(default_factory=dict)
    request: AccessRecord | None = None

    def saw(self, arm: str) -> bool:
        """Whether anything of this arm was seen."""
        return arm in self.captures or arm in self.attempts


@dataclass(frozen=True, slots=True)
class _Half:
    answer: Answer
    capture: Capture | None
    flag: str = ""


def meant_for(mark: Mark, topology: Topology) -> str:
    """Whom the user was sent to, LEGACY or CANDIDATE, as far as it is known by now."""
    if mark.request is not None:
        decision = topology.decision(mark.request.route)
        return decision[1] if decision else LEGACY
    return CANDIDATE if mark.saw(CANDIDATE) else LEGACY


def decide(mark: Mark, topology: Topology, *, final: bool) -> Pair | Tally | None:
    """Return the pair, or the outcome without one, or None while it is too early to tell.

    `final` accepts a failed side without its capture, because it will not come any more.
    """
    if meant_for(mark, topology) == CANDIDATE:
        if (outcome := _answered_by_legacy(mark, topology)) is not None:
            return outcome
        if _was_shed(mark, LEGACY_SHADOW):
            return Tally.SHED
        user = _candidates_half(mark, topology, final=final)
        copy = _half(mark, LEGACY_SHADOW, mark.attempts.get(LEGACY_SHADOW), final=final)
        pair = _pair(mark, "reverse", user=user, copy=copy)
        return pair and replace(pair, slow=_slow(pair, topology))
    if _was_shed(mark, CANDIDATE_SHADOW):
        return Tally.SHED
    user = _half(mark, LEGACY, mark.request, final=final)
    copy = _half(mark, CANDIDATE_SHADOW, mark.attempts.get(CANDIDATE_SHADOW), final=final)
    return _pair(mark, "forward", user=user, copy=copy)


def _slow(pair: Pair, topology: Topology) -> dict[str, str]:
    if pair.at_us < topology.warm_us:
        return {}
    took = {"a": pair.a.us, "b": pair.b.us}
    return {
        name: "".join(side for side, us in took.items() if us > limit)
        for name, limit in topology.slow_limits(pair.split, pair.route).items()
    }


def decide_noise(mark: Mark, topology: Topology, *, final: bool) -> Pair | None:
    """Return the noise pair of the mark, legacy against itself, once both halves are there."""
    if meant_for(mark, topology) == CANDIDATE or _was_shed(mark, LEGACY_SHADOW):
        return None
    copy = _half(mark, LEGACY_SHADOW, mark.attempts.get(LEGACY_SHADOW), final=final)
    return _pair(mark, "noise", user=_half(mark, LEGACY, mark.request, final=final), copy=copy)


def _answered_by_legacy(mark: Mark, topology: Topology) -> Tally | None:
    request = mark.request
    if request is None or topology.arm(request.cluster) != (mark.split, LEGACY):
        return None
    return Tally.DIVERTED if request.attempts <= 1 else Tally.FAILED_OVER


def _candidates_half(mark: Mark, topology: Topology, *, final: bool) -> _Half | None:
    request = mark.request
    if request is not None and topology.arm(request.cluster) == (mark.split, CANDIDATE):
        return _half(mark, CANDIDATE, request, final=final)
    for capture in mark.captures.get(CANDIDATE, ()):
        settled = _done(capture) and capture.status < SERVER_ERROR
        if settled and topology.is_candidate(mark.split, capture.upstream):
            return _answered(capture)
    return None


def _half(mark: Mark, arm: str, record: AccessRecord | None, *, final: bool) -> _Half | None:
    captures = mark.captures.get(arm, [])
    for capture in reversed(captures):
        if _done(capture):
            return _answered(capture)
    if record is None or not broke(record):
        return None
    if arm in COPY_ARMS and _was_cut(record, captures):
        return None
    # The capture of a failed try ends late, but it holds the request: worth the wait.
    if not captures and not final:
        return None
    began = captures[-1] if captures else None
    flag = "broken" if began is not None and began.status else "no_answer"
    return _Half(Answer(0, (), b"", record.duration_us), began, flag)


def _was_cut(record: AccessRecord, captures: list[Capture]) -> bool:
    """Whether Envoy itself took the copy back before its upstream had the whole request.

    It does so when the user's side answers before it has read the body, as a service may that
    refuses a content type. The record is then mute; a copy that timed out has had its request.
    """
    mute = record.status == 0 and not record.flags
    return mute and not (captures and captures[-1].request_ended)


def _answered(capture: Capture) -> _Half:
    took = capture.ended_us - capture.started_us
    body = capture.response_body
    answer = Answer(capture.status, capture.response_headers, body, took)
    return _Half(answer, capture, "truncated" if capture.truncated else "")


def _done(capture: Capture) -> bool:
    return capture.complete or capture.truncated


def _was_shed(mark: Mark, arm: str) -> bool:
    record = mark.attempts.get(arm)
    return record is not None and OVERFLOW in record.flags


def _pair(mark: Mark, kind: Kind, *, user: _Half | None, copy: _Half | None) -> Pair | None:
    if user is None or copy is None:
        return None
    a, b = (copy, user) if kind == "reverse" else (user, copy)
    flags = [f"{half.flag}_{side}" for half, side in ((a, "a"), (b, "b")) if half.flag]
    # Headers as the user sent them; the body from the copy, because only copies tap it.
    asked = user.capture or copy.capture
    if copy.capture is None:
        flags.append("no_request_body")
    elif copy.capture.request_truncated:
        flags.append("truncated_request")
    source = mark.request or asked
    return Pair(
        id=mark.id,
        split=mark.split,
        kind=kind,
        route=mark.route,
        method=source.method if source else "",
        path=source.path if source else "",
        at_us=mark.started_us,
        request_headers=asked.request_headers if asked else (),
        request_body=copy.capture.request_body if copy.capture else b"",
        a=a.answer,
        b=b.answer,
        flags=tuple(flags),
    )
