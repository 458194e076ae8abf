"""The legacy service: `python -m uvicorn app:app --app-dir examples/legacy-fastapi`.

Environment: `BUILD_ID`, `ADMIN_PORT` (none), `LOG_FILE` (none), `WARM_UP_MS` (0: how long
`/readyz` says starting), `DRAIN_MS` (0: how long it says draining while requests are still taken).
"""

import os

from admin import serve_admin, state_switch
from observe import JsonLog
from readiness import Readiness
from service import create_app


def milliseconds(name: str) -> float:
    """Return an environment variable in seconds."""
    return int(os.environ.get(name) or 0) / 1000


readiness = Readiness(
    warm_up_seconds=milliseconds("WARM_UP_MS"), drain_seconds=milliseconds("DRAIN_MS")
)
app = create_app(
    build_id=os.environ.get("BUILD_ID") or "legacy-2.41.3",
    readiness=readiness,
    log=JsonLog(os.environ.get("LOG_FILE")),
)
if os.environ.get("ADMIN_PORT"):
    serve_admin(int(os.environ["ADMIN_PORT"]), state_switch(readiness))
