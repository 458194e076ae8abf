"""REST: the checks of a migration, their runs and settings."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from rollout import queries, services
from rollout.api.base import DOCUMENT, BanyanView, page_size, parsed
from rollout.api.check_documents import run_document, state_document
from rollout.api.serializers import CheckSettingsSerializer, StrictSerializer
from rollout.lifecycle import Action
from shadow import readings


class ChecksView(BanyanView):
    """All checks of one migration."""

    @extend_schema(operation_id="list_checks", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return each check with its newest result, an open run's progress, and when it is due."""
        pair, now = queries.get_migration(slug).pair, timezone.now()
        states = readings.check_states(pairs=[pair])[pair.pk]
        return Response({"checks": [state_document(state, now=now) for state in states]})


class CheckView(BanyanView):
    """One check."""

    @extend_schema(operation_id="get_check", responses=DOCUMENT)
    def get(self, request: Request, slug: str, item: str) -> Response:
        """Return the check, its newest findings, and its runs, newest first."""
        migration, now = queries.get_migration(slug), timezone.now()
        state = services.check_of(migration, item)
        limit = page_size(request.query_params.get("limit"), default=20, high=100)
        runs = readings.check_history(pair=migration.pair, item=item, limit=limit)
        return Response(
            {
                **state_document(state, now=now, whole=True),
                "history": [run_document(run) for run in runs],
            }
        )


class RunCheckView(BanyanView):
    """Ask for a run."""

    @extend_schema(operation_id="run_check", request=StrictSerializer, responses={202: DOCUMENT})
    def post(self, request: Request, slug: str, item: str) -> Response:
        """Queue a run at once; the open one is returned if there is one."""
        parsed(StrictSerializer, request)
        run = self.attempt(
            request, slug, Action.RUN_CHECK, services.run_check, slug=slug, item=item
        )
        return Response(run_document(run), status=202)


class StopCheckView(BanyanView):
    """Stop a run."""

    @extend_schema(operation_id="stop_check", request=StrictSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str, item: str) -> Response:
        """Stop what is queued or running; it leaves no result."""
        parsed(StrictSerializer, request)
        run = self.attempt(
            request, slug, Action.RUN_CHECK, services.stop_check, slug=slug, item=item
        )
        stopped: dict[str, Any] = {"changed": run is not None}
        return Response({**stopped, **(run_document(run) if run else {})})


class CheckSettingsView(BanyanView):
    """How one check measures."""

    @extend_schema(operation_id="change_check", request=CheckSettingsSerializer, responses=DOCUMENT)
    def put(self, request: Request, slug: str, item: str) -> Response:
        """Replace the settings; the newest result expires and a run is queued."""
        sent = parsed(CheckSettingsSerializer, request)
        state = self.attempt(
            request,
            slug,
            Action.CHANGE_CHECK,
            services.change_check,
            slug=slug,
            item=item,
            settings=sent["settings"],
            reason=sent.get("reason", ""),
        )
        return Response(state_document(state, now=timezone.now()))
