"""Numbers as people read them: "0.052 %", "61 240", "15 min", "41 of 48 h"."""

import math
from typing import Literal

_MINUTE_S = 60
_HOUR_S = 3600
_SIGNIFICANT = 3
# Undoes the last bits of a product: 0.07 * 100 is 7.000000000000001.
_SLACK = 1e-6


def percent(share: float, rounding: Literal["nearest", "up", "down"] = "nearest") -> str:
    """Return a share as a percentage with three significant digits.

    Bounds are rounded away from the observed rate, so that one above a limit never reads like it.
    """
    value = share * 100
    if value <= 0:
        return "0 %"
    digits = _SIGNIFICANT - 1 - math.floor(math.log10(value))
    scaled = value * 10.0**digits
    if rounding == "up":
        scaled = math.ceil(scaled - _SLACK)
    elif rounding == "down":
        scaled = math.floor(scaled + _SLACK)
    text = f"{round(scaled) / 10.0**digits:.{max(digits, 0)}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def points(difference: float, rounding: Literal["nearest", "up", "down"] = "nearest") -> str:
    """Return a difference of two shares with its sign: "+0.05 points", "-1.2 points"."""
    away: Literal["nearest", "up", "down"] = rounding
    if difference < 0 and rounding != "nearest":
        away = "down" if rounding == "up" else "up"
    sign = "-" if difference < 0 else "+" if difference > 0 else ""
    return f"{sign}{percent(abs(difference), away).removesuffix(' %')} points"


def times(ratio: float, rounding: Literal["nearest", "up", "down"] = "nearest") -> str:
    """Return a ratio: "1.5 times"."""
    return f"{percent(ratio / 100, rounding).removesuffix(' %')} times"


def confidence(alpha: float) -> str:
    """Return how sure a bound at level alpha is: "99 % confidence"."""
    return f"{percent(1 - alpha)} confidence"


def microseconds(us: float) -> str:
    """Return a latency in the unit that people use for it: "85 us", "11.7 ms", "2.1 s"."""
    for unit, name in ((1e6, "s"), (1e3, "ms")):
        if us >= unit:
            return f"{us / unit:.3g} {name}" if us < unit * 1e3 else f"{us / unit:.0f} {name}"
    return f"{us:.0f} us"


def count(n: float) -> str:
    """Return a number rounded up to a whole one, thousands apart: 61 240."""
    return f"{math.ceil(n):,}".replace(",", " ")


def duration(seconds: float) -> str:
    """Return a duration, rounded up, in the largest unit that leaves at least two: 2 h, 40 s."""
    unit, name = _unit(seconds)
    return f"{count(seconds / unit)} {name}"


def window(elapsed_s: float, asked_s: float) -> str:
    """Return how much of a window has passed, never rounded in its favour: "41 of 48 h"."""
    unit, name = _unit(asked_s)
    passed = math.floor(min(elapsed_s, asked_s) / unit)
    return f"{count(passed)} of {asked_s / unit:g} {name}"


def _unit(seconds: float) -> tuple[int, str]:
    if seconds >= 2 * _HOUR_S:
        return _HOUR_S, "h"
    return (_MINUTE_S, "min") if seconds >= 2 * _MINUTE_S else (1, "s")
