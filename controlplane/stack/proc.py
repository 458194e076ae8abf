"""What /proc tells: who belongs to a session, who listens where, how much memory is used."""

import contextlib
import ipaddress
import os
import signal
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

from controlplane.stack.guard import processes

LISTEN = "0A"
WILDCARDS = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def session_members(session: int) -> list[int]:
    """Return the living processes of a session; its leader's pid is the session's number."""
    return [pid for pid, state, owner in processes() if owner == session and state not in "ZX"]


def kill_session(session: int) -> None:
    """SIGKILL every member once. Call before the leader is reaped: the number is ours so long."""
    for pid in session_members(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _address(text: str) -> tuple[str, int]:
    """Decode `0100007F:1F90` of /proc/net/tcp or its 32-digit IPv6 form (little-endian words)."""
    raw, port = text.split(":")
    words = [raw[i : i + 8] for i in range(0, len(raw), 8)]
    packed = b"".join(struct.pack("<I", int(word, 16)) for word in words)
    return str(ipaddress.ip_address(packed)), int(port, 16)


def listeners(host: str, port: int) -> set[str]:
    """Return the socket inodes that listen on host:port or on a wildcard address with that port."""
    wanted = {host, *WILDCARDS}
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN:
                    address, number = _address(fields[1])
                    if number == port and (host in WILDCARDS or address in wanted):
                        found.add(fields[9])
    return found


def _sockets(pids: Iterable[int]) -> set[str]:
    """Return the inodes of all sockets these processes hold."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    target = str(entry.readlink())
                    if target.startswith("socket:["):
                        found.add(target[8:-1])
    return found


def session_owns_port(session: int, host: str, port: int) -> bool:
    """Tell whether somebody listens there and all who do (ports can be shared) are members."""
    inodes = listeners(host, port)
    return bool(inodes) and inodes <= _sockets(session_members(session))


def peer_pid(connection: socket.socket) -> int:
    """Return the pid that opened the listening end of a Unix socket."""
    size = struct.calcsize("3i")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid: int = struct.unpack("3i", raw)[0]
    return pid


def session_memory_mb(session: int) -> float:
    """Return the proportional set size of all members in MB (10^6 bytes)."""
    total_kb = 0
    for pid in session_members(session):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total_kb += int(line.split()[1])
    return total_kb * 1024 / 1_000_000
