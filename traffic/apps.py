"""App registration."""

from django.apps import AppConfig


class TrafficConfig(AppConfig):
    """The traffic app."""

    name = "traffic"
