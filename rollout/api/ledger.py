"""REST: the ledger, read, verified and exported."""

from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import queries as ledger
from audit.models import LedgerEntry
from rollout.api import documents
from rollout.api.base import DOCUMENT, BanyanView, filters, keyset, page_size
from rollout.exceptions import NotFoundError


class AuditView(BanyanView):
    """The ledger, newest first."""

    @extend_schema(
        operation_id="list_audit",
        responses=DOCUMENT,
        parameters=[
            OpenApiParameter("before", OpenApiTypes.INT64),
            OpenApiParameter("limit", OpenApiTypes.INT),
            OpenApiParameter("migration", OpenApiTypes.STR),
            OpenApiParameter("action", OpenApiTypes.STR),
            OpenApiParameter("actor", OpenApiTypes.STR),
            OpenApiParameter("q", OpenApiTypes.STR),
        ],
    )
    def get(self, request: Request) -> Response:
        """Return entries below `before`, `limit` at a time."""
        asked = filters(request, ("before", "limit", "migration", "action", "actor", "q"))
        page = ledger.list_entries(
            filters=ledger.Filters(
                actor=asked.get("actor", ""),
                action=asked.get("action", ""),
                subject=asked.get("migration", ""),
                text=asked.get("q", ""),
            ),
            before=keyset(asked.get("before")),
            size=page_size(asked.get("limit")),
        )
        return Response(
            {"entries": [documents.entry(row) for row in page.entries], "before": page.before}
        )


class AuditEntryView(BanyanView):
    """One ledger entry."""

    @extend_schema(operation_id="get_audit_entry", responses=DOCUMENT)
    def get(self, request: Request, seq: int) -> Response:
        """Return the entry with its hashes."""
        try:
            return Response(documents.entry(ledger.get(seq)))
        except LedgerEntry.DoesNotExist as exc:
            raise NotFoundError(f"There is no entry {seq}.") from exc


class AuditVerifyView(BanyanView):
    """Verification of the whole ledger."""

    @extend_schema(operation_id="verify_audit", responses=DOCUMENT)
    def get(self, request: Request) -> Response:
        """Check hashes, order, columns, head and the rules of the moves."""
        report = ledger.verify()
        return Response(
            {
                "entries": report.entries,
                "verified": report.verified,
                "first_bad_seq": report.first_bad_seq,
                "kind": report.kind,
                "text": report.text,
                "head": {"seq": report.head.seq, "hash": report.head.hash},
                "moves": report.moves,
                "seconds": round(report.seconds, 3),
                "unguarded": list(report.unguarded),
                "covered": report.covered,
                "compared": report.compared,
                "unknown": report.unknown,
                "warnings": list(report.warnings),
                "anchored": _anchored(),
            }
        )


class AuditAnchorView(BanyanView):
    """Up to where the ledger is vouched for outside its database."""

    @extend_schema(operation_id="get_audit_anchor", responses=DOCUMENT)
    def get(self, request: Request) -> Response:
        """Return how far the anchor reaches, since when, and whether it closes promotion."""
        return Response(_anchored())


def _anchored() -> dict[str, Any]:
    now = timezone.now()
    return ledger.glance(now=now).to_dict(now)


class AuditExportView(BanyanView):
    """The ledger as lines for the stand-alone verifier."""

    @extend_schema(operation_id="export_audit", responses={(200, "application/x-ndjson"): str})
    def get(self, request: Request) -> StreamingHttpResponse:
        """Stream the export that `verify_audit.py` reads."""
        return StreamingHttpResponse(
            (f"{line}\n" if not line.endswith("\n") else line for line in ledger.export_lines()),
            content_type="application/x-ndjson",
            headers={"Content-Disposition": 'attachment; filename="banyan-ledger.jsonl"'},
        )
