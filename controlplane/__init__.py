"""The Django project around Banyan; importing it makes the Celery application known to workers."""

from controlplane.celery import app as celery_app

__all__ = ["celery_app"]
