"""REST: how answers are compared, what other rules would decide, noise, and coverage."""

from collections import Counter
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from rollout import coverage, queries
from rollout.api import documents
from rollout.api.base import DOCUMENT, BanyanView, VerbView, needed_version, parsed
from rollout.api.serializers import NeededReasonSerializer, StrictSerializer
from rollout.exceptions import InvalidError, NotFoundError
from rollout.lifecycle import Action
from rollout.models import ServiceMigration
from rollout.services.rules import change_route_rules
from shadow import findings
from shadow.comparison import RuleError
from shadow.documented import documented_operations
from shadow.findings import Kept
from shadow.models import RouteRule
from shadow.services.route_rules import FIELDS, JUDGING, check_columns

MAX_SHOWN = 20


class PreviewSerializer(StrictSerializer):
    """Columns of a route as they might be; what is left out stays as it is."""

    atol = serializers.FloatField(min_value=0, max_value=1e6, required=False)
    ignore = serializers.ListField(child=serializers.CharField(max_length=200), required=False)
    rules = serializers.ListField(child=serializers.DictField(), required=False)


class RulesSerializer(NeededReasonSerializer, PreviewSerializer):
    """Columns of a route to put in force."""

    redact = serializers.ListField(child=serializers.CharField(max_length=200), required=False)


def route_document(rule: RouteRule) -> dict[str, Any]:
    """Return a route with its rules."""
    return {
        "id": rule.pk,
        "method": rule.method,
        "path": rule.path,
        "safe_to_duplicate": rule.safe_to_duplicate,
        **{name: getattr(rule, name) for name in FIELDS},
    }


def found_route(migration: ServiceMigration, number: int) -> RouteRule:
    """Return one route of a migration or raise the 404 refusal."""
    rule = findings.route_of(pair=migration.pair, route_id=number)
    if rule is None:
        raise NotFoundError("There is no such route.")
    return rule


class RoutesView(BanyanView):
    """The routes of one migration."""

    @extend_schema(operation_id="list_routes", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return each route, how its answers are compared, and what is never kept of them."""
        migration = queries.get_migration(slug)
        routes = [route_document(rule) for rule in findings.routes_of(pair=migration.pair)]
        revision = migration.pair.rules_revision
        return Response(
            {"version": migration.version, "rules_revision": revision, "routes": routes},
            headers={"ETag": f'"{migration.version}"'},
        )


class RouteView(VerbView):
    """One route."""

    action = Action.CHANGE_RULES

    @extend_schema(operation_id="get_route", responses=DOCUMENT)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """Return the route with its rules."""
        migration = queries.get_migration(slug)
        return Response(
            {"version": migration.version, **route_document(found_route(migration, number))},
            headers={"ETag": f'"{migration.version}"'},
        )

    @extend_schema(operation_id="change_route_rules", request=RulesSerializer, responses=DOCUMENT)
    def patch(self, request: Request, slug: str, number: int) -> Response:
        """Put other rules in force; the evidence of the pair begins anew when they judge."""
        sent = parsed(RulesSerializer, request)
        return self.decide(
            request,
            slug,
            change_route_rules,
            version=needed_version(request, sent),
            route_id=number,
            changes={name: sent[name] for name in FIELDS if name in sent},
            reason=sent["reason"],
        )


class PreviewView(BanyanView):
    """Try rules out."""

    @extend_schema(
        operation_id="preview_route_rules", request=PreviewSerializer, responses=DOCUMENT
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Return what the kept examples would be under other rules; nothing is changed."""
        self.require(request, Action.CHANGE_RULES)
        sent = parsed(PreviewSerializer, request)
        rule = found_route(queries.get_migration(slug), number)
        columns = {name: sent[name] for name in JUDGING if name in sent}
        try:
            check_columns(columns)
            kept = findings.preview_rules(rule=rule, columns=columns)
        except RuleError as exc:
            raise InvalidError(exc.problem, field=exc.field, code="bad_rule") from exc
        return Response(preview_document(kept))


def preview_document(kept: list[Kept]) -> dict[str, Any]:
    """Return counts by what was and would be, and the examples that would change."""
    counts = Counter((one.judged.was, one.judged.becomes) for one in kept)
    return {
        "examples": len(kept),
        "counts": [
            {"was": was, "becomes": becomes, "examples": count}
            for (was, becomes), count in sorted(counts.items())
        ],
        "changed": [_changed(one) for one in kept if one.judged.changed][:MAX_SHOWN],
    }


def _changed(one: Kept) -> dict[str, Any]:
    judged, row = one.judged, one.row
    return {
        "id": judged.key,
        "at": documents.moment(row.at),
        "method": row.method,
        "path": row.path,
        "was": judged.was,
        "becomes": judged.becomes,
        "differences": [
            {"path": d.path, "kind": d.kind, "text": d.describe()[:500]}
            for d in judged.outcome.differences[:MAX_SHOWN]
        ],
    }


class NoiseView(BanyanView):
    """Where legacy differs from itself."""

    @extend_schema(operation_id="list_noise", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return each place with its share and a proposed rule; nothing is subtracted."""
        migration = queries.get_migration(slug)
        found = findings.noise(pair=migration.pair, since=migration.evidence_since)
        return Response(
            {
                "noise": [
                    {
                        **documents.cause(row.cause.group),
                        "share": row.cause.share,
                        "compared": row.cause.compared,
                        "proposal": row.proposal,
                    }
                    for row in found
                ]
            }
        )


class CoverageView(BanyanView):
    """What was never compared."""

    @extend_schema(operation_id="get_coverage", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return routes and classes of status that are documented or seen, but never compared."""
        migration = queries.get_migration(slug)
        operations, problem = documented_operations(migration.pair)
        since = migration.evidence_since or migration.created_at
        found = coverage.coverage(
            documented=coverage.places_of(operations),
            seen=coverage.seen_at_the_edge(split=migration.split.name, since=since),
            compared=coverage.exercised(pair=migration.pair),
        )
        return Response({**coverage.document(found), "document_problem": problem})
