"""App registration."""

from django.apps import AppConfig


class ControlplaneConfig(AppConfig):
    """The controlplane app."""

    name = "controlplane"
