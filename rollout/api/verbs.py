"""REST: the verbs of a migration. Each parses, calls one service, answers with the decision."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from rollout import services
from rollout.api.base import DOCUMENT, VerbView, needed_version, parsed, version_of
from rollout.api.serializers import (
    DecommissionSerializer,
    NeededReasonSerializer,
    PromoteSerializer,
    ReasonSerializer,
    ResetSerializer,
    RollBackSerializer,
)
from rollout.lifecycle import Action


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


class OverrideView(VerbView):
    """Promote past gates, on the terms of an approval."""

    action = Action.OVERRIDE

    @extend_schema(operation_id="override", request=PromoteSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str) -> Response:
        """Move one place to the right past the gates that a second person agreed to."""
        sent = parsed(PromoteSerializer, request)
        return self.decide(
            request,
            slug,
            services.override,
            version=needed_version(request, sent),
            reason=sent["reason"],
            expected_weight=sent.get("to"),
        )


class DecommissionView(VerbView):
    """Declare legacy gone."""

    action = Action.DECOMMISSION

    @extend_schema(operation_id="decommission", request=DecommissionSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str) -> Response:
        """End the migration; there is no way back. `confirm` is "<slug> decommission"."""
        sent = parsed(DecommissionSerializer, request)
        return self.decide(
            request,
            slug,
            services.decommission,
            version=needed_version(request, sent),
            reason=sent["reason"],
            confirm=sent["confirm"],
        )


class AbandonView(VerbView):
    """Give the candidate up."""

    action = Action.ABANDON

    @extend_schema(operation_id="abandon", request=NeededReasonSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str) -> Response:
        """End the migration at 0 %: legacy stays."""
        sent = parsed(NeededReasonSerializer, request)
        version = needed_version(request, sent)
        return self.decide(request, slug, services.abandon, version=version, reason=sent["reason"])


class ResetView(VerbView):
    """Reset a latched verdict."""

    action = Action.RESET

    @extend_schema(operation_id="reset_verdict", request=ResetSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str) -> Response:
        """Let a gate that FAILed be judged anew, on evidence from now on, with half the alpha."""
        sent = parsed(ResetSerializer, request)
        return self.decide(
            request,
            slug,
            services.reset_verdict,
            version=needed_version(request, sent),
            gate=sent["gate"],
            reason=sent["reason"],
        )
