"""What legacy's OpenAPI document says can be asked of it and answered."""

from collections.abc import Iterable

from shadow.checks.openapi.document import MAX_DOCUMENT_BYTES, DocumentError, read_document
from shadow.http import Request, send_all
from shadow.models import ServicePair

DEADLINE_SECONDS = 3.0
OK = 200
Operation = tuple[str, str, tuple[str, ...]]


def documented_operations(pair: ServicePair) -> tuple[list[Operation], str]:
    """Return (method, path, response codes) of each operation, and "" or why there are none."""
    path = pair.checks.get("schema", {}).get("legacy_document", "/openapi.json")
    reply = send_all(
        [Request("GET", pair.legacy_url, path)],
        deadline_s=DEADLINE_SECONDS,
        max_body_bytes=MAX_DOCUMENT_BYTES + 1,
        at_once=1,
    )[0]
    if reply.status != OK:
        return [], f"Legacy {path} gives no document: {reply.error or reply.status}."
    try:
        return list(read_operations(reply.body)), ""
    except DocumentError as exc:
        return [], f"Legacy {path} is no OpenAPI document: {exc}"


def read_operations(raw: bytes) -> Iterable[Operation]:
    """Return the operations of a document; DocumentError when it cannot be read."""
    for operation in read_document(raw).operations().values():
        responses = operation.node.get("responses")
        codes = tuple(map(str, responses)) if isinstance(responses, dict) else ()
        yield operation.method, operation.path, codes
