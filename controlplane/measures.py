"""What this process measures of itself: durations of HTTP requests and of Celery tasks.

Labels are bounded: a route is a pattern of `urls.py`, a method one of HTTP's, a task one of ours.
"""

import time
from collections.abc import Callable
from typing import Any

import structlog
from celery.worker.request import Request as CeleryRequest
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

log = structlog.get_logger(__name__)
OWN = CollectorRegistry()
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

HTTP_SECONDS = Histogram(
    "banyan_http_request_seconds",
    "time to answer a request",
    ["method", "route", "status"],
    buckets=BUCKETS,
    registry=OWN,
)
TASK_SECONDS = Histogram(
    "banyan_task_seconds",
    "time of an ended Celery task",
    ["task"],
    buckets=BUCKETS,
    registry=OWN,
)
TASK_FAILURES = Counter(
    "banyan_task_failures", "Celery tasks that ended with an error", ["task"], registry=OWN
)


def observe_request(method: str, route: str | None, status: int, seconds: float) -> None:
    """Count one answered request; what matched no route is "none"."""
    method = method if method in METHODS else "other"
    HTTP_SECONDS.labels(method, route or "none", f"{status // 100}xx").observe(seconds)


class MeasuredRequest(CeleryRequest):
    """Counts tasks in the worker's main process, where their ends are told."""

    def acknowledge(self) -> Any:
        """Note how long the task took: ours are acknowledged when they end, late.

        Celery makes `on_success` anew for each task, so that one cannot be built upon.
        """
        if self.time_start and not self.acknowledged:
            TASK_SECONDS.labels(self.name).observe(max(0.0, time.time() - self.time_start))
        return super().acknowledge()

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Count the task that failed, whoever tells it."""
        TASK_FAILURES.labels(self.name).inc()
        return super().on_failure(exc_info, *args, **kwargs)


def serve_worker(port: int) -> Callable[[], None]:
    """Serve what this worker measured on 127.0.0.1 and return what ends it.

    A port that is taken is told, not fatal: nothing of the worker's work depends on it.
    """
    try:
        server, thread = start_http_server(port, "127.0.0.1", registry=OWN)
    except OSError as exc:
        log.warning("worker_metrics_not_served", port=port, reason=str(exc))
        return lambda: None

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=2)

    return stop
