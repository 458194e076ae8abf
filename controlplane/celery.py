"""The Celery application: `celery -A controlplane worker|beat`."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

app = Celery("banyan")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.Task.Request = "controlplane.measures:MeasuredRequest"


@worker_ready.connect
def serve_metrics(**_: Any) -> None:
    """Serve the worker's own metrics when it has a port for them."""
    from django.conf import settings

    from controlplane.measures import serve_worker

    if settings.BANYAN_WORKER_METRICS_PORT:
        serve_worker(settings.BANYAN_WORKER_METRICS_PORT)
