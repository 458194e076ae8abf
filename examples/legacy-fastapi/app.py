"""The legacy service: `python -m uvicorn app:app --app-dir examples/legacy-fastapi`."""

import os

from service import create_app

app = create_app(build_id=os.environ.get("BUILD_ID") or "legacy-2.41.3")
