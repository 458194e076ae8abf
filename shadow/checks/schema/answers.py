"""What two answers to one request say about the contract: accepted alike, readable alike. Pure."""

from collections.abc import Iterator

from shadow.checks.asking import Asked, answer_of
from shadow.checks.base import Finding
from shadow.comparison import compare, signature
from shadow.http import Reply

SUCCESS = range(200, 300)
# How far values may be apart is the comparison of live pairs; here counts what readers need.
STRUCTURE = frozenset({"missing", "unexpected", "type", "length", "not_json", "not_decodable"})
EXCERPT = 200


def judge_answers(asked: Asked) -> Iterator[Finding]:
    """Yield the differences in acceptance, and in the structure of answers that both gave."""
    legacy, candidate = asked.legacy, asked.candidate
    taken, also = legacy.status in SUCCESS, candidate.status in SUCCESS
    if not candidate.status:
        yield _finding(asked, "no_answer", f"no answer from the candidate ({candidate.error})")
    elif taken and not also:
        yield _finding(asked, "request_refused", "legacy accepts it, the candidate refuses it")
    elif also and not taken:
        yield _finding(asked, "request_accepted", "legacy refuses it, the candidate accepts it")
    elif taken and legacy.status != candidate.status:
        yield _finding(asked, "success_differs", "both accept it with different statuses")
    elif taken:
        yield from _structure(asked)


def _structure(asked: Asked) -> Iterator[Finding]:
    outcome = compare(answer_of(asked.legacy), answer_of(asked.candidate), asked.question.rules)
    for difference in outcome.differences:
        path, kind = signature(difference)
        if kind in STRUCTURE:
            yield Finding(
                code=f"answer_{kind}",
                where=f"{asked.question.route} answer {path}",
                sentence=f"{asked.question.route}, first seen with {asked.question.name!r}: "
                f"{difference.describe()}.",
                legacy=shown(asked.legacy),
                candidate=shown(asked.candidate),
            )


def _finding(asked: Asked, code: str, said: str) -> Finding:
    return Finding(
        code=code,
        where=asked.question.where,
        sentence=f"{asked.question.where}: {said}.",
        legacy=shown(asked.legacy),
        candidate=shown(asked.candidate),
    )


def shown(reply: Reply) -> str:
    """Return an answer as findings quote it."""
    if not reply.status:
        return reply.error
    body = reply.body[: EXCERPT * 2].decode("utf-8", "replace")
    return f"{reply.status} {body[:EXCERPT]}".strip()


def same(a: Reply, b: Reply, asked: Asked) -> bool | None:
    """Tell whether one side answered two requests alike; None when that cannot be said."""
    if a.status not in SUCCESS or b.status not in SUCCESS:
        return None
    outcome = compare(answer_of(a), answer_of(b), asked.question.rules)
    return {"match": True, "mismatch": False}.get(outcome.kind)
