"""Service addresses as people type them, checked before anything is sent there. Pure."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


class AddressError(ValueError):
    """An address that cannot be used; the text says what an address looks like."""


@dataclass(frozen=True, slots=True)
class Address:
    """A plain HTTP address: host and port, nothing else."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address in its one spelling."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return host and port of `http://host:port`, or raise AddressError."""
    if not text.isascii() or not text.isprintable() or any(c in text for c in " \\"):
        raise AddressError("An address has only plain ASCII characters, like http://10.0.0.5:8000.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as exc:
        raise AddressError("The port is a number from 1 to 65535.") from exc
    if parts.scheme != "http":
        raise AddressError("The address starts with http:// (Envoy speaks plain HTTP to services).")
    if "@" in parts.netloc or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise AddressError("The address is host and port alone: no user, path, query or fragment.")
    if port == 0:
        raise AddressError("The port is a number from 1 to 65535.")
    host = (parts.hostname or "").lower().rstrip(".")
    return Address(_checked_host(host), port or 80)


def _checked_host(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not HOST.fullmatch(host) or host.replace(".", "").isdigit():
            raise AddressError("The host is a name or an IP address.") from None
        return host
    if address.is_unspecified or address.is_multicast or address.is_link_local:
        raise AddressError(f"{host} is not an address a service can have.")
    return str(address)
