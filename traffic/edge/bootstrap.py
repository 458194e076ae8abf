"""`python -m traffic.edge.bootstrap`: write what Envoy starts from, before it starts.

The bootstrap file is always written anew. The dynamic files are kept when they are what the state
says, else rebuilt from the last known good snapshot; without one, a 503 says "no snapshot yet".
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from traffic.edge.config import installed_envoy
from traffic.edge.files import Wanted, XdsFiles, wanted
from traffic.edge.glass import GlassBox
from traffic.edge.selftest import remembered
from traffic.edge.state import EdgeState, StateStore, position_of, write_durably
from traffic.envoy.resources import bootstrap


def write_bootstrap(
    state_dir: Path,
    *,
    proxy_id: str,
    listen: tuple[str, int],
    user_key_header: str = "x-user-key",
    envoy: Path | None = None,
) -> Path:
    """Write `envoy.json` and, where needed, the dynamic files; returns the bootstrap's path."""
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    document = bootstrap(
        proxy_id=proxy_id,
        state_dir=str(state_dir),
        listen_host=listen[0],
        listen_port=listen[1],
        user_key_header=user_key_header,
    )
    # From here on the glass can be broken, whether or not the edge ever runs.
    GlassBox(state_dir).prepare(proxy_id)
    path = state_dir / "envoy.json"
    write_durably(path, document)
    # Taps only for a binary that is known to survive them; the edge adds them after its test.
    test = remembered(state_dir, envoy or installed_envoy())
    write_dynamic_files(state_dir, taps=test is not None and test.pair_tap)
    return path


def write_dynamic_files(state_dir: Path, *, taps: bool) -> None:
    """Make the dynamic files right for the state on disk."""
    files = XdsFiles(state_dir)
    files.prepare()
    candidates = _candidates(StateStore(state_dir), taps=taps)
    if not candidates:
        files.write_initial()
    elif not any(_match(files, target) for target in candidates):
        files.write("clusters", candidates[0].clusters_version, candidates[0].clusters)
        files.write("routes", candidates[0].routes_version, candidates[0].routes)


def _candidates(store: StateStore, *, taps: bool) -> list[Wanted]:
    """Return what may stand in the files, best first.

    After a crash in the middle of an application the files may be of either snapshot: both are
    left alone, and the edge finishes the work.
    """
    state = store.load()
    found: list[Wanted] = []
    last_good = store.last_good()
    if last_good is not None:
        accepted = EdgeState(position_of(last_good), state.hold)
        found.append(wanted(accepted, last_good, taps=taps, now=time.time()))
    doc = store.document(state)
    if doc is not None and doc != last_good:
        found.append(wanted(state, doc, taps=taps, now=time.time()))
    return found


def _match(files: XdsFiles, target: Wanted) -> bool:
    return (files.read("clusters"), files.read("routes")) == (
        (target.clusters_version, target.clusters),
        (target.routes_version, target.routes),
    )


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m traffic.edge.bootstrap", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--listen", required=True, help="where users connect, host:port")
    parser.add_argument("--proxy-id", required=True)
    parser.add_argument("--user-key-header", default="x-user-key")
    parser.add_argument("--envoy", type=Path, help="Envoy binary, by default the installed one")
    values = parser.parse_args(arguments)
    host, _, port = values.listen.rpartition(":")
    if not host or not port.isdigit():
        parser.error("--listen must be host:port")
    write_bootstrap(
        values.state_dir.absolute(),
        proxy_id=values.proxy_id,
        listen=(host, int(port)),
        user_key_header=values.user_key_header,
        envoy=values.envoy,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
