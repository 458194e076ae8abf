"""Addresses, secrets and the children's environment: what the specs are made from."""

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controlplane.stack import ports
from controlplane.stack.options import Options
from controlplane.stack.probes import reachable
from controlplane.stack.proc import WILDCARDS
from controlplane.stack.state import State

ROOT = Path(__file__).resolve().parent.parent.parent
LOOPBACK = "127.0.0.1"
PROXY_ID = "edge-1"
DEMO_PORTS = ("legacy", "legacy-admin", "candidate", "candidate-admin")


@dataclass(frozen=True, slots=True)
class Layout:
    """One run's addresses and secrets. `redis_url` is set when the Redis is not ours to start."""

    options: Options
    state: State
    ports: Mapping[str, int]
    secrets: Mapping[str, str]
    foreign_redis: str

    def url(self, name: str) -> str:
        """Return the http address of a port by name."""
        host = reachable(self.options.host) if name in {"web", "envoy"} else LOOPBACK
        return f"http://{f'[{host}]' if ':' in host else host}:{self.ports[name]}"

    def access_log(self, side: str) -> Path:
        """Return where a service of the demo writes its log lines, and nothing but those."""
        return self.state.pair_logs / f"{side}.log"

    @property
    def redis_url(self) -> str:
        """Return the address of Redis with its password."""
        if self.foreign_redis:
            return self.foreign_redis
        return f"redis://:{self.secrets['redis_password']}@{LOOPBACK}:{self.ports['redis']}/0"

    @property
    def public_url(self) -> str:
        """Return the address people open."""
        return os.environ.get("BANYAN_PUBLIC_URL") or self.url("web")


def make_layout(options: Options, state: State) -> Layout:
    """Choose ports and secrets; RefusedError when a given port is taken."""
    foreign = os.environ.get("BANYAN_REDIS_URL") or os.environ.get("REDIS_URL") or ""
    hosts = {"web": options.host, "envoy": options.host}
    if not foreign:
        hosts["redis"] = LOOPBACK
    if options.demo:
        hosts |= dict.fromkeys(DEMO_PORTS, LOOPBACK)
    given = {"web": options.web_port, "envoy": options.envoy_port}
    chosen = ports.choose(hosts, given=given, memory=state.root / "ports.json")
    return Layout(options, state, chosen, state.secrets(), foreign)


def environment(layout: Layout) -> dict[str, str]:
    """Return what every child gets to see, on top of what we were given."""
    state, settings = layout.state, {}
    allowed = ["localhost", LOOPBACK, "[::1]", layout.options.host]
    if layout.options.host in WILDCARDS:
        allowed += [socket.gethostname(), socket.getfqdn()]
    defaults = {
        "BANYAN_DATABASE_URL": f"sqlite:///{state.root}/banyan.sqlite3",
        "BANYAN_SECRET_KEY": layout.secrets["secret_key"],
        "BANYAN_PUBLIC_URL": layout.public_url,
        "BANYAN_ALLOWED_HOSTS": ",".join(dict.fromkeys(allowed)),
        "BANYAN_DEBUG": "0",
        # One core's worth of work each: a pool of BLAS threads would only cost memory.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
    settings = {name: os.environ.get(name) or value for name, value in defaults.items()}
    fixed = {
        "BANYAN_STATE_DIR": str(state.root),
        **({"BANYAN_LOG_ROOTS": str(state.pair_logs)} if layout.options.demo else {}),
        "BANYAN_REDIS_URL": layout.redis_url,
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    return {**os.environ, **settings, **fixed}
