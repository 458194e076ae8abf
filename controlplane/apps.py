"""App registration."""

from django.apps import AppConfig


class ControlplaneConfig(AppConfig):
    """The controlplane app."""

    name = "controlplane"

    def ready(self) -> None:
        """Make the Celery application the default one, so that `shared_task` finds it.

        Here and not in the package: what imports only a piece of it need not load Celery.
        """
        from controlplane import celery

        celery.app.set_default()
