"""Settings that stand within others, and addresses among them. Pure."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from shadow.addresses import Address, AddressError, parse_address
from shadow.checks.base import SettingsError

MAX_MEMBERS = 20
MAX_URL = 500


@contextmanager
def inside(at: str) -> Iterator[None]:
    """Have a refusal of what stands within `at` name the whole way there."""
    try:
        yield
    except SettingsError as exc:
        raise SettingsError(f"{at}.{exc.field}", exc.problem) from exc


def members(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object of at most MAX_MEMBERS members; empty when it is not given."""
    value = settings.get(name, {})
    if not isinstance(value, Mapping) or len(value) > MAX_MEMBERS:
        raise SettingsError(name, f"is an object of at most {MAX_MEMBERS} members")
    return value


def url(settings: Mapping[str, Any], name: str) -> tuple[Address, str]:
    """Return address and path of a URL, whose address keeps the rules of service addresses."""
    value = settings.get(name)
    if not isinstance(value, str) or len(value) > MAX_URL:
        raise SettingsError(name, "is an address like http://10.0.0.5:9000/state")
    scheme, separator, rest = value.partition("://")
    host, slash, path = rest.partition("/")
    try:
        address = parse_address(f"{scheme}{separator}{host}")
    except AddressError as exc:
        raise SettingsError(name, str(exc)) from exc
    if not path.isascii() or not (path or "-").isprintable() or " " in path or "#" in path:
        raise SettingsError(name, "has a path of plain ASCII characters")
    return address, f"{slash or '/'}{path}"
