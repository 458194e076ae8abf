"""The Python stand-in for the Rust candidate, for machines without cargo.

It is legacy's own code with the candidate's faults: good for seeing Banyan at work, and no evidence
about a rewrite. Environment as candidate-axum: see `src/main.rs` there.
Run: `python examples/candidate-python/standin.py`.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "legacy-fastapi"))

import uvicorn
from admin import serve_admin, state_switch
from faults import Faults, fault_switch
from faulty import FaultyLayer, FaultyLog, FaultyModel, FaultyReadiness
from service import create_app

DRAIN_SECONDS = 3


def main() -> None:
    """Serve until SIGTERM; a fault that is not known ends the program with a sentence."""
    name = os.environ.get("FAULT") or None
    try:
        faults = Faults(
            None if name == "none" else name,
            slow_ms=number("FAULT_SLOW_MS", 60),
            collapse_rps=number("FAULT_COLLAPSE_RPS", 150),
        )
    except ValueError as error:
        sys.exit(str(error))
    readiness = FaultyReadiness(
        faults,
        warm_up_seconds=number("WARM_UP_MS", 0) / 1000,
        drain_seconds=number("DRAIN_MS", 0) / 1000,
    )
    if number("ADMIN_PORT", 0):
        serve_admin(number("ADMIN_PORT", 0), fault_switch(faults), state_switch(readiness))
    app = create_app(
        build_id=os.environ.get("BUILD_ID") or "python-stand-in-0.9.2",
        readiness=readiness,
        model=FaultyModel(faults),
        inside=lambda inner: FaultyLayer(inner, faults),
        log=FaultyLog(faults, os.environ.get("LOG_FILE")),
    )
    uvicorn.run(
        app,
        host=os.environ.get("HOST") or "127.0.0.1",
        port=number("PORT", 8002),
        access_log=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def number(name: str, default: int) -> int:
    """Return an environment variable, or `default` when it is absent or empty."""
    return int(os.environ.get(name) or default)


if __name__ == "__main__":
    main()
