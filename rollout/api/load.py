"""REST: the load test of a migration."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from rollout import queries, services
from rollout.api.base import DOCUMENT, BanyanView, parsed
from rollout.api.documents import moment
from rollout.api.serializers import PlainTextField, StrictSerializer
from rollout.lifecycle import Action
from traffic.load import runs
from traffic.load.plan import LoadPlan
from traffic.load.progress import Progress, remaining_s
from traffic.models import LoadRun


class StrictNumberField(serializers.FloatField):
    """A JSON number: not "12", not true, not NaN."""

    def to_internal_value(self, data: Any) -> float:
        """Return the number or refuse."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return float(super().to_internal_value(data))


class StartLoadSerializer(StrictSerializer):
    """How to load, and the peak where production has not shown it."""

    mode = serializers.ChoiceField(choices=LoadRun.Mode.choices, required=False)
    peak_rps = StrictNumberField(min_value=0.001, max_value=1e6, required=False)
    reason = PlainTextField(
        max_length=services.MAX_REASON, required=False, allow_blank=True, style={"multiline": True}
    )


class StopLoadSerializer(StrictSerializer):
    """Why it is stopped."""

    reason = PlainTextField(
        max_length=services.MAX_REASON, required=False, allow_blank=True, style={"multiline": True}
    )


class LoadView(BanyanView):
    """The load test."""

    @extend_schema(operation_id="get_load", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return the running test with its rules, and the ones before it, newest first."""
        found = runs.latest(queries.get_migration(slug).split)
        running = next((run for run in found if run.state == LoadRun.State.RUNNING), None)
        return Response(
            {
                "running": running_document(running) if running else None,
                "history": [run_document(run) for run in found if run is not running],
            }
        )

    @extend_schema(
        operation_id="start_load", request=StartLoadSerializer, responses={202: DOCUMENT}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Begin a test; 409 while one runs, or where it is not possible."""
        sent = parsed(StartLoadSerializer, request)
        run = self.attempt(
            request,
            slug,
            Action.RUN_CHECK,
            services.start_load,
            slug=slug,
            mode=sent.get("mode", LoadRun.Mode.MIRROR.value),
            declared_rps=sent.get("peak_rps"),
            reason=sent.get("reason", ""),
        )
        return Response(running_document(run), status=202)


class StopLoadView(BanyanView):
    """Stop the load test."""

    @extend_schema(operation_id="stop_load", request=StopLoadSerializer, responses=DOCUMENT)
    def post(self, request: Request, slug: str) -> Response:
        """End the copies at once; a stopped test has no verdict."""
        sent = parsed(StopLoadSerializer, request)
        run = self.attempt(
            request,
            slug,
            Action.RUN_CHECK,
            services.stop_load,
            slug=slug,
            reason=sent.get("reason", ""),
        )
        return Response({"changed": run is not None, **(run_document(run) if run else {})})


def run_document(run: LoadRun) -> dict[str, Any]:
    """Return one run as REST shows it."""
    plan = LoadPlan.from_dict(run.plan)
    return {
        "run": run.pk,
        "mode": run.mode,
        "state": run.state,
        "builds": run.builds,
        "requested_by": run.requested_by,
        "started_at": moment(run.started_at),
        "finished_at": moment(run.finished_at),
        "expires_at": moment(run.expires_at),
        "peak_rps": round(plan.peak_rps, 3),
        "peak_declared": plan.declared,
        "target_rps": round(plan.target_rps(plan.last), 3),
        "verdict": run.verdict or None,
        "sentence": run.sentence,
        "rule": run.result.get("rule") or None,
        "stages": run.result.get("stages", []),
        "evidence": run.result.get("evidence", {}),
    }


def running_document(run: LoadRun) -> dict[str, Any]:
    """Return a running test: where it is, what it copies, and how near each stop rule is."""
    plan, progress = LoadPlan.from_dict(run.plan), Progress.from_dict(run.progress)
    now = timezone.now().timestamp()
    left = remaining_s(plan, progress, now=now)
    now_rps = runs.present(run, progress)
    factor = plan.rules.factors[progress.stage] if progress.stage >= 0 else 0.0
    return {
        **run_document(run),
        "doing": progress.words(plan),
        "stage": progress.stage,
        "factor": factor,
        "copies": progress.copies_tth / 10_000,
        "send_rps": round(progress.send_rps, 3),
        "remaining_s": round(left, 1),
        "progress": round(max(0.0, 1 - left / plan.expected_s), 4),
        "stop_rules": list(progress.rules),
        "stopping": progress.stopping or None,
        "stages": progress.to_dict()["stages"],
        "present": now_rps,
    }
