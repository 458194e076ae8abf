"""App registration."""

from django.apps import AppConfig


class ShadowConfig(AppConfig):
    """The shadow app."""

    name = "shadow"
