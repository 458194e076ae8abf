"""Tokens for pipelines, and the signs of life of the background processes."""

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """A bearer token: only its hash is kept, it carries a role and it ends."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=60)
    role = models.CharField(max_length=20)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class Heartbeat(models.Model):
    """When a background process last did its work."""

    name = models.SlugField(unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
