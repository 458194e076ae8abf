"""What every REST view shares: who acts, what was sent, and one record of each refusal."""

import re
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import structlog
from django.db import OperationalError
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.chain import Actor, ActorKind
from rollout import services
from rollout.api import documents
from rollout.exceptions import ConflictError, ForbiddenError, InvalidError, RefusalError
from rollout.lifecycle import Action
from rollout.models import Decision
from rollout.permissions import Role, check, role_of

log = structlog.get_logger(__name__)
DOCUMENT = OpenApiTypes.OBJECT
ETAG = re.compile(r'"?(?P<version>[0-9]{1,10})"?')
# Fits a 64-bit column.
DIGITS = re.compile("[0-9]{1,18}")
T = TypeVar("T")


def parsed(serializer: type[Any], request: Request) -> dict[str, Any]:
    """Return the checked body."""
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


class BanyanView(APIView):
    """An authenticated REST view."""

    def role(self, request: Request) -> Role | None:
        """Return the caller's role, capped by the token's."""
        return role_of(request.user, token_role=getattr(request.auth, "role", "") or "")

    def actor(self, request: Request) -> Actor:
        """Return the caller as the ledger names it."""
        kind: ActorKind = "token" if request.auth is not None else "user"
        role = self.role(request)
        return Actor(kind=kind, name=request.user.get_username(), role=role.value if role else "")

    def request_id(self, request: Request) -> str:
        """Return the id of this request."""
        return str(getattr(request, "request_id", ""))

    def require(self, request: Request, action: Action) -> None:
        """Raise ForbiddenError unless the caller's role allows the action."""
        check(self.actor(request), action)

    def attempt(
        self, request: Request, slug: str, action: Action, call: Callable[..., T], /, **values: Any
    ) -> T:
        """Check the role and call the service; a refusal by rule is recorded and raised."""
        who, now, request_id = self.actor(request), timezone.now(), self.request_id(request)
        try:
            self.require(request, action)
            return call(actor=who, now=now, request_id=request_id, **values)
        except (ForbiddenError, ConflictError) as exc:
            self._record(exc, slug=slug, action=action, actor=who, now=now, request_id=request_id)
            raise

    def _record(self, refusal: RefusalError, **attempt: Any) -> None:
        """Keep a refusal in the ledger; while the database is busy it is only in the log."""
        try:
            services.record_denied(code=refusal.code, **attempt)
        except OperationalError:
            log.warning("refusal not recorded", code=refusal.code, slug=attempt["slug"])


class VerbView(BanyanView):
    """POST of one verb on one migration; refusals are kept in the ledger."""

    action: Action

    def decide(
        self, request: Request, slug: str, call: Callable[..., Decision | None], **values: Any
    ) -> Response:
        """Make the decision and answer with it."""
        made = self.attempt(request, slug, self.action, call, slug=slug, **values)
        if made is None:
            return Response({"action": self.action.value, "changed": False})
        committed = documents.moment(timezone.now())
        return Response({**documents.decision(made), "changed": True, "committed_at": committed})


def version_of(request: Request, sent: dict[str, Any]) -> int | None:
    """Return the version that the caller read, from the body or from If-Match."""
    given: int | None = sent.get("version")
    header = request.headers.get("If-Match", "").strip()
    if not header:
        return given
    found = ETAG.fullmatch(header)
    if found is None:
        raise InvalidError('If-Match holds the migration\'s version, like "3".', field="If-Match")
    version = int(found["version"])
    if given not in (None, version):
        raise InvalidError("`version` and If-Match name different versions.", field="version")
    return version


def needed_version(request: Request, sent: dict[str, Any]) -> int:
    """Return the version, which this verb cannot do without."""
    version = version_of(request, sent)
    if version is None:
        raise InvalidError(
            "Send the version that you read, as `version` or If-Match.",
            field="version",
            code="version_required",
        )
    return version


def page_size(text: str | None, *, default: int = 50, high: int = 200) -> int:
    """Return a page size within bounds or refuse."""
    if text is None:
        return default
    if not DIGITS.fullmatch(text) or not 1 <= int(text) <= high:
        raise InvalidError(f"limit is a whole number from 1 to {high}.", field="limit")
    return int(text)


def keyset(text: str | None) -> int | None:
    """Return the number to continue below, or refuse."""
    if text is None:
        return None
    if not DIGITS.fullmatch(text):
        raise InvalidError("before is the number of an entry.", field="before")
    return int(text)


def filters(request: Request, known: Collection[str]) -> dict[str, str]:
    """Return the query's filters; one that is not known is refused, never ignored."""
    for name in request.query_params:
        if name not in known:
            raise InvalidError(
                f"There is no filter {name[:60]!r}. Known: {', '.join(known)}.",
                field=name[:60],
                code="unknown_filter",
            )
    asked = {name: str(value)[:200] for name, value in request.query_params.items()}
    for name, value in asked.items():
        if "\x00" in value:  # PostgreSQL has no text with it
            raise InvalidError("There is no such character.", field=name, code="bad_characters")
    return asked
