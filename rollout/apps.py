"""App registration."""

from django.apps import AppConfig


class RolloutConfig(AppConfig):
    """The rollout app."""

    name = "rollout"
