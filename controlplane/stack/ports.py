"""Free ports, remembered in the state directory so that a rerun serves at the same addresses."""

import errno
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

from controlplane.stack.errors import RefusedError
from controlplane.stack.files import read_private, write_private

# Below Linux's range for outgoing connections: nothing takes the port while a child restarts.
LOWEST, HIGHEST = 20_000, 32_000
TRIES = 200


def is_free(host: str, port: int) -> bool:
    """Tell whether nobody listens there and we may; an unusable host raises RefusedError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a connection in TIME_WAIT from the last run is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            if error.errno == errno.EACCES:
                message = f"port {port} on {host} needs root: choose one from 1024 up"
                raise RefusedError(message) from error
            raise RefusedError(f"cannot listen on {host}: {error.strerror}") from error
    return True


def _pick(host: str, taken: set[int]) -> int:
    for _ in range(TRIES):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if port not in taken and is_free(host, port):
            return port
    raise RefusedError(f"no free port found on {host} between {LOWEST} and {HIGHEST}")


def choose(
    hosts: Mapping[str, str], *, given: Mapping[str, int | None], memory: Path
) -> dict[str, int]:
    """Return a port per name of `hosts`: the given, else the remembered if free, else a free one.

    Raises RefusedError when a given port is taken or given twice. Writes the choice to `memory`.
    """
    remembered = read_private(memory)
    chosen: dict[str, int] = {}
    for name, host in hosts.items():
        port = given.get(name)
        if port is None:
            continue
        if port in chosen.values():
            raise RefusedError(f"port {port} was given twice")
        if not is_free(host, port):
            taken = f"port {port} on {host} is taken by another program"
            raise RefusedError(f"{taken}: free it or choose another --{name}-port")
        chosen[name] = port
    for name, host in hosts.items():
        if name in chosen:
            continue
        taken_here, last = set(chosen.values()), remembered.get(name, 0)
        usable = last and last not in taken_here and is_free(host, last)
        chosen[name] = last if usable else _pick(host, taken_here)
    write_private(memory, {**remembered, **chosen})
    return chosen
