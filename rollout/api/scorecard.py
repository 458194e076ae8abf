"""REST: the scorecard of a migration, and figures that somebody else measured."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.chain import Actor
from rollout import permissions, queries
from rollout.api.base import DOCUMENT, BanyanView, parsed
from rollout.api.documents import moment
from rollout.api.load import StrictNumberField
from rollout.api.serializers import PlainTextField, StrictSerializer
from rollout.lifecycle import Action
from shadow.models import Measurement
from shadow.scorecard import METRICS, SIDES, Measured, Row
from shadow.services.measuring import record_measurement

FUTURE_S = 60


class MeasurementSerializer(StrictSerializer):
    """One figure, in its metric's own unit: which side, how it was measured, when, which build."""

    side = serializers.ChoiceField(choices=SIDES)
    metric = serializers.ChoiceField(choices=[(m.key, f"{m.title}, {m.unit}") for m in METRICS])
    value = StrictNumberField(min_value=0, max_value=1e12)
    how = PlainTextField(max_length=300)
    build = PlainTextField(max_length=100, required=False, allow_blank=True)
    at = serializers.DateTimeField(required=False)

    def validate_at(self, value: datetime) -> datetime:
        """A measurement is not of the future."""
        if (value - timezone.now()).total_seconds() > FUTURE_S:
            raise serializers.ValidationError("This moment has not come yet.")
        return value


class MeasurementsView(BanyanView):
    """Figures for the scorecard."""

    @extend_schema(
        operation_id="post_measurement", request=MeasurementSerializer, responses={201: DOCUMENT}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Store one figure; the newest of each side and metric is shown."""
        sent = parsed(MeasurementSerializer, request)

        def keep(*, actor: Actor, now: datetime, **_: Any) -> Measurement:
            permissions.check(actor, Action.RUN_CHECK)
            return record_measurement(
                pair=queries.get_migration(slug).pair,
                side=sent["side"],
                metric=sent["metric"],
                value=sent["value"],
                how=sent["how"],
                by=actor.name,
                at=sent.get("at", now),
                build=sent.get("build", ""),
            )

        row = self.attempt(request, slug, Action.RUN_CHECK, keep)
        return Response({"side": row.side, "metric": row.metric, **side_document(row)}, status=201)


class ScorecardView(BanyanView):
    """The guide's table."""

    @extend_schema(operation_id="get_scorecard", responses=DOCUMENT)
    def get(self, request: Request, slug: str) -> Response:
        """Return each row with both sides and the factor; what was not measured is null."""
        found = queries.scorecard_rows(queries.get_migration(slug))
        return Response({"rows": [row_document(row) for row in found]})


def row_document(row: Row) -> dict[str, Any]:
    """Return one row; `factor` above 1 is better."""
    factor = row.factor
    return {
        "metric": row.metric.key,
        "title": row.metric.title,
        "unit": row.metric.unit,
        "better": row.metric.better,
        "legacy": side_document(row.legacy) if row.legacy else None,
        "candidate": side_document(row.candidate) if row.candidate else None,
        "factor": None if factor is None else round(factor, 3),
    }


def side_document(measured: Measured) -> dict[str, Any]:
    """Return one side's figure with how, when, by whom and on which build."""
    return {
        "value": measured.value,
        "how": measured.how,
        "at": moment(measured.at),
        "by": measured.by,
        "build": measured.build,
    }
