"""Keeps figures for the scorecard: measured here, or posted by whoever measured them."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shadow.models import Measurement, ServicePair
from shadow.scorecard import BY_KEY, SIDES


def record_measurement(  # noqa: PLR0913  # one figure is these facts
    *,
    pair: ServicePair,
    side: str,
    metric: str,
    value: float,
    how: str,
    by: str,
    at: datetime,
    build: str = "",
    details: Mapping[str, Any] | None = None,
) -> Measurement:
    """Store one figure in its metric's own unit; ValueError for what is none."""
    if side not in SIDES or metric not in BY_KEY:
        raise ValueError(f"there is no {metric} of {side}")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{metric}: expected a number from 0 up")
    known = pair.legacy_build if side == "legacy" else pair.candidate_build
    return Measurement.objects.create(
        pair=pair,
        side=side,
        metric=metric,
        value=value,
        unit=BY_KEY[metric].unit,
        how=how,
        by=by,
        build=build or known,
        at=at,
        details=dict(details or {}),
    )
