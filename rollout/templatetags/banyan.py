"""Tags of the operators' pages: icons, verdict glyphs, bars. Nothing here reads the database."""

from django import template
from django.template.context import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from rollout.pages import charts

register = template.Library()

THEMES = ("light", "dark")
STATUSES = frozenset(
    {"pass", "fail", "inc", "col", "none", "stale", "hold", "over", "go", "cur", "err"}
)


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw a Lucide icon of the sprite; always decoration, a word stands beside it."""
    return format_html(
        '<svg class="i" aria-hidden="true"><use href="{}#i-{}"/></svg>', static("icons.svg"), name
    )


@register.simple_tag
def glyph(status: str) -> SafeString:
    """Draw the status glyph, coloured by its class; unknown words become the dotted ring."""
    known = status if status in STATUSES else "none"
    tone = {"cur": "col", "go": "go", "err": "fail"}.get(known, known)
    shape = {"err": "fail"}.get(known, known)
    return format_html(
        '<svg class="g is-{}" aria-hidden="true"><use href="{}#s-{}"/></svg>',
        tone,
        static("icons.svg"),
        shape,
    )


@register.simple_tag
def logo(kind: str = "logo") -> SafeString:
    """Draw the fig."""
    return format_html(
        '<svg class="logo" aria-hidden="true"><use href="{}#{}"/></svg>', static("icons.svg"), kind
    )


@register.simple_tag
def split_bar(
    candidate: float | None, set_to: float | None = None, *, large: bool = False
) -> SafeString:
    """Draw the traffic bar from percents."""
    return SafeString(charts.split_bar(candidate, set_to=set_to, large=large))


@register.simple_tag
def meter(percent: float, status: str = "", label: str = "") -> SafeString:
    """Draw a meter from a percent."""
    return SafeString(charts.meter(percent, status=status, label=label))


@register.simple_tag(takes_context=True)
def theme(context: Context) -> str:
    """Return the reader's theme from its cookie: light, dark, or nothing for the system's."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme", "") if request else ""
    return chosen if chosen in THEMES else ""
