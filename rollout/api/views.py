"""REST: parse, call one function, answer."""

from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import queries as ledger
from audit.models import LedgerEntry
from rollout import queries, services
from rollout.api import documents
from rollout.api.base import BanyanView, VerbView, keyset, needed_version, page_size, version_of
from rollout.api.serializers import (
    NewMigrationSerializer,
    PromoteSerializer,
    ReasonSerializer,
    RollBackSerializer,
)
from rollout.exceptions import RefusalError
from rollout.lifecycle import Action
from rollout.services import NewMigration, RouteInput
from shadow import queries as shadow
from traffic import queries as traffic

DOCUMENT = OpenApiTypes.OBJECT


def parsed(serializer: type[Any], request: Request) -> dict[str, Any]:
    """Return the checked body."""
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


class MigrationsView(BanyanView):
    """All migrations; describe a new one."""

    @extend_schema(operation_id="list_migrations", responses=DOCUMENT)
    def get(self, request: Request) -> Response:
        """List migrations, newest first."""
        return Response({"migrations": [documents.brief(m) for m in queries.migrations()[:1000]]})

    @extend_schema(
        operation_id="create_migration", request=NewMigrationSerializer, responses={201: DOCUMENT}
    )
    def post(self, request: Request) -> Response:
        """Describe a migration in draft."""
        self.require(request, Action.CREATE)
        sent = parsed(NewMigrationSerializer, request)
        routes = tuple(
            RouteInput(**{**route, "ignore": tuple(route.get("ignore", ()))})
            for route in sent.pop("routes")
        )
        given = NewMigration(**{"title": sent["slug"], **sent}, routes=routes)
        made = services.create_migration(
            given=given,
            actor=self.actor(request),
            now=timezone.now(),
            request_id=self.request_id(request),
        )
        return Response(documents.brief(queries.get_migration(made.slug)), status=201)


class MigrationView(BanyanView):
    """One migration."""

    @extend_schema(operation_id="get_migration", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return place, gates, what is observed, and why promote is closed if it is."""
        view = queries.migration_view(slug, now=timezone.now())
        return Response(documents.whole(view), headers={"ETag": f'"{view.migration.version}"'})


class GatesView(BanyanView):
    """The gates of the next place, evaluated now."""

    @extend_schema(operation_id="get_gates", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return each gate with verdict, bound, n, evidence needed, and per route."""
        view = queries.migration_view(slug, now=timezone.now())
        return Response(
            {
                "version": view.migration.version,
                "can_promote": view.can_promote,
                "why_closed": view.why_closed,
                "policy_label": view.policy.label,
                "gates": [gate.to_dict() for gate in view.gates],
            }
        )


class MismatchesView(BanyanView):
    """Causes of mismatch of the present builds."""

    @extend_schema(operation_id="list_mismatches", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return the causes, most frequent first."""
        migration = queries.get_migration(slug)
        return Response({"causes": [documents.cause(row) for row in queries.causes(migration)]})


class MismatchView(BanyanView):
    """Kept examples of one cause."""

    @extend_schema(operation_id="get_mismatch_examples", responses=DOCUMENT)
    def get(self, request: Request, slug: str, cause: int) -> Response:
        """Return a few pairs with both answers and what differed."""
        migration = queries.get_migration(slug)
        rows = shadow.samples(group_id=cause, pair=migration.pair)
        return Response({"examples": [documents.sample(row) for row in rows]})


class ProbesView(BanyanView):
    """Health probes."""

    @extend_schema(operation_id="list_probes", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return the newest probe of each side and endpoint."""
        migration = queries.get_migration(slug)
        return Response({"probes": [documents.probe(row) for row in queries.probes(migration)]})


class DecisionsView(BanyanView):
    """Decisions of one migration."""

    @extend_schema(operation_id="list_decisions", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return decisions, newest first."""
        rows = queries.decisions(queries.get_migration(slug))[:200]
        return Response({"decisions": [documents.decision(row) for row in rows]})


class StartView(VerbView):
    """Start dual-run."""

    action = Action.START

    @extend_schema(operation_id="start", request=ReasonSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str) -> Response:
        """Begin to mirror and compare; both services must answer."""
        sent = parsed(ReasonSerializer, request)
        return self.decide(
            request,
            slug,
            services.start,
            version=version_of(request, sent),
            reason=sent.get("reason", ""),
        )


class PromoteView(VerbView):
    """Promote to the next place."""

    action = Action.PROMOTE

    @extend_schema(operation_id="promote", request=PromoteSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str) -> Response:
        """Move one place to the right; 409 with the closed gates when one does not PASS."""
        sent = parsed(PromoteSerializer, request)
        version = needed_version(request, sent)
        return self.decide(
            request,
            slug,
            services.promote,
            version=version,
            reason=sent["reason"],
            expected_weight=sent.get("to"),
        )


class HoldView(VerbView):
    """Hold."""

    action = Action.HOLD

    @extend_schema(operation_id="hold", request=ReasonSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str) -> Response:
        """Stop advancing; holding what is held changes nothing."""
        sent = parsed(ReasonSerializer, request)
        return self.decide(
            request,
            slug,
            services.hold,
            version=version_of(request, sent),
            reason=sent.get("reason", ""),
        )


class ResumeView(VerbView):
    """Resume."""

    action = Action.RESUME

    @extend_schema(operation_id="resume", request=ReasonSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str) -> Response:
        """Allow advancing again; moves nothing."""
        sent = parsed(ReasonSerializer, request)
        return self.decide(
            request,
            slug,
            services.resume,
            version=version_of(request, sent),
            reason=sent.get("reason", ""),
        )


class RollBackView(VerbView):
    """Roll back."""

    action = Action.ROLL_BACK

    @extend_schema(operation_id="roll_back", request=RollBackSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str) -> Response:
        """Go to a lower weight, 0 by default, at once; asks no gate and no version."""
        sent = parsed(RollBackSerializer, request)
        return self.decide(
            request,
            slug,
            services.roll_back,
            to_weight=sent.get("to", 0),
            reason=sent.get("reason", ""),
        )


class ProxiesView(BanyanView):
    """The fleet."""

    @extend_schema(operation_id="list_proxies", responses=DOCUMENT)
    def get(self, request: Request) -> Response:
        """Return every registered proxy with what it does and what is asked of it."""
        return Response({"proxies": [documents.proxy(row) for row in traffic.proxies()]})


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
        asked = request.query_params
        page = ledger.list_entries(
            filters=ledger.Filters(
                actor=asked.get("actor", "")[:200],
                action=asked.get("action", "")[:100],
                subject=asked.get("migration", "")[:200],
                text=asked.get("q", "")[:200],
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
        except (LedgerEntry.DoesNotExist, OverflowError) as exc:
            error = RefusalError(f"There is no entry {str(seq)[:20]}.", code="not_found")
            error.status = 404
            raise error from exc


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
            }
        )


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


class MeView(BanyanView):
    """Who the caller is."""

    @extend_schema(operation_id="whoami", responses=DOCUMENT)
    def get(self, request: Request) -> Response:
        """Return name and role."""
        return Response({"name": request.user.get_username(), "role": self.role(request)})
