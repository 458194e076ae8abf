"""The Celery application: `celery -A controlplane worker|beat`."""

import os
from typing import Any

import structlog
from celery import Celery
from celery.signals import task_prerun, worker_ready

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


@task_prerun.connect
def name_task(task_id: str = "", task: Any = None, **_: Any) -> None:
    """Let every line that a task logs say which one it was."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=getattr(task, "name", ""), task_id=task_id)
