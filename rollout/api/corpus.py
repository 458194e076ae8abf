"""REST: the corpus of a migration, and the replay of it."""

from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from rollout import queries, services
from rollout.api.base import DOCUMENT, BanyanView, filters, keyset, page_size, parsed
from rollout.api.documents import moment
from rollout.api.logs import NdjsonParser
from rollout.api.serializers import CheckSettingsSerializer
from rollout.exceptions import InvalidError
from rollout.lifecycle import Action
from shadow import readings
from shadow.corpus import as_line
from shadow.models import CorpusRequest
from shadow.services import REPLAY

SOURCES = tuple(CorpusRequest.Source.values)
NDJSON = "application/x-ndjson"


class CorpusView(BanyanView):
    """The requests that are replayed."""

    parser_classes = (NdjsonParser,)

    @extend_schema(
        operation_id="list_corpus",
        responses=DOCUMENT,
        parameters=[
            OpenApiParameter(name, OpenApiTypes.STR)
            for name in ("source", "route", "limit", "before")
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Return requests, newest first; `before` goes on below a request's number."""
        asked = filters(request, ("source", "route", "limit", "before"))
        rows = readings.corpus(
            pair=queries.get_migration(slug).pair,
            source=_source(asked),
            route=asked.get("route", ""),
        )
        before = keyset(asked.get("before"))
        rows = rows.filter(pk__lt=before) if before is not None else rows
        found = rows[: page_size(asked.get("limit"))]
        return Response({"requests": [_document(row) for row in found]})

    @extend_schema(
        operation_id="import_corpus",
        request={NDJSON: OpenApiTypes.STR},
        responses={201: DOCUMENT},
        parameters=[OpenApiParameter("keep_good", OpenApiTypes.STR, enum=["true", "false"])],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Add requests, one JSON object a line; secrets are left out and counted."""
        asked = filters(request, ("keep_good",))
        keep_good = asked.get("keep_good", "false")
        if keep_good not in ("true", "false"):
            raise InvalidError("keep_good is true or false.", field="keep_good")
        made = self.attempt(
            request,
            slug,
            Action.CHANGE_CHECK,
            services.import_corpus,
            slug=slug,
            lines=_raw(request.data),
            keep_good=keep_good == "true",
        )
        return Response(made, status=201)

    @extend_schema(
        operation_id="empty_corpus",
        request=None,
        responses=DOCUMENT,
        parameters=[OpenApiParameter("source", OpenApiTypes.STR, enum=list(SOURCES))],
    )
    def delete(self, request: Request, slug: str) -> Response:
        """Delete the requests of one source, or all."""
        asked = filters(request, ("source",))
        gone = self.attempt(
            request,
            slug,
            Action.CHANGE_CHECK,
            services.delete_corpus,
            slug=slug,
            source=_source(asked),
        )
        return Response({"deleted": gone})


class CorpusRequestView(BanyanView):
    """One request of the corpus."""

    @extend_schema(operation_id="get_corpus_request", responses=DOCUMENT)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """Return the request as it is sent."""
        rows = readings.corpus(pair=queries.get_migration(slug).pair).filter(pk=number)
        if not (found := rows.first()):
            raise services.no_request(number)
        return Response({**_document(found), "line": _line(found)})

    @extend_schema(operation_id="delete_corpus_request", request=None, responses=DOCUMENT)
    def delete(self, request: Request, slug: str, number: int) -> Response:
        """Delete the request."""
        gone = self.attempt(
            request,
            slug,
            Action.CHANGE_CHECK,
            services.delete_corpus,
            slug=slug,
            request=number,
        )
        return Response({"deleted": gone})


class CorpusExportView(BanyanView):
    """The corpus as it can be imported again."""

    @extend_schema(operation_id="export_corpus", responses={(200, NDJSON): str})
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        """Return every request, one JSON object a line."""
        rows = readings.corpus(pair=queries.get_migration(slug).pair)

        def lines() -> Iterator[str]:
            yield from (f"{_line(row)}\n" for row in rows.iterator(chunk_size=200))

        return StreamingHttpResponse(lines(), content_type=NDJSON)


class ReplayView(BanyanView):
    """Replay: the corpus by route, and how its answers compared."""

    @extend_schema(operation_id="get_replay", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return counts by route, apart from those of live pairs, and the settings."""
        pair = queries.get_migration(slug).pair
        found = readings.replayed(pair=pair)
        return Response(
            {
                "settings": pair.checks.get(REPLAY, {}),
                "routes": [
                    {
                        "route": row.route,
                        "safe": row.safe,
                        "requests": dict(row.requests),
                        "compared": row.compared,
                        "mismatched": row.mismatched,
                        "excluded": row.excluded,
                        "last_sent_at": moment(row.last_sent_at),
                    }
                    for row in found
                ],
            }
        )

    @extend_schema(
        operation_id="change_replay", request=CheckSettingsSerializer, responses=DOCUMENT
    )
    def put(self, request: Request, slug: str) -> Response:
        """Replace the settings: enabled, per_second, generate, document."""
        sent = parsed(CheckSettingsSerializer, request)
        self.attempt(
            request,
            slug,
            Action.CHANGE_CHECK,
            services.change_replay,
            slug=slug,
            settings=sent["settings"],
        )
        return self.get(request, slug)


def _raw(data: Any) -> bytes:
    """Return the lines as they were sent; an empty body does not reach the parser."""
    return data if isinstance(data, bytes) else b""


def _source(asked: dict[str, str]) -> str:
    source = asked.get("source", "")
    if source and source not in SOURCES:
        raise InvalidError(f"source is one of {', '.join(SOURCES)}.", field="source")
    return source


def _document(row: CorpusRequest) -> dict[str, Any]:
    return {
        "id": row.pk,
        "source": row.source,
        "route": row.route,
        "method": row.method,
        "path": row.path,
        "headers": row.headers,
        "body_bytes": len(row.body),
        "sha256": row.sha256,
        "added_at": moment(row.added_at),
        "expires_at": moment(row.expires_at),
        "sent_at": moment(row.sent_at),
    }


def _line(row: CorpusRequest) -> str:
    return as_line(
        source=row.source,
        route=row.route,
        method=row.method,
        path=row.path,
        headers=row.headers,
        body=bytes(row.body),
    )
