"""The Python stand-in for the Rust candidate, for machines without cargo.

It is legacy's own code computing in float32: good for seeing Banyan at work, and no evidence
about a rewrite. Environment as candidate-axum: `HOST`, `PORT`, `BUILD_ID`, `FAULT`, `ADMIN_PORT`,
`FAULT_SLOW_MS`. Run: `python examples/candidate-python/standin.py`.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "legacy-fastapi"))

import uvicorn
from faults import Faults, serve_switch
from faulty import FaultyLayer, SingleModel
from service import create_app

DRAIN_SECONDS = 3


def main() -> None:
    """Serve until SIGTERM; a fault that is not known ends the program with a sentence."""
    name = os.environ.get("FAULT") or None
    slow_seconds = int(os.environ.get("FAULT_SLOW_MS") or 60) / 1000
    try:
        faults = Faults(None if name == "none" else name, slow_seconds=slow_seconds)
    except ValueError as error:
        sys.exit(str(error))
    admin_port = int(os.environ.get("ADMIN_PORT") or 0)
    if admin_port:
        serve_switch(faults, admin_port)
    app = create_app(
        build_id=os.environ.get("BUILD_ID") or "python-stand-in-0.9.2",
        model=SingleModel(faults),
        inside=lambda inner: FaultyLayer(inner, faults),
    )
    uvicorn.run(
        app,
        host=os.environ.get("HOST") or "127.0.0.1",
        port=int(os.environ.get("PORT") or 8002),
        access_log=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


if __name__ == "__main__":
    main()
