"""How the pages say numbers and times. Pure; units are in the names.

Numbers: 0.0183%, 2.48 M, 3 h 10 min. Times: 24 h in the reader's zone.
"""

import re
from datetime import date, datetime, timedelta, tzinfo
from math import floor, log10

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
MILLION, BILLION = 1_000_000, 1_000_000_000


def count(n: float) -> str:
    """Say a count: 14,202, 2.48 M, 1.20 G."""
    if n >= BILLION:
        return f"{_figures(n / BILLION, 3)} G"
    if n >= MILLION:
        return f"{_figures(n / MILLION, 3)} M"
    return f"{n:,.0f}"


def plural(n: int, one: str, many: str = "") -> str:
    """Say a count with its noun: 1 gate, 2 gates."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def _figures(value: float, figures: int) -> str:
    """Round to significant figures, without an exponent or trailing zeros."""
    if value == 0:
        return "0"
    decimals = max(0, figures - 1 - floor(log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rate(fraction: float | None) -> str:
    """Say a small fraction in percent with three figures: 0.0183%. None is "no data"."""
    if fraction is None:
        return "no data"
    return f"{_figures(fraction * 100, 3)}%"


def signed_percent(change: float | None) -> str:
    """Say a relative change: \N{MINUS SIGN}75%, +8%, 0%; None is "no data"."""
    if change is None:
        return "no data"
    percent = round(100 * change)
    sign = "\N{MINUS SIGN}" if percent < 0 else "+" if percent > 0 else ""
    return f"{sign}{abs(percent)}%"


def share(percent: float | None) -> str:
    """Say a traffic share given in percent with one decimal: 24.9%."""
    if percent is None:
        return "no data"
    return f"{percent:.1f}".rstrip("0").rstrip(".") + "%"


def millis(us: float | None) -> str:
    """Say a latency given in microseconds: 11.7 ms."""
    if us is None:
        return "no data"
    return f"{us / 1000:,.2f} ms" if us < 10_000 else f"{us / 1000:,.1f} ms"  # noqa: PLR2004


def per_second(value: float | None) -> str:
    """Say a request rate: 103, 9.4; None is "no data"."""
    if value is None:
        return "no data"
    return f"{value:,.1f}" if 0 < value < 10 else f"{value:,.0f}"  # noqa: PLR2004


def small(value: float) -> str:
    """Say a tolerance: 1e-4, 0.01."""
    mantissa, _, power = f"{value:.3g}".partition("e")
    if not power and 0 < value < 0.01:  # noqa: PLR2004  # three zeros are hard to count
        mantissa, _, power = f"{value:.2e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(power)}" if power else mantissa


def tidy(sentence: str) -> str:
    """Bring a sentence of the judge to the pages' spelling: 0.1%, 3,787, a capital and a stop."""
    text = sentence.replace(" %", "%").strip()
    text = re.sub(r"(?<=\d)[ \u00a0\u202f](?=\d{3}\b)", ",", text)
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", "?")) else f"{text}."


def times(factor: float) -> str:
    """Say a factor: 3.9 with the multiplication sign."""
    return f"{factor:.1f}\N{MULTIPLICATION SIGN}"


def duration(seconds: float) -> str:
    """Say a length of time with its two largest units: 3 h 10 min, 2 min 28 s, 45 s."""
    s = max(0, round(seconds))
    if s < MINUTE_S:
        return f"{s} s"
    if s < 10 * MINUTE_S and s % MINUTE_S:
        return f"{s // MINUTE_S} min {s % MINUTE_S} s"
    if s < HOUR_S:
        return f"{s // MINUTE_S} min"
    if s < 3 * DAY_S:
        minutes = s % HOUR_S // MINUTE_S
        return f"{s // HOUR_S} h {minutes:02d} min" if minutes else f"{s // HOUR_S} h"
    days, hours = s // DAY_S, s % DAY_S // HOUR_S
    return f"{days} days {hours} h" if hours else f"{days} days"


def clock(moment: datetime, zone: tzinfo, *, seconds: bool = False) -> str:
    """Say the time of day: 14:32 or 14:32:08."""
    return moment.astimezone(zone).strftime("%H:%M:%S" if seconds else "%H:%M")


def moment_words(moment: datetime, zone: tzinfo, now: datetime) -> str:
    """Say a moment, with its day unless that is today: 14:32:08, 22 Nov 03:14."""
    local = moment.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return local.strftime("%H:%M:%S")
    return f"{local.day} {local.strftime('%b %H:%M')}"


def day(moment: date, today: date) -> str:
    """Say a day as a heading: Today, 23 November."""
    name = f"{moment.day} {moment.strftime('%B')}"
    if moment == today:
        return f"Today, {name}"
    if moment == today - timedelta(days=1):
        return f"Yesterday, {name}"
    return name if moment.year == today.year else f"{name} {moment.year}"


def ago(moment: datetime, now: datetime) -> str:
    """Say how long ago: 40 s ago."""
    return f"{duration((now - moment).total_seconds())} ago"


def short_hash(value: str) -> str:
    """Abbreviate a hash to its two ends: 9f3c…a71e."""
    return value if len(value) <= 9 else f"{value[:4]}…{value[-4:]}"  # noqa: PLR2004


def initials(name: str) -> str:
    """Return the two letters of an avatar: on-call is OC, operator is OP."""
    parts = [p for p in name.replace("_", "-").replace(".", "-").replace(" ", "-").split("-") if p]
    if not parts:
        return "?"
    return (parts[0][0] + (parts[1][0] if len(parts) > 1 else parts[0][1:2])).upper()
