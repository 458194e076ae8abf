"""What Celery does for the data plane's evidence: settle hours that are over."""

from celery import shared_task
from django.utils import timezone

from traffic import hours


@shared_task(name="traffic.tasks.settle_hours")
def settle_hours() -> int:
    """Add up finished hours; repeatable."""
    return hours.settle(now=timezone.now())
