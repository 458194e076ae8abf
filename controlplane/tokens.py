"""Who is calling: bearer tokens for pipelines, sessions for browsers."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from controlplane.models import ApiToken

REFUSED = "The token is missing, unknown, expired or revoked."


def hash_token(token: str) -> str:
    """Return what is stored of a token; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue_token(
    *,
    user: AbstractBaseUser,
    name: str,
    role: str,
    now: datetime,
    lifetime: timedelta | None = timedelta(days=90),
    token: str = "",
) -> str:
    """Create a token and return its plain text, which is never stored."""
    token = token or f"banyan_{secrets.token_urlsafe(32)}"
    ApiToken.objects.update_or_create(
        token_hash=hash_token(token),
        defaults={
            "user_id": user.pk,
            "name": name,
            "role": role,
            "created_at": now,
            "expires_at": now + lifetime if lifetime else None,
            "revoked_at": None,
        },
    )
    return token


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer <token>`; request.auth is the ApiToken."""

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        """Return the token's user, None without a bearer header; one refusal for every fault."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        now = timezone.now()
        found = (
            ApiToken.objects.select_related("user")
            .filter(token_hash=hash_token(token), revoked_at=None, user__is_active=True)
            .filter(Q(expires_at=None) | Q(expires_at__gt=now))
            .first()
        )
        if found is None:
            raise AuthenticationFailed(REFUSED, code="unauthenticated")
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        """Make a missing sign-in a 401."""
        return "Bearer"


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session, with CSRF check."""

    def authenticate_header(self, request: Request) -> str:
        """Make a missing sign-in a 401."""
        return "Bearer"


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes the tokens."""

    target_class = "controlplane.tokens.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes the session."""

    target_class = "controlplane.tokens.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme."""
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
