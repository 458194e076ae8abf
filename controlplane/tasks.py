"""Signs of life: a row that only a running worker, fed by a running beat, keeps young."""

from celery import shared_task
from django.utils import timezone

from controlplane.models import Heartbeat


@shared_task(name="controlplane.tasks.beat_heartbeat")
def beat_heartbeat() -> None:
    """Note that beat sent and a worker did this task just now."""
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": timezone.now()})
