"""What an answer says about its body, and the headers that rules compare."""

import re
from typing import NamedTuple

from shadow.comparison.answers import Answer
from shadow.comparison.differences import ContentTypeDiffers, Difference, HeaderDiffers, excerpt
from shadow.comparison.rules import HeaderRules

# Headers that say nothing about the service's answer: about the connection, the moment, the proxy,
# the body's way over the wire (its bytes are compared anyway), and user's cookies.
NEVER_COMPARED = frozenset(
    {
        "age",
        "connection",
        "content-encoding",
        "content-length",
        "date",
        "keep-alive",
        "server",
        "set-cookie",
        "trailer",
        "transfer-encoding",
        "vary",
        "via",
        "x-build-id",
        "x-envoy-upstream-service-time",
        "x-request-id",
    }
)
CONTENT_TYPE = "content-type"
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)


class Said(NamedTuple):
    """What the headers of one answer say about its body."""

    content_type: str
    encoding: str
    length: str


def said(answer: Answer) -> Said:
    """Read what an answer says about its body, in one pass."""
    content_type = encoding = length = ""
    for name, value in answer.headers:
        if name == "content-type":
            content_type = content_type or value
        elif name == "content-encoding":
            encoding = f"{encoding},{value}" if encoding else value
        elif name == "content-length":
            length = value
    return Said(content_type, encoding, length)


def is_json(content_type: str) -> bool:
    """Whether an answer says that it is JSON, or says nothing."""
    return not content_type or "json" in content_type.lower()


def is_event_stream(content_type: str) -> bool:
    """Whether an answer says that it is a stream of server-sent events."""
    return content_type.lower().startswith("text/event-stream")


def announced(length: str) -> int | None:
    """Return the length that an answer announced; None when it did not, or not as a number."""
    return int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None  # noqa: PLR2004


def media_type(content_type: str) -> str:
    """Return type and charset in one form; a charset that is not named is UTF-8."""
    if not content_type:
        return ""
    charset = _CHARSET.search(content_type)
    name = charset[1].lower() if charset else "utf-8"
    return (
        f"{content_type.partition(';')[0].strip().lower()}; charset={name.replace('utf8', 'utf-8')}"
    )


def compare_headers(legacy: Answer, candidate: Answer, rules: HeaderRules) -> list[Difference]:
    """Return the differences between the headers that the rules name."""
    a, b = _grouped(legacy), _grouped(candidate)
    names = rules.compare
    if rules.every:
        names = tuple(sorted({*a, *b} - NEVER_COMPARED - rules.ignore))
    found = (_compare(name, a.get(name, ""), b.get(name, "")) for name in names)
    return [difference for difference in found if difference is not None]


def _compare(name: str, a: str, b: str) -> Difference | None:
    path = f"header.{name}"
    if name == CONTENT_TYPE:
        same = media_type(a) == media_type(b)
        return None if same else ContentTypeDiffers(path, a[:100], b[:100])
    if name == "location":
        # Each service names itself; where on it the user is sent is what counts.
        a, b = _ORIGIN.sub("", a, count=1), _ORIGIN.sub("", b, count=1)
    return None if a == b else HeaderDiffers(path, excerpt(a), excerpt(b))


def _grouped(answer: Answer) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in answer.headers:
        found[name] = f"{found[name]}, {value.strip()}" if name in found else value.strip()
    return found
