"""Who reads a page, in which zone, and what becomes of a reader who is not signed in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import wraps
from typing import Concatenate, ParamSpec
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone

from audit.chain import Actor
from rollout.lifecycle import Action
from rollout.permissions import Role, can, role_of

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Reader:
    """The person on the other side of one request."""

    name: str
    role: Role
    zone: tzinfo
    now: datetime
    request_id: str
    htmx: bool

    @property
    def actor(self) -> Actor:
        """The person as the ledger knows them."""
        return Actor(kind="user", name=self.name, role=self.role.value)

    def can(self, action: Action) -> bool:
        """Whether the reader's role allows the action."""
        return can(self.role, action)


View = Callable[Concatenate[HttpRequest, Reader, P], HttpResponseBase]


def page(view: "View[P]") -> "Callable[Concatenate[HttpRequest, P], HttpResponseBase]":
    """Give a view its reader; send strangers to sign in.

    A fragment that refetches itself gets 401 instead: a page left open must not turn into a
    sign-in form piece by piece. It goes stale and says so.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        reader = read(request)
        if reader is None:
            return _stranger(request)
        response = view(request, reader, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "private, no-cache")
        response.headers.setdefault("Vary", "Cookie, HX-Request")
        return response

    return wrapped


def read(request: HttpRequest) -> Reader | None:
    """Return the signed-in reader, or None."""
    role = role_of(request.user)
    if role is None:
        return None
    return Reader(
        name=request.user.get_username(),
        role=role,
        zone=zone_of(request),
        now=timezone.now(),
        request_id=str(getattr(request, "request_id", "")),
        htmx=is_htmx(request),
    )


def zone_of(request: HttpRequest) -> tzinfo:
    """Return the reader's zone as their browser named it, else the installation's."""
    for name in (request.COOKIES.get("tz", ""), settings.TIME_ZONE):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return UTC


def is_htmx(request: HttpRequest) -> bool:
    """Whether the page's script asked, and so wants a fragment."""
    return request.headers.get("HX-Request") == "true"


def _stranger(request: HttpRequest) -> HttpResponseBase:
    to = redirect_to_login(request.get_full_path())
    if not is_htmx(request):
        return to
    if request.headers.get("HX-Target") in {"dialogs", "dlg"}:
        return HttpResponse(status=204, headers={"HX-Redirect": to.headers["Location"]})
    return HttpResponse(status=401)
