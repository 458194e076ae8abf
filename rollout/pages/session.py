"""Signing in and out, and the theme."""

from django.contrib.auth import logout
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

THEMES = ("light", "dark")
YEAR_SECONDS = 31_536_000


class SignIn(LoginView):
    """The sign-in form; whoever is signed in goes on."""

    template_name = "registration/login.html"
    redirect_authenticated_user = True


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return HttpResponseRedirect(reverse("pages:sign_in"))


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Choose the theme without a script: light, dark, `next` of the two, or the system's."""
    chosen = request.POST.get("theme", "")
    if chosen == "next":
        chosen = "light" if request.COOKIES.get("theme") == "dark" else "dark"
    response = HttpResponseRedirect(_back(request))
    response.set_cookie(
        "theme", chosen if chosen in THEMES else "", max_age=YEAR_SECONDS, samesite="Lax"
    )
    return response


def _back(request: HttpRequest) -> str:
    given = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(given, allowed_hosts={request.get_host()}):
        return given
    return reverse("pages:fleet")
