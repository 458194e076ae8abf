"""Banyan's own health: alive, ready, and how old the background processes' last work is."""

from datetime import datetime
from typing import Any

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit import queries as ledger
from controlplane.models import Heartbeat
from shadow.models import StreamCursor

WORKER_SILENT_SECONDS = 30


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer while the process lives; asks nothing of anybody."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Ready means the database answers.

    A silent worker and a ledger without its anchor are said: they close gates, not pages.
    """
    now = timezone.now()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        worker = worker_state(now=now)
        # One tick sent by beat and run by a worker proves both.
        body = {
            "status": "ready",
            "database": "ok",
            "worker": worker,
            "beat": worker,
            "ledger": ledger.glance(now=now).to_dict(now),
        }
    except DatabaseError as exc:
        body = {"status": "not ready", "database": str(exc)[:200]}
        return JsonResponse(body, status=503)
    return JsonResponse(body)


def worker_state(*, now: datetime) -> dict[str, Any]:
    """Return the age in seconds of the last work of worker and beat together, None if never."""
    beat = Heartbeat.objects.filter(name="worker").first()
    age = (now - beat.at).total_seconds() if beat else None
    cursor = StreamCursor.objects.order_by("-read_at").first()
    read = cursor.read_at if cursor else None
    return {
        "age_s": None if age is None else round(age, 1),
        "silent": age is None or age > WORKER_SILENT_SECONDS,
        "pairs_read_age_s": round((now - read).total_seconds(), 1) if read else None,
    }
