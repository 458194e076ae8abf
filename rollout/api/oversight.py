"""REST: waivers, policies and reviews of a migration."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from rollout import oversight, queries, services
from rollout.api import documents
from rollout.api.base import (
    DOCUMENT,
    BanyanView,
    VerbView,
    filters,
    needed_version,
    parsed,
)
from rollout.api.serializers import (
    PolicySerializer,
    ReasonSerializer,
    ReviewSerializer,
    WaiveSerializer,
)
from rollout.exceptions import InvalidError
from rollout.lifecycle import Action


class WaiversView(VerbView):
    """Waivers of one migration's checklist."""

    action = Action.WAIVE

    @extend_schema(operation_id="list_waivers", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return waivers, newest first, ended ones too."""
        rows = oversight.waivers_of(queries.get_migration(slug))
        return Response({"waivers": [documents.waiver(row) for row in rows]})

    @extend_schema(operation_id="waive", request=WaiveSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str) -> Response:
        """Do without one item, for at most seven days."""
        sent = parsed(WaiveSerializer, request)
        return self.decide(
            request,
            slug,
            services.waive,
            version=needed_version(request, sent),
            item=sent["item"],
            reason=sent["reason"],
            lifetime_s=sent["expires_in_s"],
        )


class EndWaiverView(VerbView):
    """End a waiver."""

    action = Action.END_WAIVER

    @extend_schema(operation_id="end_waiver", request=ReasonSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str, item: str) -> Response:
        """Ask for the item again."""
        sent = parsed(ReasonSerializer, request)
        return self.decide(
            request,
            slug,
            services.end_waiver,
            version=needed_version(request, sent),
            item=item,
            reason=sent.get("reason", ""),
        )


class PolicyView(VerbView):
    """The policy in force."""

    action = Action.CHANGE_POLICY

    @extend_schema(operation_id="get_policy", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return every limit of the migration."""
        migration = queries.get_migration(slug)
        return Response(
            {"version": migration.version, "policy": migration.policy},
            headers={"ETag": f'"{migration.version}"'},
        )

    @extend_schema(operation_id="change_policy", request=PolicySerializer, responses=DOCUMENT)
    def put(self, request: Request, slug: str) -> Response:
        """Put another policy in force; what loosens a limit needs a lead."""
        sent = parsed(PolicySerializer, request)
        return self.decide(
            request,
            slug,
            services.change_policy,
            version=needed_version(request, sent),
            document=sent["policy"],
            reason=sent["reason"],
        )


class ReviewsView(BanyanView):
    """Reviews of all migrations."""

    @extend_schema(
        operation_id="list_reviews",
        responses=DOCUMENT,
        parameters=[
            OpenApiParameter("state", OpenApiTypes.STR, enum=["open", "closed"]),
            OpenApiParameter("migration", OpenApiTypes.STR),
        ],
    )
    def get(self, request: Request) -> Response:
        """Return the newest 200."""
        asked = filters(request, ("state", "migration"))
        rows = oversight.reviews()
        if "migration" in asked:
            rows = rows.filter(migration__slug=asked["migration"])
        if "state" in asked:
            if asked["state"] not in ("open", "closed"):
                raise InvalidError("state is open or closed.", field="state")
            rows = rows.filter(closed_at__isnull=asked["state"] == "open")
        return Response({"reviews": [documents.review(row) for row in rows[:200]]})


class CloseReviewView(BanyanView):
    """Close a review."""

    @extend_schema(operation_id="close_review", request=ReviewSerializer, responses=DOCUMENT)
    def post(self, request: Request, review: int) -> Response:
        """Say what was found; not by the person who acted."""
        sent = parsed(ReviewSerializer, request)
        made = self.attempt(
            request,
            oversight.get_review(review).migration.slug,
            Action.CLOSE_REVIEW,
            services.close_review,
            review_id=review,
            text=sent["text"],
        )
        return Response(documents.review(made))
