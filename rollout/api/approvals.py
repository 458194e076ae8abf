"""REST: approvals. One person asks, another answers; the move itself is made by its own verb."""

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from rollout import oversight, queries, services
from rollout.api import documents
from rollout.api.base import DOCUMENT, BanyanView, filters, needed_version, parsed
from rollout.api.serializers import AnswerSerializer, ApprovalRequestSerializer
from rollout.exceptions import InvalidError
from rollout.lifecycle import Action
from rollout.services import OverrideTerms

TERMS = ("gates", "incident", "expires_in_s")


class ApprovalsView(BanyanView):
    """Approvals of all migrations."""

    @extend_schema(
        operation_id="list_approvals",
        responses=DOCUMENT,
        parameters=[OpenApiParameter("waiting", OpenApiTypes.STR, enum=["me"])],
    )
    def get(self, request: Request) -> Response:
        """Return the newest 100, or with `waiting=me` those that wait for the caller."""
        asked = filters(request, ("waiting",))
        if asked.get("waiting", "me") != "me":
            raise InvalidError("waiting is “me”.", field="waiting")
        rows = list(oversight.approvals()[:100])
        if asked:
            name = request.user.get_username()
            rows = oversight.approvals_waiting(name=name, now=timezone.now())
        return Response({"approvals": [documents.approval(row) for row in rows]})


class MigrationApprovalsView(BanyanView):
    """Approvals of one migration; ask for one."""

    @extend_schema(operation_id="list_migration_approvals", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return a migration's approvals, newest first."""
        rows = oversight.approvals_of(queries.get_migration(slug))
        return Response({"approvals": [documents.approval(row) for row in rows]})

    @extend_schema(
        operation_id="request_approval",
        request=ApprovalRequestSerializer,
        responses={201: DOCUMENT},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Ask a second person for a move that is legal from here."""
        sent = parsed(ApprovalRequestSerializer, request)
        made = self.attempt(
            request,
            slug,
            Action.REQUEST_APPROVAL,
            services.request_approval,
            slug=slug,
            action=Action(sent["action"]),
            version=needed_version(request, sent),
            reason=sent["reason"],
            terms=_terms(sent),
        )
        return Response(documents.approval(made), status=201)


def _terms(sent: dict[str, object]) -> OverrideTerms | None:
    given = {name: sent[name] for name in TERMS if name in sent}
    if not given and sent["action"] != "override":
        return None
    lacking = [name for name in TERMS if name not in given]
    if lacking:
        raise InvalidError("An override names it.", field=lacking[0], code="required")
    return OverrideTerms(
        gates=tuple(dict.fromkeys(given["gates"])),  # type: ignore[call-overload]  # a list of slugs
        incident=str(given["incident"]),
        lifetime_s=int(str(given["expires_in_s"])),
    )


class ApprovalView(BanyanView):
    """One approval."""

    @extend_schema(operation_id="get_approval", responses=DOCUMENT)
    def get(self, request: Request, approval: int) -> Response:
        """Return what was asked, by whom, and the answer."""
        return Response(documents.approval(oversight.get_approval(approval)))


class GrantView(BanyanView):
    """Grant."""

    @extend_schema(operation_id="grant_approval", request=AnswerSerializer, responses=DOCUMENT)
    def post(self, request: Request, approval: int) -> Response:
        """Agree; moves nothing."""
        sent = parsed(AnswerSerializer, request)
        made = self.attempt(
            request,
            oversight.get_approval(approval).migration.slug,
            Action.GRANT_APPROVAL,
            services.grant_approval,
            approval_id=approval,
            answer=sent.get("reason", ""),
        )
        return Response(documents.approval(made))


class DeclineView(BanyanView):
    """Decline."""

    @extend_schema(operation_id="decline_approval", request=AnswerSerializer, responses=DOCUMENT)
    def post(self, request: Request, approval: int) -> Response:
        """Say no, and why."""
        sent = parsed(AnswerSerializer, request)
        made = self.attempt(
            request,
            oversight.get_approval(approval).migration.slug,
            Action.DECLINE_APPROVAL,
            services.decline_approval,
            approval_id=approval,
            answer=sent.get("reason", ""),
        )
        return Response(documents.approval(made))


class WithdrawView(BanyanView):
    """Withdraw."""

    @extend_schema(operation_id="withdraw_approval", request=AnswerSerializer, responses=DOCUMENT)
    def post(self, request: Request, approval: int) -> Response:
        """Take a request, or one's own grant, back."""
        sent = parsed(AnswerSerializer, request)
        made = self.attempt(
            request,
            oversight.get_approval(approval).migration.slug,
            Action.WITHDRAW_APPROVAL,
            services.withdraw_approval,
            approval_id=approval,
            reason=sent.get("reason", ""),
        )
        return Response(documents.approval(made))
