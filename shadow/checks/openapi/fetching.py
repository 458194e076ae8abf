"""Both services' OpenAPI documents, or findings that say what became of them."""

import hashlib
from dataclasses import dataclass

from judge.verdict import Verdict
from shadow.checks.base import Finding, Severity, Subject
from shadow.checks.openapi.document import (
    MAX_DOCUMENT_BYTES,
    Document,
    DocumentError,
    read_document,
)
from shadow.http import Reply, Request, send_all

DEADLINE_SECONDS = 10.0
OK = 200
UNREACHABLE = frozenset(
    {"timeout", "connection_refused", "unknown_host", "connection_reset", "no_answer", "tls_error"}
)


@dataclass(frozen=True, slots=True)
class Documents:
    """What was fetched. `verdict` is None when both can be compared, else how the check ends."""

    legacy: Document | None
    candidate: Document | None
    findings: tuple[Finding, ...]
    verdict: Verdict | None
    sha256: dict[str, str]


def fetch_documents(subject: Subject, *, legacy_path: str, candidate_path: str) -> Documents:
    """GET both documents. Legacy is the reference: without its document nothing can be judged."""
    asked = [
        Request("GET", subject.legacy_url, legacy_path),
        Request("GET", subject.candidate_url, candidate_path),
    ]
    replies = send_all(
        asked, deadline_s=DEADLINE_SECONDS, max_body_bytes=MAX_DOCUMENT_BYTES + 1, at_once=2
    )
    legacy, of_legacy = _read(replies[0], "Legacy", legacy_path)
    candidate, of_candidate = _read(replies[1], "The candidate", candidate_path)
    verdict = None
    if any(reply.error in UNREACHABLE for reply in replies):
        verdict = Verdict.ERROR
    elif of_legacy:
        verdict = Verdict.INCONCLUSIVE
    elif of_candidate:
        verdict = Verdict.FAIL
    sides = zip(("legacy", "candidate"), replies, strict=True)
    return Documents(
        legacy,
        candidate,
        tuple(found for found in (of_legacy, of_candidate) if found),
        verdict,
        {side: hashlib.sha256(reply.body).hexdigest() for side, reply in sides if reply.body},
    )


def _read(reply: Reply, side: str, path: str) -> tuple[Document | None, Finding | None]:
    if reply.error == "body_too_large":
        code, said = "document_too_large", f"{side}'s document is larger than 5 MiB."
    elif reply.error:
        code = "unreachable" if reply.error in UNREACHABLE else "document_broken"
        said = f"{side} does not answer {path}: {reply.error.replace('_', ' ')}."
    elif reply.status != OK:
        code, said = "document_missing", f"{side} answers {reply.status} to {path}."
    else:
        try:
            return read_document(reply.body), None
        except DocumentError as exc:
            code, said = exc.code, f"{side}: {exc}"
    severity = Severity.BREAKING if side != "Legacy" else Severity.WARNING
    return None, Finding(code=code, where=path, sentence=said, severity=severity)
