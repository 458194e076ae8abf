"""REST: migrations and what is known about them."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from rollout import queries, services
from rollout.api import documents
from rollout.api.base import DOCUMENT, BanyanView, parsed
from rollout.api.serializers import NewMigrationSerializer
from rollout.exceptions import ConflictError, ForbiddenError
from rollout.lifecycle import Action
from rollout.services import NewMigration, RouteInput
from shadow import findings
from shadow import queries as shadow
from traffic import queries as traffic


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
        who: dict[str, Any] = {
            "actor": self.actor(request),
            "now": timezone.now(),
            "request_id": self.request_id(request),
        }
        slug = ""
        try:
            self.require(request, Action.CREATE)
            given = _described(parsed(NewMigrationSerializer, request))
            slug = given.slug
            made = services.create_migration(given=given, **who)
        except (ForbiddenError, ConflictError) as exc:
            services.record_denied(slug=slug, action=Action.CREATE, code=exc.code, **who)
            raise
        return Response(documents.brief(queries.get_migration(made.slug)), status=201)


def _described(sent: dict[str, Any]) -> NewMigration:
    routes = tuple(
        RouteInput(**{**route, "ignore": tuple(route.get("ignore", ()))})
        for route in sent.pop("routes")
    )
    return NewMigration(**{"title": sent["slug"], **sent}, routes=routes)


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
        found = findings.top_causes(pair=migration.pair, since=migration.evidence_since)
        return Response(
            {
                "causes": [
                    {**documents.cause(row.group), "share": row.share, "compared": row.compared}
                    for row in found
                ]
            }
        )


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


class ProxiesView(BanyanView):
    """The fleet."""

    @extend_schema(operation_id="list_proxies", responses=DOCUMENT)
    def get(self, request: Request) -> Response:
        """Return every registered proxy with what it does and what is asked of it."""
        return Response({"proxies": [documents.proxy(row) for row in traffic.proxies()]})


class MeView(BanyanView):
    """Who the caller is."""

    @extend_schema(operation_id="whoami", responses=DOCUMENT)
    def get(self, request: Request) -> Response:
        """Return name and role."""
        return Response({"name": request.user.get_username(), "role": self.role(request)})
