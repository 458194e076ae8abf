"""Types and formats of the values in log lines. Pure.

A format is a short text such as `ISO 8601, 3 decimals, Z` or `epoch milliseconds`; "" where a value
has none that a reader would depend on.
"""

import re
from typing import Any

ISO = re.compile(
    r"\d{4}(?P<dash>-?)\d\d(?P=dash)\d\d(?P<t>[T ])\d\d:?\d\d:?\d\d"
    r"(?:(?P<dot>[.,])(?P<fraction>\d{1,9}))? ?(?P<zone>Z|UTC|[+-]\d\d:?\d\d)?"
)
COMMON = re.compile(r"\[?\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]?")
SYSLOG = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d")
NUMERIC = re.compile(r"[+-]?\d+(?P<part>\.\d+)?(?:[eE][+-]?\d+)?")
QUANTITY = re.compile(r"[+-]?\d+(?:\.\d+)?\s?(?P<unit>ns|us|µs|ms|s|m|h|B|KB|KiB|MB|MiB)")
# From 2001-09-09 to 2096: what lies in here as a number of the unit is read as a time.
EPOCH_SECONDS = (1e9, 4e9)
EPOCH_UNITS = (
    (1.0, "seconds"),
    (1e3, "milliseconds"),
    (1e6, "microseconds"),
    (1e9, "nanoseconds"),
)
TIME_NAME = re.compile(
    r"^@?(ts|t|time|timestamp|date|datetime|at|asctime|eventtime)$|_(at|ts|time)$"
)
KINDS: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


def kind_of(value: Any) -> str:
    """Return the JSON type; whole numbers are told from others."""
    return next((name for kind, name in KINDS if isinstance(value, kind)), "null")


def format_of(name: str, value: Any) -> str:
    """Return the format of a field's value."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, (int, float)):
        return _epoch(value) if is_time_name(name) else ""
    if not isinstance(value, str):
        return ""
    return _text_format(name, value.strip())


def is_time_name(name: str) -> bool:
    """Whether the last part of a field's name says that it holds a time."""
    return bool(TIME_NAME.search(name.rpartition(".")[2].lower()))


def _text_format(name: str, value: str) -> str:
    if found := ISO.fullmatch(value):
        return _iso(found)
    if COMMON.fullmatch(value):
        return "common log time"
    if SYSLOG.fullmatch(value):
        return "syslog time, no year or zone"
    if found := NUMERIC.fullmatch(value):
        epoch = _epoch(float(value)) if is_time_name(name) else ""
        return f"{epoch}, as text" if epoch else "number as text"
    if found := QUANTITY.fullmatch(value):
        return f"quantity in {found['unit']}"
    return ""


def _iso(found: "re.Match[str]") -> str:
    parts = ["ISO 8601" if found["t"] == "T" else "ISO 8601 with a blank"]
    if not found["dash"]:
        parts.append("no dashes")
    digits = len(found["fraction"] or "")
    parts.append(f"{digits} decimals" if digits else "whole seconds")
    if found["dot"] == ",":
        parts.append("decimal comma")
    zone = found["zone"]
    parts.append({None: "no zone", "Z": "Z", "UTC": "UTC"}.get(zone, "offset"))
    return ", ".join(parts)


def _epoch(value: float) -> str:
    low, high = EPOCH_SECONDS
    for factor, unit in EPOCH_UNITS:
        if low * factor <= value <= high * factor:
            return f"epoch {unit}"
    return ""
